//! Files with tests, as they are written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portvakt_core::time::Time;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::case::{Case, Expected};
use crate::explain::answer::EndpointAnswer;
use crate::explain::request::{self, Target};
use crate::explain::{read, time};
use crate::outcome::Failure;

/// A file with tests that can be run.
pub(super) struct TestFile {
    /// The file with the plugin configuration.
    pub(super) config: PathBuf,
    pub(super) cases: Vec<Case>,
}

type Claims = Map<String, Value>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    config: PathBuf,
    #[serde(default)]
    defaults: RawDefaults,
    tests: Vec<RawCase>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDefaults {
    #[serde(default)]
    request: RawRequest,
    #[serde(default)]
    claims: Option<Claims>,
    #[serde(default)]
    now: Option<Scalar>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    #[serde(default)]
    request: RawRequest,
    #[serde(default)]
    claims: Option<Claims>,
    #[serde(default)]
    response: Option<RawResponse>,
    #[serde(default)]
    inactive: bool,
    #[serde(default)]
    outage: bool,
    #[serde(default)]
    no_answer: bool,
    #[serde(default)]
    now: Option<Scalar>,
    expect: Expected,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    host: Option<String>,
    /// `null`: the default's header is not there.
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    client_certificate: Option<String>,
    #[serde(default)]
    body: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResponse {
    #[serde(default)]
    status: Option<u16>,
    body: Body,
}

/// A text as it is, or an object, which is sent as JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Text(String),
    Json(Claims),
}

/// A time, as a text or a number of seconds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Seconds(u64),
    Text(String),
}

impl TestFile {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = String::from_utf8(read(path)?);
        let text = text.map_err(|_| wrong(path, "it is no UTF-8"))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|what| wrong(path, &what))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        // No line of the file is shown: tokens may stand in it.
        let options = serde_saphyr::options! { with_snippet: false };
        let raw: RawFile = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| error.to_string())?;
        if raw.tests.is_empty() {
            return Err("it has no tests".to_owned());
        }
        let defaults = &raw.defaults;
        let cases = raw.tests.into_iter().map(|raw| {
            let name = raw.name.clone();
            case(raw, defaults).map_err(|what| format!("test {name:?}: {what}"))
        });
        Ok(Self {
            cases: cases.collect::<Result<_, _>>()?,
            config: folder.join(raw.config),
        })
    }
}

fn wrong(path: &Path, what: &str) -> Failure {
    Failure::new(format!("{}: {what}", path.display()))
}

fn case(raw: RawCase, defaults: &RawDefaults) -> Result<Case, String> {
    let now = raw.now.as_ref().or(defaults.now.as_ref());
    if raw.expect.is_empty() {
        return Err("it expects nothing".to_owned());
    }
    Ok(Case {
        head: head(&raw.request, &defaults.request)?,
        now: now.map_or_else(|| Ok(time::now()), Scalar::time)?,
        answer: answer(&raw, defaults)?,
        name: raw.name,
        expected: raw.expect,
    })
}

fn head(
    own: &RawRequest,
    default: &RawRequest,
) -> Result<portvakt_core::explain::head::Head, String> {
    let method = own.method.as_ref().or(default.method.as_ref());
    let host = own.host.as_ref().or(default.host.as_ref());
    let target = match (&own.url, &own.path) {
        (Some(_), Some(_)) => return Err("`url` and `path` are not for together".to_owned()),
        (Some(url), None) => Some(url_of(url)?),
        (None, Some(path)) => Some(Target {
            host: host.cloned().unwrap_or_else(|| "localhost".to_owned()),
            path: path.clone(),
        }),
        (None, None) => None,
    };
    let target = match (target, &default.url, &default.path) {
        (Some(target), _, _) => target,
        (None, Some(url), _) => url_of(url)?,
        (None, None, Some(path)) => Target {
            host: host.cloned().unwrap_or_else(|| "localhost".to_owned()),
            path: path.clone(),
        },
        (None, None, None) => return Err("its request has no `path` and no `url`".to_owned()),
    };
    let mut head = target.head(method.map_or("GET", String::as_str));
    let own_names: Vec<_> = own
        .headers
        .keys()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    let inherited = default.headers.iter();
    let inherited = inherited.filter(|(name, _)| !own_names.contains(&name.to_ascii_lowercase()));
    for (name, value) in inherited.chain(&own.headers) {
        if let Some(value) = value {
            let (name, value) = request::header(&format!("{name}:{value}"))?;
            head = head.with(&name, value);
        }
    }
    let route = own.route.as_ref().or(default.route.as_ref());
    head.route = route.cloned();
    let certificate = own.client_certificate.as_ref();
    let certificate = certificate.or(default.client_certificate.as_ref());
    head.certificate = certificate.map(|text| request::digest(text)).transpose()?;
    head.has_body = own.body.or(default.body).unwrap_or_default();
    Ok(head)
}

fn url_of(url: &str) -> Result<Target, String> {
    Target::of_url(url).map_err(|failure| failure.line().unwrap_or_default().to_owned())
}

fn answer(raw: &RawCase, defaults: &RawDefaults) -> Result<Option<EndpointAnswer>, String> {
    let given = [
        raw.claims.is_some(),
        raw.response.is_some(),
        raw.inactive,
        raw.outage,
        raw.no_answer,
    ];
    if given.into_iter().filter(|given| *given).count() > 1 {
        let one = "only one of `claims`, `response`, `inactive`, `outage` and `no_answer`";
        return Err(one.to_owned());
    }
    Ok(match &raw.response {
        Some(response) => Some(response.answer()),
        None if raw.inactive => Some(EndpointAnswer::inactive()),
        None if raw.outage => Some(EndpointAnswer::outage()),
        None if raw.no_answer => None,
        None => active(raw.claims.as_ref(), defaults.claims.as_ref())?,
    })
}

/// The default's claims and the case's own, which go first; one that is null is not there.
fn active(
    own: Option<&Claims>,
    default: Option<&Claims>,
) -> Result<Option<EndpointAnswer>, String> {
    if own.is_none() && default.is_none() {
        return Ok(None);
    }
    let mut claims = default.cloned().unwrap_or_default();
    claims.extend(own.cloned().unwrap_or_default());
    claims.retain(|_, value| !value.is_null());
    let answer = EndpointAnswer::active(claims);
    answer.map(Some).map_err(|error| error.to_string())
}

impl RawResponse {
    fn answer(&self) -> EndpointAnswer {
        let body = match &self.body {
            Body::Text(text) => text.clone(),
            Body::Json(object) => Value::Object(object.clone()).to_string(),
        };
        EndpointAnswer::of(self.status.unwrap_or(200), body.into_bytes())
    }
}

impl Scalar {
    fn time(&self) -> Result<Time, String> {
        match self {
            Self::Seconds(seconds) => time::parse(&seconds.to_string()),
            Self::Text(text) => time::parse(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let error = TestFile::parse(text, Path::new("folder")).err();
        match (&error, expected) {
            (None, None) => {}
            (Some(error), Some(part)) => assert!(error.contains(part), "{text}: {error}"),
            _ => panic!("{text}: {error:?}"),
        }
    }

    const GOOD: &str =
        "config: a.yaml\ntests:\n- name: x\n  request: {path: /}\n  expect: {status: 401}\n";

    #[test]
    fn what_is_no_file_of_tests() {
        check(GOOD, None);
        check("config: a.yaml\ntests: []\n", Some("it has no tests"));
        for (from, to, part) in [
            ("config:", "confg:", "unknown field `confg`"),
            ("status:", "statsu:", "unknown field `statsu`"),
            ("status: 401", "", "it expects nothing"),
            ("path: /", "", "no `path` and no `url`"),
            ("path: /", "url: /", "is no URL"),
            ("path: /", "path: /, url: 'http://a/'", "not for together"),
            (
                "path: /",
                "path: /, headers: {'a b': c}",
                "is no header's name",
            ),
            (
                "path: /",
                "path: /, client_certificate: ab",
                "64 hex digits",
            ),
            (
                "  expect",
                "  inactive: true\n  outage: true\n  expect",
                "only one of",
            ),
            (
                "  expect",
                "  claims: {active: true}\n  expect",
                "`active` is no claim",
            ),
            ("  expect", "  now: yesterday\n  expect", "no time like"),
            ("status: 401", "decision: maybe", "maybe"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            check(&GOOD.replacen(from, to, 1), Some(part));
        }
    }

    #[test]
    fn an_unknown_key_is_shown_where_it_stands() {
        check(&GOOD.replace("status", "statsu"), Some("line 5"));
    }

    #[test]
    fn no_token_is_told_of_a_file_that_is_wrong() {
        let token = "headers: {authorization: \"Bearer s3cret\"}";
        for request in [
            format!("pth: /, {token}"),
            format!("path: [/], {token}"),
            "path: /, headers: {authorization: [Bearer s3cret]}".to_owned(),
            "path: /, headers: {\"authorization Bearer s3cret\": x}".to_owned(),
            "url: \"a/?access_token=s3cret\"".to_owned(),
            "url: \"https://user:s3cret@a/\"".to_owned(),
        ] {
            let text = GOOD.replace("path: /", &request);
            let error = TestFile::parse(&text, Path::new("")).err().unwrap();
            assert!(!error.contains("s3cret"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".*", at in 0..GOOD.len(), bytes in "[\\PC\\n:{}\\[\\]-]{0,4}") {
            let _ = TestFile::parse(&text, Path::new(""));
            let mut mutated = GOOD.to_owned();
            mutated.insert_str(at, &bytes);
            let _ = TestFile::parse(&mutated, Path::new(""));
        }
    }
}
