//! What a mistyped name may be meant as.

/// How alike two names must be at least.
const ALIKE: f64 = 0.6;

/// The nearest of the names that are allowed: both are taken from the words of the refusal.
pub(crate) fn nearest(problem: &str) -> Option<String> {
    let (found, allowed) = given_and_allowed(problem)?;
    let lower = found.to_lowercase();
    let alike = |name: &str| {
        let whole = strsim::normalized_damerau_levenshtein(&lower, &name.to_lowercase());
        // `method` for `methods`, `scope` for `any_scopes`.
        let within = name.contains(&lower) || lower.contains(name);
        if within && lower.len() > 2 {
            whole.max(ALIKE)
        } else {
            whole
        }
    };
    let scored = allowed.into_iter().map(|name| (alike(&name), name));
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (best.0 >= ALIKE && best.1 != found).then_some(best.1)
}

fn given_and_allowed(problem: &str) -> Option<(String, Vec<String>)> {
    if let Some(rest) = problem.strip_prefix("there is no provider ") {
        let (found, names) = rest.split_once("; there are: ")?;
        let names = names.split(", ").map(str::to_owned).collect();
        return Some((found.trim_matches('"').to_owned(), names));
    }
    let rest = problem
        .strip_prefix("unknown field `")
        .or_else(|| problem.strip_prefix("unknown variant `"))?;
    // A name may hold anything; what is allowed does not.
    let (found, allowed) = rest.rsplit_once("`, expected ")?;
    let names = allowed.split('`').skip(1).step_by(2);
    Some((found.to_owned(), names.map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_if_there_is_one() {
        let keys = "expected one of `scopes`, `any_scopes`, `claims`, `max_age`";
        for (problem, expected) in [
            (format!("unknown field `scpoes`, {keys}"), Some("scopes")),
            (format!("unknown field `Scopes`, {keys}"), Some("scopes")),
            (
                format!("unknown field `any-scopes`, {keys}"),
                Some("any_scopes"),
            ),
            (format!("unknown field `maxAge`, {keys}"), Some("max_age")),
            (format!("unknown field `claim`, {keys}"), Some("claims")),
            (format!("unknown field `banana`, {keys}"), None),
            (format!("unknown field ``, {keys}"), None),
            ("unknown field `x`".to_owned(), None),
            (
                "unknown variant `rfc-7662`, expected `texas` or `rfc7662`".to_owned(),
                Some("rfc7662"),
            ),
            (
                "there is no provider \"Entra\"; there are: entra, maskinporten".to_owned(),
                Some("entra"),
            ),
            ("is empty".to_owned(), None),
        ] {
            assert_eq!(nearest(&problem).as_deref(), expected, "{problem}");
        }
    }
}
