//! The host that a request is for, and which hosts a rule is for.
//!
//! As with paths, a rule may only decide on a host that everybody reads in one way.

use std::fmt;
use std::net::Ipv6Addr;

use thiserror::Error;

/// The host of a request: lower-case, without port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

/// Hosts that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This very host.
    Exact(Host),
    /// All hosts below this one, at any depth: what stands behind the `*` of `*.x.y`.
    Below(String),
}

/// The text is no host, or one that could be read in two ways.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no host name or address")]
pub struct HostError;

/// The longest host name there is (RFC 1035 section 2.3.4), in bytes.
const MAX_HOST: usize = 253;

impl Host {
    /// Parses an authority (RFC 9110 section 7.2): a host and perhaps a port.
    pub fn parse(authority: &[u8]) -> Result<Self, HostError> {
        let text = str::from_utf8(authority).map_err(|_| HostError)?;
        let (host, port) = split_port(text);
        let is_host = host.len() <= MAX_HOST && (is_name(host) || is_ip_literal(host));
        if !is_host || !port.is_none_or(is_port) {
            return Err(HostError);
        }
        Ok(Self(host.to_ascii_lowercase()))
    }

    /// Under what patterns for this host are found: the host itself, and what is left of it when
    /// labels are taken off its front, each with the dot before it.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let dots = self.0.match_indices('.');
        let suffixes = dots.filter_map(|(at, _)| self.0.get(at..));
        [self.0.as_str()].into_iter().chain(suffixes)
    }
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons within brackets are the address's own.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// A number that is a port. Envoy does not cut off what is none.
fn is_port(text: &str) -> bool {
    let is_digits = text.bytes().all(|b| b.is_ascii_digit());
    is_digits && text.len() <= 5 && text.parse::<u16>().is_ok()
}

/// Labels of letters, digits, `-` and `_`, with dots between them.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        !label.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    host.split('.').all(is_label)
}

/// An IPv6 address in brackets, in its canonical form: Envoy compares texts.
fn is_ip_literal(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = address.and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.is_some_and(|address| format!("[{address}]").eq_ignore_ascii_case(host))
}

/// As it is written in a configuration.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(Host(text)) => f.write_str(text),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl HostPattern {
    /// Parses a host, or `*.` and a host.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let (below, host) = match text.strip_prefix('*') {
            Some(rest) => (true, rest.strip_prefix('.').ok_or(HostError)?),
            None => (false, text),
        };
        let host = Host::parse(host.as_bytes())?;
        // A port takes no part in matching; naming one would be a mistake.
        if split_port(text).1.is_some() || (below && host.0.starts_with('[')) {
            return Err(HostError);
        }
        Ok(if below {
            Self::Below(format!(".{}", host.0))
        } else {
            Self::Exact(host)
        })
    }

    /// Under what the pattern is found: one of the keys of each host that it matches.
    pub fn key(&self) -> &str {
        match self {
            Self::Exact(Host(text)) | Self::Below(text) => text,
        }
    }

    /// Whether the host is one of these.
    pub fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exact(expected) => expected == host,
            Self::Below(suffix) => host.0.len() > suffix.len() && host.0.ends_with(suffix),
        }
    }

    /// Whether every host that the other is for is one that this is for.
    pub fn takes_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (own, Self::Exact(host)) => own.matches(host),
            (Self::Exact(_), Self::Below(_)) => false,
            (Self::Below(own), Self::Below(other)) => other.ends_with(own.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading() {
        for (authority, expected) in [
            ("api.example.com", Some("api.example.com")),
            ("API.Example.COM:8080", Some("api.example.com")),
            // Envoy takes these for other hosts, and some servers do not.
            ("api.example.com.", None),
            ("api.example.com.:443", None),
            ("localhost:", None),
            ("10.0.0.1:80", Some("10.0.0.1")),
            ("[::1]", Some("[::1]")),
            ("[2001:DB8::1]:8080", Some("[2001:db8::1]")),
            ("[0:0::1]", None),
            ("[::0001]:80", None),
            ("a:65535", Some("a")),
            ("a:65536", None),
            ("a:4294967296", None),
            ("a:000080", None),
            ("a:+80", None),
            ("a_b.svc", Some("a_b.svc")),
            ("", None),
            (".", None),
            (":80", None),
            ("a..b", None),
            (".a", None),
            ("a..", None),
            ("a b", None),
            ("a,b", None),
            ("a@b", None),
            ("a/b", None),
            ("a:b", None),
            ("a:80:90", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[a]", None),
            ("a%2eb", None),
            ("bl\u{e5}.no", None),
        ] {
            let found = Host::parse(authority.as_bytes());
            assert_eq!(
                found.ok().map(|host| host.0).as_deref(),
                expected,
                "{authority}"
            );
        }
        assert_eq!(Host::parse(b"a\xff"), Err(HostError));
        let long = "a.".repeat(126) + "b";
        assert!(Host::parse(long.as_bytes()).is_ok());
        assert_eq!(Host::parse(format!("{long}c").as_bytes()), Err(HostError));
    }

    #[test]
    fn patterns() {
        for (pattern, host, expected) in [
            ("api.example.com", "api.example.com", true),
            ("API.example.com", "api.EXAMPLE.com:80", true),
            ("api.example.com", "xapi.example.com", false),
            ("api.example.com", "api.example.com.evil.org", false),
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "a.b.example.com:80", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "xexample.com", false),
            ("*.example.com", "example.com.evil.org", false),
            ("[::1]", "[::1]:80", true),
        ] {
            let host = Host::parse(host.as_bytes()).unwrap();
            let pattern = HostPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(&host), expected, "{pattern:?} {host:?}");
            let is_found = host.keys().any(|key| key == pattern.key());
            assert_eq!(is_found, expected, "{pattern:?} {host:?}");
        }
    }

    #[test]
    fn what_is_no_pattern() {
        for text in [
            "", "*", "*.", "*x.y", "a.*", "a.*.b", "a:80", "*.[::1]", "http://a", "a/b",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
