//! Methods, as they are written: a name that no request has would make a rule for nothing, and let
//! a wider rule below decide.

use super::context::Context;
use super::warning::Unwise;
use super::{ConfigError, refuse};
use crate::request::method::is_registered;

/// What stands for all methods elsewhere.
const ALL: [&str; 3] = ["*", "ANY", "ALL"];

/// The methods beside the registered ones that rules may name.
pub(super) fn extra_methods(names: Vec<String>) -> Result<Vec<String>, ConfigError> {
    for (index, name) in names.iter().enumerate() {
        if let Some(problem) = malformed(name) {
            return refuse(
                format!("extra_methods[{index}]"),
                format!("{name:?} {problem}"),
            );
        }
    }
    Ok(names)
}

/// Says which of them no rule names: they do nothing.
pub(super) fn warn_of_unused(extra: &[String], named: &[&str], context: &mut Context) {
    for (index, name) in extra.iter().enumerate() {
        if !named.contains(&name.as_str()) {
            let problem = format!("{name:?} is named by no rule");
            context.warn(
                Unwise::UnusedMethod,
                format!("extra_methods[{index}]"),
                problem,
            );
        }
    }
}

/// The methods of a rule.
pub(super) fn methods(
    key: &str,
    names: Vec<String>,
    extra: &[String],
) -> Result<Vec<String>, ConfigError> {
    if names.is_empty() {
        return refuse(key, "is empty, so that the rule is for no request");
    }
    for (index, name) in names.iter().enumerate() {
        let unknown = || {
            let is_known = is_registered(name.as_bytes()) || extra.contains(name);
            (!is_known).then(|| {
                "is no registered method; if your API has it, name it in `extra_methods`".to_owned()
            })
        };
        if let Some(problem) = malformed(name).or_else(unknown) {
            return refuse(format!("{key}[{index}]"), format!("{name:?} {problem}"));
        }
        if names.iter().take(index).any(|other| other == name) {
            return refuse(
                format!("{key}[{index}]"),
                format!("{name:?} is given twice"),
            );
        }
    }
    Ok(names)
}

/// Why a text can be no method's name, and how it is written.
fn malformed(name: &str) -> Option<String> {
    if ALL.iter().any(|all| name.eq_ignore_ascii_case(all)) {
        return Some("stands for no method; for all of them leave `methods` out".to_owned());
    }
    if let Some(rest) = name.strip_prefix('!') {
        return Some(format!("excludes nothing; list all methods but `{rest}`"));
    }
    if let Some(list) = listed(name) {
        return Some(format!("is no method; a list is written `[{list}]`"));
    }
    if http::Method::from_bytes(name.as_bytes()).is_err() {
        return Some("is no method: an upper-case name, e.g. `GET`".to_owned());
    }
    let upper = name.to_ascii_uppercase();
    (upper != name).then(|| format!("is no method: names are in upper case, `{upper}`"))
}

/// Several methods in one text, as a list.
fn listed(name: &str) -> Option<String> {
    let names = name.split(|c: char| c == '|' || c == ',' || c.is_whitespace());
    let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    (names.len() > 1).then(|| names.join(", ").to_ascii_uppercase())
}
