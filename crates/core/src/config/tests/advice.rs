//! What is valid and unwise.

use super::*;
use crate::config::advice::advice;

fn check_advice(json: &str, expected: &[&str]) {
    let found = advice(&parsed(json));
    let found: Vec<_> = found
        .iter()
        .map(|warning| format!("{} {}", warning.unwise.name(), warning.key))
        .collect();
    assert_eq!(found, expected, "{json}");
}

#[test]
fn what_is_unwise() {
    let plain = format!(r#"{INTROSPECTION},"required_scopes":["a"]"#);
    let rfc7662 = r#"{"cluster":"c","api":"rfc7662""#;
    for (config, expected) in [
        (plain.clone(), &[][..]),
        (
            format!(r#"{plain},"failure_mode_allow":true"#),
            &["failure_mode_allow failure_mode_allow"],
        ),
        (format!(r#"{plain},"jwt_precheck":{{}}"#), &[]),
        (
            format!(r#""introspection":{rfc7662}}},"required_scopes":["a"],"jwt_precheck":{{}}"#),
            &["precheck_of_opaque_tokens jwt_precheck"],
        ),
        (
            format!(
                r#""providers":{{"p":{rfc7662},"issuers":["i"]}}}},"required_scopes":["a"],"jwt_precheck":{{}}"#
            ),
            &[],
        ),
        (
            format!(
                r#""providers":{{"p":{rfc7662},"issuers":["i"]}},"q":{rfc7662}}}}},"required_scopes":["a"],"jwt_precheck":{{}}"#
            ),
            &["precheck_of_opaque_tokens jwt_precheck"],
        ),
    ] {
        check_advice(&format!("{{{config}}}"), expected);
    }
}

#[test]
fn paths_in_another_case() {
    let token = r#""require":{"scopes":["a"]}"#;
    for (rules, expected) in [
        (
            vec![("\"prefix\":\"/admin\"", token), ("", token)],
            &["other_case rules[0].match.prefix"][..],
        ),
        (
            vec![
                ("\"path\":\"/x\"", token),
                ("\"template\":\"/ADMIN/{id}\"", token),
                ("\"prefix\":\"/admin\"", token),
            ],
            &["other_case rules[1].match.template"],
        ),
        (
            vec![
                ("\"prefix\":\"/admin\"", token),
                ("\"prefix\":\"/other\"", token),
            ],
            &[],
        ),
        (
            vec![
                ("\"prefix\":\"/admin\"", token),
                ("\"prefix\":\"/ADMIN\"", token),
                ("", token),
            ],
            &[],
        ),
        (
            vec![
                ("\"prefix\":\"/public\"", "\"anonymous\":true"),
                ("", token),
            ],
            &[],
        ),
        (vec![("\"prefix\":\"/\"", token)], &[]),
        (
            vec![
                ("\"prefix\":\"/1/2\",\"methods\":[\"GET\"]", token),
                ("", token),
            ],
            &[],
        ),
        (
            vec![
                ("\"prefix\":\"/a\",\"methods\":[\"GET\"]", token),
                ("\"methods\":[\"POST\"]", token),
            ],
            &[],
        ),
        // All of them, whatever else the rules tell apart.
        (
            vec![
                ("\"prefix\":\"/admin\"", token),
                ("\"path\":\"/b\"", token),
                ("", token),
            ],
            &[
                "other_case rules[0].match.prefix",
                "other_case rules[1].match.path",
            ],
        ),
        (
            vec![
                (
                    "\"prefix\":\"/admin\",\"methods\":[\"GET\",\"POST\"]",
                    token,
                ),
                ("\"methods\":[\"POST\"]", token),
            ],
            &["other_case rules[0].match.prefix"],
        ),
        (
            vec![
                ("\"prefix\":\"/admin\"", token),
                ("\"methods\":[\"POST\"]", token),
            ],
            &["other_case rules[0].match.prefix"],
        ),
        (
            vec![
                ("\"prefix\":\"/admin\",\"hosts\":[\"*.a.b\"]", token),
                ("", token),
            ],
            &["other_case rules[0].match.prefix"],
        ),
        (
            vec![
                ("\"prefix\":\"/admin\"", token),
                ("\"hosts\":[\"a.b\"]", token),
            ],
            &["other_case rules[0].match.prefix"],
        ),
        (
            vec![
                ("\"prefix\":\"/admin\",\"hosts\":[\"a.b\"]", token),
                ("\"hosts\":[\"c.d\"]", token),
            ],
            &[],
        ),
        (
            vec![
                ("\"hosts\":[\"a.b\"]", token),
                ("\"prefix\":\"/admin\"", token),
            ],
            &[],
        ),
        (
            vec![
                ("\"prefix\":\"/admin\",\"route\":\"r\"", token),
                ("", token),
            ],
            &["other_case rules[0].match.prefix"],
        ),
    ] {
        let rules: Vec<_> = rules
            .iter()
            .map(|(matches, access)| format!(r#"{{"match":{{{matches}}},{access}}}"#))
            .collect();
        check_advice(
            &format!(r#"{{{INTROSPECTION},"rules":[{}]}}"#, rules.join(",")),
            expected,
        );
    }
}
