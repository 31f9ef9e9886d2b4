//! The sections `rules` and `required_scopes`.

use super::*;

#[test]
fn rules() {
    for (rule, expected) in [
        (r#"{"match":{},"require":{}}"#, Ok(())),
        (r#"{"match":{"prefix":"/"},"require":{}}"#, Ok(())),
        (r#"{"match":{"path":"/bl%C3%A5"},"anonymous":true}"#, Ok(())),
        (r#"{"require":{}}"#, Err("rules[0]: missing field `match`")),
        (
            r#"{"match":null,"require":{}}"#,
            Err("rules[0].match: invalid type: null"),
        ),
        (r#"{"match":{}}"#, Err("rules[0].require: is missing")),
        (
            r#"{"match":{},"anonymous":false}"#,
            Err("rules[0].require: is missing"),
        ),
        (
            r#"{"match":{},"require":null}"#,
            Err("rules[0].require: invalid type: null"),
        ),
        (
            r#"{"match":{},"anonymous":true,"require":{}}"#,
            Err("rules[0].require: not together with `anonymous: true`"),
        ),
        (
            r#"{"match":{},"anonymous":"yes"}"#,
            Err("rules[0].anonymous: invalid type"),
        ),
        (
            r#"{"match":{"prefix":null},"anonymous":true}"#,
            Err("rules[0].match.prefix: invalid type: null"),
        ),
        (
            r#"{"match":{"path":"/a","prefix":"/a"},"require":{}}"#,
            Err("rules[0].match.prefix: not together with `path`"),
        ),
        (
            r#"{"match":{"path":"a"},"require":{}}"#,
            Err("rules[0].match.path: \"a\" is a path that does not begin"),
        ),
        (
            r#"{"match":{"path":""},"require":{}}"#,
            Err("rules[0].match.path"),
        ),
        (
            r#"{"match":{"path":"/a?b"},"require":{}}"#,
            Err("rules[0].match.path: \"/a?b\" holds a query"),
        ),
        (
            r#"{"match":{"prefix":"/a//b"},"require":{}}"#,
            Err("rules[0].match.prefix: \"/a//b\" is a path that could be read in two ways"),
        ),
        (
            r#"{"match":{"prefix":"/a/../b"},"require":{}}"#,
            Err("rules[0].match.prefix"),
        ),
        (
            r#"{"match":{"methods":[]},"require":{}}"#,
            Err("rules[0].match.methods: is empty"),
        ),
        (
            r#"{"match":{"methods":["GET","get"]},"require":{}}"#,
            Err("rules[0].match.methods[1]: \"get\" is no method: names are in upper case, `GET`"),
        ),
        (
            r#"{"match":{"methods":["G T"]},"require":{}}"#,
            Err("rules[0].match.methods[0]: \"G T\" is no method; a list is written `[G, T]`"),
        ),
        (
            r#"{"match":{"template":"/a/{b}","hosts":["a","*.b.c"],"route":"r","methods":["GET"]},"require":{}}"#,
            Ok(()),
        ),
        (
            r#"{"match":{"template":"/a/{b}.json"},"require":{}}"#,
            Err("rules[0].match.template: \"/a/{b}.json\" is a template whose parameters"),
        ),
        (
            r#"{"match":{"prefix":"/a/*"},"require":{}}"#,
            Err("rules[0].match.prefix: \"/a/*\" looks like a pattern"),
        ),
        (
            r#"{"match":{"path":"/a/{b}"},"require":{}}"#,
            Err("rules[0].match.path: \"/a/{b}\" looks like a pattern"),
        ),
        (
            r#"{"match":{"template":"/a/{b}/*"},"require":{}}"#,
            Err("rules[0].match.template: \"/a/{b}/*\" is a template whose"),
        ),
        (r#"{"match":{"path":"/a%2A%7Bb%7D"},"require":{}}"#, Ok(())),
        (
            r#"{"match":{"prefix":"/pub%3Alic"},"require":{}}"#,
            Err("rules[0].match.prefix: \"/pub%3Alic\" spells `:` as `%3A`; write `:`"),
        ),
        (
            r#"{"match":{"path":"/%61dmin"},"require":{}}"#,
            Err("rules[0].match.path: \"/%61dmin\" spells `a` as `%61`; write `a`"),
        ),
        (
            r#"{"match":{"template":"/{x}/%5B"},"require":{}}"#,
            Err("rules[0].match.template: \"/{x}/%5B\" spells `[` as `%5B`; write `[`"),
        ),
        (
            r#"{"match":{"path":"/bl%c3%a5"},"require":{}}"#,
            Err("rules[0].match.path: \"/bl%c3%a5\" spells `%C3` as `%c3`; write `%C3`"),
        ),
        (
            r#"{"match":{"prefix":"/blå%20b%7C%22%5E:@[]%25"},"require":{}}"#,
            Ok(()),
        ),
        (
            r#"{"match":{"template":"/%2A/{x}/blå"},"require":{}}"#,
            Ok(()),
        ),
        (
            r#"{"match":{"template":"/a//{b}"},"require":{}}"#,
            Err("rules[0].match.template: \"/a//{b}\" is a path that could be read in two ways"),
        ),
        (
            r#"{"match":{"template":"/a/{b}?c"},"require":{}}"#,
            Err("rules[0].match.template: \"/a/{b}?c\" holds a query"),
        ),
        (
            r#"{"match":{"template":"/a","prefix":"/a"},"require":{}}"#,
            Err("rules[0].match.template: not together with `prefix`"),
        ),
        (
            r#"{"match":{"path":"/%ff"},"require":{}}"#,
            Err("rules[0].match.path: \"/%ff\" is a path that could be read in two ways"),
        ),
        (
            r#"{"match":{"hosts":[]},"require":{}}"#,
            Err("rules[0].match.hosts: is empty"),
        ),
        (
            r#"{"match":{"hosts":["a","b:80"]},"require":{}}"#,
            Err("rules[0].match.hosts[1]: \"b:80\" is no host name or address, without port"),
        ),
        (
            r#"{"match":{"hosts":["*"]},"require":{}}"#,
            Err("rules[0].match.hosts[0]"),
        ),
        (
            r#"{"match":{"route":""},"require":{}}"#,
            Err("rules[0].match.route: is empty"),
        ),
        (
            r#"{"match":{},"require":{"scopes":[]}}"#,
            Err("rules[0].require.scopes: is empty"),
        ),
        (
            r#"{"match":{},"require":{"scopes":["a b"]}}"#,
            Err("rules[0].require.scopes[0]: \"a b\" is no scope"),
        ),
        (
            r#"{"match":{},"require":["a"]}"#,
            Err("rules[0].require: invalid type: sequence, expected an object"),
        ),
        (
            "[{},true]",
            Err("rules[0]: invalid type: sequence, expected an object"),
        ),
    ] {
        check(
            &format!(r#"{{{INTROSPECTION},"rules":[{rule}]}}"#),
            expected,
        );
    }
}

#[test]
fn requirements() {
    let deep = |depth: usize| {
        let (open, close) = (r#"{"all_of":["#.repeat(depth), "]}".repeat(depth));
        format!(r#"{open}{{"scopes":["a"]}}{close}"#)
    };
    let deepest = deep(200);
    for (require, expected) in [
        (
            r#"{"scopes":["a","b:*"],"any_scopes":["c","*"],"acr_values":["x","y"],"max_age":"5m",
                "claims":[{"claim":"a.b","equals":1},{"claim":"/a~1b","one_of":["x",true]},
                    {"claim":"c","contains":{"d":["e"]}},{"claim":"f","exists":true}],
                "all_of":[{"any_of":[{"scopes":["d"]},{"none_of":[{"scopes":["e"]}]}]}]}"#,
            Ok(()),
        ),
        (
            r#"{"any_scopes":[]}"#,
            Err("rules[0].require.any_scopes: is empty"),
        ),
        (
            r#"{"any_scopes":["a b"]}"#,
            Err("rules[0].require.any_scopes[0]: \"a b\" is no scope"),
        ),
        (r#"{"scope":["a"]}"#, Err("unknown field `scope`")),
        (r#"{"claims":[]}"#, Err("rules[0].require.claims: is empty")),
        (
            r#"{"claims":[{"equals":1}]}"#,
            Err("claims[0]: missing field `claim`"),
        ),
        (
            r#"{"claims":[{"claim":"a"}]}"#,
            Err("rules[0].require.claims[0]: expected one of"),
        ),
        (
            r#"{"claims":[{"claim":"a","equals":1,"exists":true}]}"#,
            Err("rules[0].require.claims[0]: expected one of"),
        ),
        (
            r#"{"claims":[{"claim":"a..b","equals":1}]}"#,
            Err("rules[0].require.claims[0].claim: \"a..b\" names no claim"),
        ),
        (
            r#"{"claims":[{"claim":"/a~2","equals":1}]}"#,
            Err("claims[0].claim"),
        ),
        (
            r#"{"claims":[{"claim":"a","equals":null}]}"#,
            Err("claims[0].equals: expected a value"),
        ),
        (
            r#"{"claims":[{"claim":"a","one_of":[]}]}"#,
            Err("claims[0].one_of: is empty"),
        ),
        (
            r#"{"claims":[{"claim":"a","one_of":[null]}]}"#,
            Err("claims[0].one_of[0]: expected a value"),
        ),
        (
            r#"{"claims":[{"claim":"a","one_of":"x"}]}"#,
            Err("claims[0].one_of: invalid type"),
        ),
        (
            r#"{"claims":[{"claim":"a","contains":{"x":1,"x":2}}]}"#,
            Err("`x` is given twice"),
        ),
        (
            r#"{"claims":[{"claim":"a","contains":{"b":[]}}]}"#,
            Err("claims[0].contains: holds something empty or null"),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"a","one_of":[1,100000000000000000000]}]}]}"#,
            Err("claims[0].one_of[1]: holds a number of more than 64 bits"),
        ),
        (
            r#"{"claims":[{"claim":"a","exists":false}]}"#,
            Err("claims[0].exists: only `true`"),
        ),
        (
            r#"{"claims":[{"claim":"a","regex":"x"}]}"#,
            Err("unknown field `regex`"),
        ),
        (
            r#"{"acr_values":[]}"#,
            Err("rules[0].require.acr_values: is empty"),
        ),
        (
            r#"{"acr_values":["a b"]}"#,
            Err("rules[0].require.acr_values[0]: is not"),
        ),
        (
            r#"{"acr_values":["a\"b"]}"#,
            Err("rules[0].require.acr_values[0]: is not"),
        ),
        (
            r#"{"acr_values":["å"]}"#,
            Err("rules[0].require.acr_values[0]: is not"),
        ),
        (
            r#"{"max_age":"0s"}"#,
            Err("rules[0].require.max_age: \"0s\" is no duration"),
        ),
        (r#"{"max_age":"1500ms"}"#, Err("rules[0].require.max_age")),
        (
            r#"{"max_age":300}"#,
            Err("rules[0].require.max_age: invalid type"),
        ),
        (r#"{"any_of":[]}"#, Err("rules[0].require.any_of: is empty")),
        (r#"{"all_of":[]}"#, Err("rules[0].require.all_of: is empty")),
        (
            r#"{"none_of":[]}"#,
            Err("rules[0].require.none_of: is empty"),
        ),
        (
            r#"{"any_of":[{"scopes":["a"]},{}]}"#,
            Err("rules[0].require.any_of[1]: is empty, so that every token would meet it"),
        ),
        (
            r#"{"none_of":[{"all_of":[{}]}]}"#,
            Err("rules[0].require.none_of[0].all_of[0]: is empty"),
        ),
        (&deep(10), Ok(())),
        (&deepest, Err("recursion limit exceeded")),
    ] {
        check(
            &format!(r#"{{{INTROSPECTION},"rules":[{{"match":{{}},"require":{require}}}]}}"#),
            expected,
        );
    }
}

/// Envoy chooses the route anew when headers change, and a rule by route would be for another.
#[test]
fn rules_by_route_and_changed_headers_exclude_each_other() {
    let refused = Err("configuration: forward: only `filter_state` where a rule has `match.route`");
    for (route, forward, expected) in [
        (
            r#"{"route":"a"}"#,
            r#"{"filter_state":{"a":"sub"}}"#,
            Ok(()),
        ),
        (r#"{"route":"a"}"#, r#"{"authorization":"keep"}"#, Ok(())),
        (r#"{"route":"a"}"#, r#"{"claims":{"x-a":"sub"}}"#, refused),
        (r#"{"route":"a"}"#, r#"{"payload_header":"x-a"}"#, refused),
        (r#"{"route":"a"}"#, r#"{"authorization":"remove"}"#, refused),
        (r#"{"path":"/a"}"#, r#"{"claims":{"x-a":"sub"}}"#, Ok(())),
    ] {
        let rules =
            format!(r#"[{{"match":{route},"require":{{}}}},{{"match":{{}},"require":{{}}}}]"#);
        check(
            &format!(r#"{{{INTROSPECTION},"rules":{rules},"forward":{forward}}}"#),
            expected,
        );
    }
}
