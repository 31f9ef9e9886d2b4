//! Names of claims, as they are written: what reads like one in another language is refused, or
//! told, because a claim that no token has meets no requirement but `none_of`.

use super::context::{Context, Refused};
use super::warning::Unwise;
use crate::token::claims::{ClaimId, ClaimPath};

/// What other languages have in front of a claim's name. A claim may be called so as well.
const ROOTS: [&str; 13] = [
    "access_token",
    "auth",
    "authentication",
    "claims",
    "id_token",
    "introspection",
    "jwt",
    "jwt_payload",
    "payload",
    "principal",
    "request",
    "response",
    "token",
];

/// What expressions are made of, and names of claims are not.
const OPERATORS: [char; 21] = [
    '[', ']', '{', '}', '(', ')', '<', '>', '"', '\'', '`', '|', '?', '!', '=', '&', '%', '^', ',',
    ';', '\\',
];

/// The claim of that name, which is wanted from now on.
pub(super) fn claim(key: &str, path: &str, context: &mut Context) -> Result<ClaimId, Refused> {
    if let Some(problem) = misread(path) {
        return context.refuse(key, format!("{path:?} {problem}"));
    }
    if let Some(problem) = suspect(path) {
        context.warn(Unwise::SuspectClaim, key, format!("{path:?} {problem}"));
    }
    match ClaimPath::parse(path) {
        Ok(path) => Ok(context.claims.want(path)),
        Err(error) => context.refuse(key, error.to_string()),
    }
}

/// Why a path can be no claim's, and how it is written.
fn misread(path: &str) -> Option<String> {
    // A JSON Pointer says by itself what its names are.
    if path.starts_with('/') {
        return None;
    }
    let current = path.strip_prefix('@');
    let is_current = current.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    if path.starts_with('$') || is_current {
        return Some("looks like JSONPath; write it without, e.g. `consumer.ID`".to_owned());
    }
    if path.contains("://") {
        let pointer = path.replace('~', "~0").replace('/', "~1");
        return Some(format!(
            "holds dots and slashes; write it as a JSON Pointer, `/{pointer}`"
        ));
    }
    if path.contains('/') {
        let pointer = path.trim_start_matches('#').trim_start_matches('/');
        let name = pointer.replace('~', "~0").replace('/', "~1");
        return Some(format!(
            "holds a slash; a JSON Pointer begins with one: `/{pointer}`, or if the slash is in a \
             name: `/{name}`"
        ));
    }
    if path.contains("\\.") {
        let pointer = path.replace('~', "~0").replace("\\.", "\\");
        let pointer = pointer.replace('.', "/").replace('\\', ".");
        return Some(format!(
            "has a dot in a name; write it as a JSON Pointer, `/{pointer}`"
        ));
    }
    if path.contains(OPERATORS) || path.contains("->") {
        return Some(
            "looks like an expression; write names with dots between them, e.g. `consumer.ID`, \
             places in arrays as in `/aud/0`, and names that are so as a JSON Pointer"
                .to_owned(),
        );
    }
    if path.contains('*') || path.split('.').any(|name| name == "#") {
        return Some("has a wildcard, and there are none; see `contains`".to_owned());
    }
    if path.trim() != path || path.contains(char::is_control) {
        return Some("has space at its ends, or control characters".to_owned());
    }
    None
}

/// Why a path may not be meant so.
fn suspect(path: &str) -> Option<String> {
    if let Some(pointer) = path.strip_prefix('/') {
        // Names with slashes are what pointers are for, and they hold dots often.
        let mut names = pointer.split('/');
        let is_dotted = names.any(|name| name.contains('.') && !name.contains("~1"));
        let dotted = pointer.replace('/', ".");
        return is_dotted.then(|| {
            format!("is a claim whose name has a dot in it; if there are two names: `{dotted}`")
        });
    }
    let (root, mut rest) = path.split_once('.').filter(|(root, _)| is_root(root))?;
    while let Some((_, inner)) = rest.split_once('.').filter(|(root, _)| is_root(root)) {
        rest = inner;
    }
    let problem = format!("is a claim within a claim `{root}`; if it stands by itself: `{rest}`");
    Some(problem)
}

fn is_root(name: &str) -> bool {
    ROOTS.iter().any(|root| name.eq_ignore_ascii_case(root))
}
