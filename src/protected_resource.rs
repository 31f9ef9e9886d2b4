//! The metadata of the API as a protected resource (RFC 9728): where clients learn which
//! authorization server to ask for a token, and with what scopes.

use serde_json::{Map, Value};

use crate::head::RequestHead;
use crate::policy::path::Path;

/// Where metadata are, before the resource's own path (RFC 9728 section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata, and where they are served.
#[derive(Debug)]
pub struct ProtectedResource {
    path: Path<'static>,
    url: String,
    document: String,
}

impl ProtectedResource {
    /// From a document whose `resource` is `origin` and `path`, e.g. `https://api.example.com` and
    /// `/orders`. `None` if the path could be read in two ways.
    pub fn new(document: &Map<String, Value>, origin: &str, path: &str) -> Option<Self> {
        // The slash behind the host is not kept (RFC 9728 section 3.1).
        let path = format!("{WELL_KNOWN}{}", if path == "/" { "" } else { path });
        Some(Self {
            path: Path::parse(path.as_bytes()).ok()?.into_owned(),
            url: format!("{origin}{path}"),
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
