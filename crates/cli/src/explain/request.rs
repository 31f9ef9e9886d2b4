//! The request that is explained.

use portvakt_core::explain::head::Head;

use crate::outcome::Failure;

/// Host and path of a request, with the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) path: String,
}

impl Target {
    /// Takes a URL apart, and changes nothing in it: what an odd path comes to is worth a question
    /// too.
    pub(crate) fn of_url(url: &str) -> Result<Self, Failure> {
        let is_scheme = |scheme: &str| {
            ["http", "https"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
        };
        let parts = url.split_once("://");
        // What is no URL is not repeated: there may be a token in it.
        let Some((_, rest)) = parts.filter(|(scheme, _)| is_scheme(scheme)) else {
            let line = "the URL is no URL like https://api.example.com/orders";
            return Err(Failure::new(line));
        };
        // Clients keep a fragment to themselves.
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        // Nor do clients send those.
        if host.contains('@') {
            return Err(Failure::new("the URL has a user or a password in it"));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            host: host.to_owned(),
            path: format!("{slash}{path}"),
        })
    }

    /// The head of a request for it.
    pub(crate) fn head(&self, method: &str) -> Head {
        Head::default()
            .with(":method", method)
            .with(":authority", self.host.as_str())
            .with(":path", self.path.as_str())
    }
}

/// A header as it is typed.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    let wrong = "a header is no header like `name: value`";
    let (name, value) = text.split_once(':').ok_or(wrong)?;
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("what stands before the `:` of a header is no header's name".to_owned());
    }
    Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
}

/// The digest of a certificate as it is typed, perhaps with colons.
pub(crate) fn digest(text: &str) -> Result<String, String> {
    let digest = text.replace(':', "").to_ascii_lowercase();
    if digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(digest)
    } else {
        Err("no SHA-256 digest: 64 hex digits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, expected) in [
            ("https://a.b/c", Some(("a.b", "/c"))),
            ("http://a:80/c?d=/#e", Some(("a:80", "/c?d=/"))),
            ("https://a", Some(("a", "/"))),
            ("https://a?b", Some(("a", "/?b"))),
            ("https://a//b/../c%2f", Some(("a", "//b/../c%2f"))),
            ("https://[::1]:8443/", Some(("[::1]:8443", "/"))),
            ("/c", None),
            ("ftp://a/b", None),
            ("HTTPS://a/b", Some(("a", "/b"))),
            ("https://user:password@a/b", None),
            ("https://a/b@c", Some(("a", "/b@c"))),
            ("", None),
        ] {
            let found = Target::of_url(url).ok();
            let found = found
                .as_ref()
                .map(|target| (target.host.as_str(), target.path.as_str()));
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn headers() {
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        for (text, expected) in [
            ("Accept: a/b", pair("accept", "a/b")),
            ("x:", pair("x", "")),
            ("x: a: b", pair("x", "a: b")),
            ("x", None),
            (": x", None),
            (":path: /x", None),
            ("a b: c", None),
        ] {
            assert_eq!(header(text).ok(), expected, "{text}");
        }
    }
}
