//! Methods, as they are written: a name that no request has would make a rule for nothing, and let
//! a wider rule below decide.

use super::context::{Context, Refused, all};
use super::warning::Unwise;
use crate::request::method::is_registered;

/// What stands for all methods elsewhere.
const ALL: [&str; 3] = ["*", "ANY", "ALL"];

/// The methods beside the registered ones that rules may name.
pub(super) fn extra_methods(
    names: Vec<String>,
    context: &mut Context,
) -> Result<Vec<String>, Refused> {
    let names = names.into_iter().enumerate();
    all(names.map(|(index, name)| match malformed(&name) {
        Some(problem) => context.refuse(
            format!("extra_methods[{index}]"),
            format!("{name:?} {problem}"),
        ),
        None => Ok(name),
    }))
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
    extra: Result<&[String], Refused>,
    context: &mut Context,
) -> Result<Vec<String>, Refused> {
    if names.is_empty() {
        return context.refuse(key, "is empty, so that the rule is for no request");
    }
    let mut result = Ok(());
    for (index, name) in names.iter().enumerate() {
        let unknown = || {
            // Nothing is known of the others where they were refused.
            let is_extra = extra.map_or(true, |extra| extra.contains(name));
            let is_known = is_registered(name.as_bytes()) || is_extra;
            (!is_known).then(|| {
                "is no registered method; if your API has it, name it in `extra_methods`".to_owned()
            })
        };
        let mut before = names.iter().take(index);
        let twice = || {
            let is_twice = before.any(|other| other == name);
            is_twice.then(|| "is given twice".to_owned())
        };
        if let Some(problem) = malformed(name).or_else(unknown).or_else(twice) {
            let key = format!("{key}[{index}]");
            result = context.refuse(key, format!("{name:?} {problem}"));
        }
    }
    result.map(|()| names)
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
