//! Where secrets may stand: a line that holds one is not shown.

use std::ops::Range;

use crate::source::find::Configuration;
use crate::source::located::{Children, Located};

/// The keys of a provider whose values are no secrets. What else is there may be one, mistyped
/// names and what stands in the wrong place included.
const HARMLESS: [&str; 7] = [
    "api",
    "cluster",
    "identity_provider",
    "inactive_statuses",
    "issuers",
    "outage_errors",
    "timeout",
];

/// Words in names of what may be a secret, wherever it stands.
const WORDS: [&str; 8] = [
    "authorization",
    "client_authentication",
    "credential",
    "headers",
    "inline",
    "parameters",
    "password",
    "secret",
];

/// Parts of a configuration that may be secrets, in bytes of the file.
pub(crate) fn secrets(configuration: &Configuration) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let root = &configuration.located;
    // A text whose parts have no place is all one place.
    if matches!(root.children, Children::None) {
        found.push(root.value.clone());
    }
    let providers = root.get("providers").into_iter().flat_map(Located::members);
    let providers = providers.map(|(_, provider)| provider);
    for provider in root.get("introspection").into_iter().chain(providers) {
        match &provider.children {
            Children::Members(members) => {
                let others = members
                    .iter()
                    .filter(|(name, _)| !HARMLESS.contains(&name.as_str()));
                found.extend(others.map(|(_, member)| member.value.clone()));
            }
            Children::None | Children::Items(_) => found.push(provider.value.clone()),
        }
    }
    by_name(root, &mut found);
    found
}

fn by_name(located: &Located, found: &mut Vec<Range<usize>>) {
    for (name, member) in located.members() {
        let is_meant = name == "authorization" && !matches!(member.children, Children::Members(_));
        if may_name_a_secret(name) && !is_meant {
            found.push(member.value.clone());
        } else {
            by_name(member, found);
        }
    }
    for item in located.items() {
        by_name(item, found);
    }
}

fn may_name_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Whether a text has any word of those: for a file that could not be read.
pub(crate) fn may_hold_secrets(text: &str) -> bool {
    may_name_a_secret(text)
}

/// The places of secrets that stand in the file themselves, as the filter's key has them.
pub(crate) fn inline(configuration: &Configuration) -> Vec<(String, &Located)> {
    let root = &configuration.located;
    let short = root
        .get("introspection")
        .map(|one| ("introspection".to_owned(), one));
    let several = root.get("providers").into_iter().flat_map(Located::members);
    let several = several.map(|(name, one)| (format!("providers.{name}"), one));
    let mut found = Vec::new();
    for (key, provider) in short.into_iter().chain(several) {
        let secret = provider
            .get("client_authentication")
            .and_then(|auth| auth.get("secret"));
        if let Some(inline) = secret.and_then(|secret| secret.get("inline")) {
            found.push((format!("{key}.client_authentication.secret.inline"), inline));
        }
        let headers = provider
            .get("headers")
            .into_iter()
            .flat_map(Located::members);
        for (name, header) in headers {
            if name.eq_ignore_ascii_case("authorization") {
                found.push((format!("{key}.headers.{name}"), header));
            }
        }
        let parameters = provider
            .get("parameters")
            .into_iter()
            .flat_map(Located::members);
        for (name, parameter) in parameters {
            if name == "client_secret" {
                found.push((format!("{key}.parameters.{name}"), parameter));
            }
        }
    }
    found
}
