//! The metadata of the API as a protected resource (RFC 9728): where clients learn which
//! authorization server to ask for a token, and with what scopes.

use serde_json::{Map, Value};

use crate::request::head::RequestHead;
use crate::request::path::Path;

/// Where metadata are, before the resource's own path (RFC 9728 section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The headers of the answer with the metadata. They are public: pages of any origin may read
/// them too.
pub const HEADERS: [(&str, &str); 2] = [
    ("content-type", "application/json"),
    ("access-control-allow-origin", "*"),
];

/// The metadata, and where they are served.
#[derive(Debug)]
pub struct ProtectedResource {
    path: Path<'static>,
    url: String,
    document: String,
}

impl ProtectedResource {
    /// From a document whose `resource` is `origin` and `target`, path and query, e.g.
    /// `https://api.example.com` and `/orders`. `None` if the path could be read in two ways.
    pub fn new(document: &Map<String, Value>, origin: &str, target: &str) -> Option<Self> {
        // The slash behind the host is not kept (RFC 9728 section 3.1).
        let target = match target.strip_prefix('/') {
            Some(rest) if rest.is_empty() || rest.starts_with('?') => rest,
            _ => target,
        };
        let target = format!("{WELL_KNOWN}{target}");
        Some(Self {
            path: Path::parse(target.as_bytes()).ok()?.into_owned(),
            url: format!("{origin}{target}"),
            document: serde_json::to_string(document).ok()?,
        })
    }

    /// The URL of the metadata, for challenges.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The metadata, JSON.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Whether this is a request for the metadata.
    pub fn is_asked_for_by(&self, head: &impl RequestHead) -> bool {
        let target = head.header(":path").unwrap_or_default();
        Path::parse(&target).is_ok_and(|path| path.is(&self.path))
            && matches!(head.header(":method").as_deref(), Some(b"GET" | b"HEAD"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::head::FakeHead;

    fn resource(path: &str) -> Option<ProtectedResource> {
        let document = json!({ "resource": "x", "other": ["y", 1] });
        ProtectedResource::new(document.as_object().unwrap(), "https://a:8443", path)
    }

    #[test]
    fn where_it_is_served() {
        for (path, expected) in [
            ("", Some("")),
            ("/", Some("")),
            ("/api", Some("/api")),
            ("/api/", Some("/api/")),
            ("/a/b%20c", Some("/a/b%20c")),
            ("//", None),
            ("/a//b", None),
            ("/a/../b", None),
            ("/a%2fb", None),
            ("/a;b", None),
        ] {
            let url = resource(path).map(|resource| resource.url().to_owned());
            let expected = expected
                .map(|path| format!("https://a:8443/.well-known/oauth-protected-resource{path}"));
            assert_eq!(url, expected, "{path}");
        }
    }

    #[test]
    fn the_document_is_as_configured() {
        let document: Value = serde_json::from_str(resource("").unwrap().document()).unwrap();
        assert_eq!(document, json!({ "resource": "x", "other": ["y", 1] }));
    }

    fn check(path: &str, method: &str, target: &str, expected: bool) {
        let head = [(":method", method.as_bytes()), (":path", target.as_bytes())];
        let asks = resource(path)
            .unwrap()
            .is_asked_for_by(&FakeHead::of(&head));
        assert_eq!(asks, expected, "{path:?}: {method} {target}");
    }

    #[test]
    fn which_paths_ask_for_it() {
        for (path, target, expected) in [
            ("", "", true),
            ("", "?x=y", true),
            ("", "?/../", true),
            ("", "/", false),
            ("", "/api", false),
            ("", "s", false),
            ("", ";x", false),
            ("", "#x", false),
            ("", "%2f", false),
            ("/api", "/api", true),
            ("/api", "/api?x", true),
            ("/api", "/%61pi", true),
            ("/api", "", false),
            ("/api", "/api/", false),
            ("/api", "/api/x", false),
            ("/api", "/apix", false),
            ("/api", "/API", false),
            ("/api/", "/api/", true),
            ("/api/", "/api", false),
            ("/a%20b", "/a%20b", true),
        ] {
            let target = format!("/.well-known/oauth-protected-resource{target}");
            check(path, "GET", &target, expected);
        }
        for (target, expected) in [
            ("/.well-known/oauth-protected-resourc%65", true),
            ("/.Well-Known/oauth-protected-resource", false),
            ("/x/../.well-known/oauth-protected-resource", false),
            ("//.well-known/oauth-protected-resource", false),
            ("https://a/.well-known/oauth-protected-resource", false),
            ("/oauth-protected-resource", false),
            ("/", false),
            ("*", false),
            ("", false),
        ] {
            check("", "GET", target, expected);
        }
        let nothing = FakeHead::of(&[(":method", b"GET")]);
        assert!(!resource("").unwrap().is_asked_for_by(&nothing));
    }

    #[test]
    fn which_methods_ask_for_it() {
        for (method, expected) in [
            ("GET", true),
            ("HEAD", true),
            ("POST", false),
            ("OPTIONS", false),
            ("get", false),
            ("GETS", false),
            ("", false),
        ] {
            let target = "/.well-known/oauth-protected-resource";
            check("", method, target, expected);
        }
    }
}
