//! What reads right elsewhere: what users of other gateways and languages would write. It is
//! refused with the line that says how it is written here, or told, or means what it says.

use super::*;

/// How a configuration is taken.
enum Taken {
    Refused(&'static str),
    Told(&'static str),
    AsItSays,
}

use Taken::{AsItSays, Refused, Told};

fn check_rule(rule: &str, rest: &str, expected: &Taken) {
    let json = format!(r#"{{{INTROSPECTION},"rules":[{rule}]{rest}}}"#);
    let found = parse(json.as_bytes(), &VM);
    match (found, expected) {
        (Err(error), Refused(part)) => {
            let line = error.to_string();
            assert!(line.contains(part), "{json}\n  said {line}\n  not  {part}");
        }
        (Ok(configured), Told(part)) => {
            let told: Vec<_> = configured
                .warnings
                .iter()
                .map(ToString::to_string)
                .collect();
            assert!(
                told.len() == 1 && told[0].contains(part),
                "{json}\n  told {told:?}\n  not  {part}"
            );
        }
        (Ok(configured), AsItSays) => {
            let told: Vec<_> = configured
                .warnings
                .iter()
                .map(ToString::to_string)
                .collect();
            assert!(told.is_empty(), "{json}\n  told {told:?}");
        }
        (Ok(_), Refused(part)) => panic!("{json}\n  is taken, not refused with {part}"),
        (Err(error), Told(_) | AsItSays) => panic!("{json}\n  {error}"),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[test]
fn methods() {
    let all = "for all of them leave `methods` out";
    for (methods, expected) in [
        (r#"["*"]"#, Refused(all)),
        (r#"["ANY"]"#, Refused(all)),
        (r#"["any"]"#, Refused(all)),
        (r#"["ALL"]"#, Refused(all)),
        (r#"["GET","*"]"#, Refused("rules[0].match.methods[1]")),
        (
            r#"["GET|POST"]"#,
            Refused("a list is written `[GET, POST]`"),
        ),
        (
            r#"["GET,POST"]"#,
            Refused("a list is written `[GET, POST]`"),
        ),
        (
            r#"["GET, POST"]"#,
            Refused("a list is written `[GET, POST]`"),
        ),
        (
            r#"["get|post"]"#,
            Refused("a list is written `[GET, POST]`"),
        ),
        (
            r#"["GET POST"]"#,
            Refused("a list is written `[GET, POST]`"),
        ),
        (r#"["!GET"]"#, Refused("list all methods but `GET`")),
        (r#"["get"]"#, Refused("names are in upper case, `GET`")),
        (r#"["Get"]"#, Refused("names are in upper case, `GET`")),
        (r#"["^GET$"]"#, Refused("is no registered method")),
        (r#"["GET.*"]"#, Refused("is no registered method")),
        (r#"[".*"]"#, Refused("is no registered method")),
        (r#"["(GET)"]"#, Refused("is no method")),
        (r#"["GETT"]"#, Refused("name it in `extra_methods`")),
        (r#"["READ"]"#, Refused("name it in `extra_methods`")),
        (r#"["PURGE"]"#, Refused("name it in `extra_methods`")),
        (r#"["PRI"]"#, Refused("name it in `extra_methods`")),
        (r#"["GET","GET"]"#, Refused("is given twice")),
        (r#"[""]"#, Refused("is no method")),
        (r#""GET""#, Refused("rules[0].match.methods")),
        (
            r#"["GET","HEAD","PATCH","QUERY","PROPFIND","CONNECT"]"#,
            AsItSays,
        ),
    ] {
        let rule = format!(r#"{{"match":{{"methods":{methods}}},"require":{{}}}}"#);
        check_rule(&rule, "", &expected);
    }
    for (extra, expected) in [
        (r#"["PURGE"]"#, AsItSays),
        (
            r#"["PURGE","BAN"]"#,
            Told("extra_methods[1]: \"BAN\" is named by no rule"),
        ),
        (
            r#"["purge"]"#,
            Refused("extra_methods[0]: \"purge\" is no method: names are in upper"),
        ),
        (r#"["*"]"#, Refused("extra_methods[0]")),
        (r#"["ANY"]"#, Refused("extra_methods[0]")),
        (
            r#"["PURGE|BAN"]"#,
            Refused("a list is written `[PURGE, BAN]`"),
        ),
        (
            "[]",
            Refused("rules[0].match.methods[0]: \"PURGE\" is no registered method"),
        ),
        ("null", Refused("extra_methods")),
    ] {
        let rule = r#"{"match":{"methods":["PURGE"]},"require":{}}"#;
        check_rule(rule, &format!(r#","extra_methods":{extra}"#), &expected);
    }
}

#[test]
fn paths() {
    let parameter = "a parameter is one whole segment, `{id}`, in `template`";
    let pattern = "looks like a pattern; see `prefix` and `template`";
    let regex = "looks like a regular expression";
    let template = "is a template whose parameters are not whole segments like `{id}`";
    // As many parameters as there may be, and one more.
    let (most, too_many) = ("/{id}".repeat(25), "/{id}".repeat(26));
    for (key, path, expected) in [
        // Express, Kong, Rails.
        ("template", "/orders/:id", Refused(parameter)),
        ("template", "/:tenant/orders", Refused(parameter)),
        ("path", "/orders/:id", Refused(parameter)),
        ("prefix", "/orders/:id/lines", Refused(parameter)),
        ("template", "/orders/:id?", Refused(parameter)),
        ("template", "/orders/:id(\\d+)", Refused(parameter)),
        // Flask, Sanic.
        (
            "template",
            "/orders/<id>",
            Refused("a parameter is written `{id}`"),
        ),
        (
            "template",
            "/orders/<int:id>",
            Refused("a parameter is written `{id}`"),
        ),
        // Regular expressions: nginx, Envoy, Traefik, Kong.
        ("template", "/orders/[0-9]+", Refused(parameter)),
        ("template", "/orders/[0-9]", Refused(parameter)),
        ("template", "/orders/[^x]", Refused("which no path has")),
        ("template", "/orders/v[0-9]", Refused(parameter)),
        ("template", "/orders/[id]", Refused(parameter)),
        (
            "template",
            "/orders/(a|b)",
            Refused("for several paths write several rules"),
        ),
        ("template", "/orders/(a)", Refused(parameter)),
        ("template", "/orders/(.+)", Refused(parameter)),
        ("template", "/orders/.+", Refused(parameter)),
        ("template", "/orders/.*", Refused(template)),
        (
            "template",
            "/orders/\\d+",
            Refused("could be read in two ways"),
        ),
        (
            "prefix",
            "/orders/\\w",
            Refused("could be read in two ways"),
        ),
        ("prefix", "/admin$", Refused(parameter)),
        ("path", "/admin$", Refused(parameter)),
        ("path", "/a$/b", Refused(parameter)),
        ("prefix", "^/admin", Refused(regex)),
        ("prefix", "~ ^/admin", Refused(regex)),
        ("prefix", "~/admin", Refused(regex)),
        ("prefix", "~* /admin", Refused(regex)),
        ("prefix", "/a^", Refused("which no path has")),
        ("path", "/(?i)admin", Refused(regex)),
        ("path", "/(?:a)", Refused(regex)),
        (
            "prefix",
            "/a|/b",
            Refused("for several paths write several rules"),
        ),
        ("path", "/a|b", Refused("if it is meant so, `%7C`")),
        // Globs: Spring, OPA, Istio, Traefik.
        ("prefix", "/api/*", Refused(pattern)),
        ("prefix", "/api/**", Refused(pattern)),
        ("path", "/*", Refused(pattern)),
        ("path", "*", Refused(pattern)),
        ("path", "*.json", Refused(pattern)),
        ("path", "/api/*.json", Refused(pattern)),
        ("template", "/api/*", Refused(template)),
        ("template", "/api/**", Refused(template)),
        ("template", "/api/**/x", Refused(template)),
        ("path", "/api/?", Refused("holds a query")),
        ("prefix", "/api/...", Refused(parameter)),
        ("template", "/sensors/+", Refused(parameter)),
        // Lists in one text.
        ("prefix", "/a,/b", Refused(parameter)),
        ("prefix", "/a, /b", Refused("which no path has")),
        // Templates of others: AWS, Google, OpenAPI, RFC 6570, Envoy.
        ("template", "/{proxy+}", Refused(template)),
        ("template", "/{id:[0-9]+}", Refused(parameter)),
        ("template", "/{id:int}", Refused(template)),
        ("template", "/{name=orders/x}", Refused(template)),
        ("template", "/{+path}", Refused(template)),
        ("template", "/{/path}", Refused(template)),
        ("template", "/{path=**}", Refused(template)),
        ("template", "/{*rest}", Refused(template)),
        ("template", "/{rest...}", Refused(template)),
        ("template", "/orders{?page}", Refused("holds a query")),
        ("template", "/files/{name}.json", Refused(template)),
        ("template", "/{{id}}", Refused(template)),
        ("template", "/{}", Refused(template)),
        ("template", "/${id}", Refused(template)),
        ("path", "/orders/{id}", Refused(pattern)),
        ("prefix", "/orders/{id}", Refused(pattern)),
        ("path", "/{$}", Refused(pattern)),
        // What is no path at all.
        ("path", "GET /orders", Refused("which no path has")),
        ("path", "/orders HTTP/1.1", Refused("which no path has")),
        ("path", "orders", Refused("does not begin with `/`")),
        ("prefix", "", Refused("does not begin with `/`")),
        (
            "path",
            "https://api.example.com/orders",
            Refused("does not begin with `/`"),
        ),
        ("path", "/orders?x=1", Refused("holds a query")),
        ("path", "/orders#top", Refused("could be read in two ways")),
        ("path", "/orders;v=1", Refused("could be read in two ways")),
        ("path", "/a//b", Refused("could be read in two ways")),
        ("path", "/a/../b", Refused("could be read in two ways")),
        ("path", "/orders/%s", Refused("could be read in two ways")),
        ("path", "/a\"b", Refused("which no path has")),
        ("path", "/a`b", Refused("which no path has")),
        // What is meant to the letter.
        ("path", "/orders/%3Aid", AsItSays),
        ("path", "/admin%24", AsItSays),
        ("path", "/%28draft%29", AsItSays),
        ("path", "/%5Bid%5D", AsItSays),
        ("path", "/a.%2B", AsItSays),
        ("path", "/%2B", AsItSays),
        ("path", "/a%2C/b", AsItSays),
        ("path", "/a,b", AsItSays),
        ("path", "/a%2Ab", AsItSays),
        ("path", "/a%7Cb%20c%5E", AsItSays),
        ("path", "/a%3Ab", Refused("write `:`")),
        ("path", "/a%24b", Refused("write `$`")),
        ("path", "/a%2Bb", Refused("write `+`")),
        // What others have in paths.
        ("path", "/v1/users:batchGet", AsItSays),
        ("path", "/Orders(42)", AsItSays),
        ("path", "/Orders(42)/Lines", AsItSays),
        ("prefix", "/$metadata", AsItSays),
        ("prefix", "/odata/$batch", AsItSays),
        ("path", "/c++", AsItSays),
        ("path", "/a+b", AsItSays),
        ("path", "/items[0]", AsItSays),
        ("path", "/@me", AsItSays),
        ("path", "/~alice", AsItSays),
        ("path", "/a.b-c_d", AsItSays),
        ("path", "/it's,fine!", AsItSays),
        ("path", "/a=b&c", AsItSays),
        ("prefix", "/søknad", AsItSays),
        ("template", "/orders/{order-id}/lines/{line_2}", AsItSays),
        ("template", "/v1/users:batchGet/{id}", AsItSays),
        ("template", &most, AsItSays),
        ("template", &too_many, Refused("more than 25 parameters")),
    ] {
        let path = quoted(path);
        let rule = format!(r#"{{"match":{{"{key}":{path}}},"require":{{}}}}"#);
        check_rule(&rule, "", &expected);
    }
}

#[test]
fn hosts() {
    for (host, expected) in [
        ("*", Refused("rules[0].match.hosts[0]")),
        ("api.*", Refused("rules[0].match.hosts[0]")),
        ("*api.example.com", Refused("rules[0].match.hosts[0]")),
        ("*.*.example.com", Refused("rules[0].match.hosts[0]")),
        (".example.com", Refused("rules[0].match.hosts[0]")),
        ("api.example.com:8080", Refused("rules[0].match.hosts[0]")),
        (
            "https://api.example.com",
            Refused("rules[0].match.hosts[0]"),
        ),
        ("api.example.com/", Refused("rules[0].match.hosts[0]")),
        ("~^api$", Refused("rules[0].match.hosts[0]")),
        ("(a|b).example.com", Refused("rules[0].match.hosts[0]")),
        ("{sub}.example.com", Refused("rules[0].match.hosts[0]")),
        ("", Refused("rules[0].match.hosts[0]")),
        ("*.example.com", AsItSays),
        ("API.example.com", AsItSays),
    ] {
        let host = quoted(host);
        let rule = format!(r#"{{"match":{{"hosts":[{host}]}},"require":{{}}}}"#);
        check_rule(&rule, "", &expected);
    }
}

#[test]
fn scopes() {
    let wildcard = "has a `*` that is not its last character";
    let pattern = "is compared to the letter, but for a `*` at its end";
    for (scope, expected) in [
        ("nav:*:admin", Refused(wildcard)),
        ("*:admin", Refused(wildcard)),
        ("*.read", Refused(wildcard)),
        ("nav:**", Refused(wildcard)),
        ("**", Refused(wildcard)),
        ("a b", Refused("is no scope")),
        ("", Refused("is no scope")),
        ("\"a\"", Refused("is no scope")),
        ("a,b", Told("rules[0].require.scopes[0]")),
        ("a|b", Told("for several write a list")),
        ("!a", Told("is compared to the letter")),
        ("SCOPE_read", Told("is written as tokens have it: `read`?")),
        ("*", Told("rules[0].require.scopes[0]")),
        ("nav:.*", Told(pattern)),
        ("nav:(a|b)", Told("for several write a list")),
        ("^nav:x$", Told(pattern)),
        ("nav:[a-z]+", Told(pattern)),
        ("nav:x|nav:y", Told("for several write a list")),
        ("nav:*", AsItSays),
        ("nav:helse/sykepenger/afp.read", AsItSays),
        ("https://www.googleapis.com/auth/drive", AsItSays),
        ("nav:blåbær", AsItSays),
    ] {
        let scope = quoted(scope);
        let rule = format!(r#"{{"match":{{}},"require":{{"scopes":[{scope}]}}}}"#);
        check_rule(&rule, "", &expected);
    }
}

#[test]
fn claims() {
    let jsonpath = "looks like JSONPath; write it without";
    let expression = "looks like an expression";
    for (claim, expected) in [
        ("$.consumer.ID", Refused(jsonpath)),
        ("$", Refused(jsonpath)),
        ("@.consumer", Refused(jsonpath)),
        ("$['consumer']", Refused(jsonpath)),
        ("$[0]", Refused(jsonpath)),
        (
            "consumer/ID",
            Refused("a JSON Pointer begins with one: `/consumer/ID`"),
        ),
        (
            "#/consumer/ID",
            Refused("a JSON Pointer begins with one: `/consumer/ID`"),
        ),
        (
            "https://x.y/role",
            Refused("write it as a JSON Pointer, `/https:~1~1x.y~1role`"),
        ),
        ("http://x.y/a~b", Refused("`/http:~1~1x.y~1a~0b`")),
        ("consumer['ID']", Refused(expression)),
        ("consumer[\"ID\"]", Refused(expression)),
        ("roles[0]", Refused(expression)),
        ("roles[*]", Refused(expression)),
        ("{consumer.ID}", Refused(expression)),
        ("${consumer.ID}", Refused(jsonpath)),
        ("{{ consumer }}", Refused(expression)),
        ("consumer|ID", Refused(expression)),
        ("lower(sub)", Refused(expression)),
        ("sub=alice", Refused(expression)),
        ("roles.*", Refused("there are none; see `contains`")),
        ("consumer.**", Refused("there are none; see `contains`")),
        ("role*", Refused("there are none; see `contains`")),
        (
            "x\\.y/role",
            Refused("or if the slash is in a name: `/x\\.y~1role`"),
        ),
        (
            "example.com/role",
            Refused("or if the slash is in a name: `/example.com~1role`"),
        ),
        // Keycloak, jq, JMESPath, SQL, nginx.
        (
            "x\\.y.role",
            Refused("has a dot in a name; write it as a JSON Pointer, `/x.y/role`"),
        ),
        ("consumer?.ID", Refused(expression)),
        ("consumer->ID", Refused(expression)),
        ("consumer | ID", Refused(expression)),
        ("length(roles)", Refused(expression)),
        ("sub,client_id", Refused(expression)),
        ("!sub", Refused(expression)),
        ("%sub%", Refused(expression)),
        ("$jwt_claim_sub", Refused(jsonpath)),
        ("roles.#", Refused("there are none; see `contains`")),
        ("*", Refused("there are none; see `contains`")),
        (" sub", Refused("has space at its ends")),
        ("sub\n", Refused("has space at its ends")),
        ("", Refused("names no claim")),
        (".consumer", Refused("names no claim")),
        ("consumer.", Refused("names no claim")),
        ("consumer..ID", Refused("names no claim")),
        ("/", Refused("names no claim")),
        (
            "claims.consumer.ID",
            Told("if it stands by itself: `consumer.ID`"),
        ),
        ("token.sub", Told("if it stands by itself: `sub`")),
        ("jwt.claims.sub", Told("if it stands by itself: `sub`")),
        ("payload.sub", Told("if it stands by itself: `sub`")),
        ("JWT.sub", Told("if it stands by itself: `sub`")),
        // Istio.
        (
            "request.auth.claims.sub",
            Told("if it stands by itself: `sub`"),
        ),
        ("jwt_payload.sub", Told("if it stands by itself: `sub`")),
        ("access_token.sub", Told("if it stands by itself: `sub`")),
        (
            "/consumer.ID",
            Told("if there are two names: `consumer.ID`"),
        ),
        ("/a.b/c", Told("if there are two names: `a.b.c`")),
        ("consumer.ID", AsItSays),
        ("/consumer/ID", AsItSays),
        ("/https:~1~1x.y~1role", AsItSays),
        ("/aud/0", AsItSays),
        ("cognito:groups", AsItSays),
        ("urn:x:role", AsItSays),
        ("claims", AsItSays),
        ("token_use", AsItSays),
        ("/claims/sub", AsItSays),
        ("/$schema", AsItSays),
        ("/role*", AsItSays),
        ("realm_access.roles", AsItSays),
        ("x5t#S256", AsItSays),
        ("blå.bær", AsItSays),
        ("/lower(sub)", AsItSays),
        ("First Name", AsItSays),
    ] {
        let claim = quoted(claim);
        let rule = format!(
            r#"{{"match":{{}},"require":{{"claims":[{{"claim":{claim},"exists":true}}]}}}}"#
        );
        check_rule(&rule, "", &expected);
        // The same where claims are forwarded.
        let rule = r#"{"match":{},"require":{}}"#;
        check_rule(
            rule,
            &format!(r#","forward":{{"claims":{{"x-a":{claim}}}}}"#),
            &expected,
        );
        check_rule(
            rule,
            &format!(r#","forward":{{"filter_state":{{"a":{claim}}}}}"#),
            &expected,
        );
    }
}

#[test]
fn what_must_not_hold() {
    let told = "may be an array, which this does not look into";
    for (require, expected) in [
        (
            r#"{"none_of":[{"claims":[{"claim":"roles","equals":"guest"}]}]}"#,
            Told(told),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"/aud","one_of":["x"]}]}]}"#,
            Told("rules[0].require.none_of[0].claims[0]"),
        ),
        (
            r#"{"none_of":[{"any_of":[{"claims":[{"claim":"amr","equals":"pwd"}]}]}]}"#,
            Told(told),
        ),
        (
            r#"{"any_of":[{"none_of":[{"claims":[{"claim":"groups","equals":"x"}]}]}]}"#,
            Told(told),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"roles","contains":"guest"}]}]}"#,
            AsItSays,
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"client_id","equals":"x"}]}]}"#,
            AsItSays,
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"realm_access.roles","equals":"guest"}]}]}"#,
            Told(told),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"permissions","equals":"x"}]}]}"#,
            Told(told),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"scope","contains":"x"}]}]}"#,
            Told("may be a text of several scopes"),
        ),
        (
            r#"{"none_of":[{"claims":[{"claim":"/scp","equals":"x"}]}]}"#,
            Told("may be a text of several scopes"),
        ),
        (
            r#"{"none_of":[{"scopes":["a","b"]}]}"#,
            Told("rules[0].require.none_of[0].scopes: must not be there together"),
        ),
        (r#"{"none_of":[{"scopes":["a"]}]}"#, AsItSays),
        (r#"{"none_of":[{"any_scopes":["a","b"]}]}"#, AsItSays),
        (
            r#"{"none_of":[{"claims":[{"claim":"sub","equals":"guest*"}]}]}"#,
            Told("\"guest*\" is compared to the letter"),
        ),
        (
            r#"{"claims":[{"claim":"sub","one_of":["a","*@x.y"]}]}"#,
            Told("\"*@x.y\" is compared to the letter"),
        ),
        (
            r#"{"claims":[{"claim":"roles","contains":"*"}]}"#,
            Told("rules[0].require.claims[0]"),
        ),
        (
            r#"{"audiences":["a","https://x/*"]}"#,
            Told("rules[0].require.audiences[1]"),
        ),
        (
            r#"{"claims":[{"claim":"roles","equals":"guest"}]}"#,
            AsItSays,
        ),
    ] {
        check_rule(
            &format!(r#"{{"match":{{}},"require":{require}}}"#),
            "",
            &expected,
        );
    }
}

/// Only scopes have patterns.
#[test]
fn values() {
    let told = "is compared to the letter, its `*` too";
    for (require, expected) in [
        (r#"{"audiences":["*"]}"#, Told(told)),
        (
            r#"{"audiences":["a","https://a/*"]}"#,
            Told("rules[0].require.audiences[1]"),
        ),
        (r#"{"claims":[{"claim":"sub","equals":"*"}]}"#, Told(told)),
        (
            r#"{"none_of":[{"claims":[{"claim":"sub","one_of":["a","b*"]}]}]}"#,
            Told("rules[0].require.none_of[0].claims[0].one_of[1]"),
        ),
        (
            r#"{"claims":[{"claim":"roles","contains":"team-*"}]}"#,
            Told("rules[0].require.claims[0].contains"),
        ),
        (r#"{"audiences":["https://a/"]}"#, AsItSays),
        (r#"{"claims":[{"claim":"sub","one_of":["a",1]}]}"#, AsItSays),
    ] {
        check_rule(
            &format!(r#"{{"match":{{}},"require":{require}}}"#),
            "",
            &expected,
        );
    }
}

/// Keys of other configurations, and ours in the form that they have there: the line names the key
/// and what is allowed.
#[test]
fn keys() {
    let sequence = "expected a sequence";
    let object = "expected an object";
    for (what, expected) in [
        // Kong, nginx, Envoy, Istio, Ingress.
        (r#"{"paths":["/a"]}"#, "expected one of `path`, `prefix`"),
        (r#"{"path":["/a"]}"#, "match.path: invalid type"),
        (r#"{"path_separated_prefix":"/a"}"#, "expected one of"),
        (r#"{"pathPrefix":"/a"}"#, "match.pathPrefix: unknown field"),
        (
            r#"{"safe_regex":{"regex":"/a"}}"#,
            "match.safe_regex: unknown",
        ),
        (r#"{"location":"/a"}"#, "match.location: unknown field"),
        (r#"{"notPaths":["/a"]}"#, "match.notPaths: unknown field"),
        (r#"{"method":"GET"}"#, "match.method: unknown field"),
        (r#"{"methods":"GET"}"#, sequence),
        (r#"{"host":"a"}"#, "match.host: unknown field"),
        (r#"{"hosts":"a"}"#, sequence),
        (r#"{"domains":["a"]}"#, "match.domains: unknown field"),
        (
            r#"{"headers":[{"name":":method"}]}"#,
            "match.headers: unknown",
        ),
        (r#"{"prefix":"/a","path":"/b"}"#, "not together with `path`"),
        (r#"{"path":"/a","case_sensitive":false}"#, "case_sensitive"),
        (r#"[{"path":"/a"}]"#, object),
        (r#""/a""#, object),
    ] {
        let rule = format!(r#"{{"match":{what},"require":{{}}}}"#);
        check_rule(&rule, "", &Refused(expected));
    }
    for (what, expected) in [
        // OpenAPI, jwt_authn, Istio, Spring.
        (
            r#""security":[{"oauth2":["a"]}]"#,
            "rules[0].security: unknown",
        ),
        (
            r#""requires":{"provider_name":"x"}"#,
            "rules[0].requires: unknown",
        ),
        (
            r#""provider":"x","require":{}"#,
            "rules[0].provider: unknown",
        ),
        (r#""providers":"x","require":{}"#, sequence),
        (
            r#""action":"ALLOW","require":{}"#,
            "rules[0].action: unknown",
        ),
        (
            r#""audiences":["a"],"require":{}"#,
            "rules[0].audiences: unknown",
        ),
        (r#""anonymous":"true""#, "expected a boolean"),
        (r#""allow_missing":{}"#, "rules[0].allow_missing: unknown"),
        (r#""require":[{"scopes":["a"]}]"#, object),
        (r#""require":{"scope":"a"}"#, "expected one of `scopes`"),
        (r#""require":{"scopes":"a b"}"#, sequence),
        (r#""require":{"scopes":[["a"],["b"]]}"#, "expected a string"),
        (r#""require":{"audience":"a"}"#, "require.audience: unknown"),
        (r#""require":{"aud":["a"]}"#, "require.aud: unknown"),
        (r#""require":{"roles":["a"]}"#, "require.roles: unknown"),
        (
            r#""require":{"requires_any":{"requirements":[]}}"#,
            "requires_any",
        ),
        (r#""require":{"anyOf":[]}"#, "require.anyOf: unknown"),
        (r#""require":{"any_of":{"scopes":["a"]}}"#, sequence),
        (
            r#""require":{"not":{"scopes":["a"]}}"#,
            "require.not: unknown",
        ),
        (r#""require":{"claims":{"sub":"a"}}"#, sequence),
        (r#""require":{"claims":["sub"]}"#, object),
        (
            r#""require":{"claims":[{"name":"sub","value":"a"}]}"#,
            "claims[0].name: unknown field",
        ),
        (
            r#""require":{"claims":[{"claim":"sub","values":["a"]}]}"#,
            "claims[0].values: unknown field",
        ),
        (
            r#""require":{"claims":[{"claim":"sub","matches":"a"}]}"#,
            "claims[0].matches: unknown field",
        ),
        (
            r#""require":{"claims":[{"claim":"sub","not_equals":"a"}]}"#,
            "claims[0].not_equals: unknown field",
        ),
        (
            r#""require":{"claims":[{"claim":"sub","exists":"true"}]}"#,
            "expected a boolean",
        ),
    ] {
        let rule = format!(r#"{{"match":{{}},{what}}}"#);
        check_rule(&rule, "", &Refused(expected));
    }
    for (what, expected) in [
        (r#""issuer":"x""#, "issuer: unknown field"),
        (r#""audiences":["x"]"#, "audiences: unknown field"),
        (r#""dry_run":true"#, "dry_run: unknown field"),
        (
            r#""bypass_cors_preflight":true"#,
            "bypass_cors_preflight: unknown",
        ),
        (
            r#""forward":{"claim_to_headers":[]}"#,
            "forward.claim_to_headers",
        ),
        (
            r#""forward":{"claims":[{"header_name":"x","claim_name":"sub"}]}"#,
            "forward.claims: invalid type",
        ),
        (
            r#""token":{"from_params":["a"]}"#,
            "token.from_params: unknown",
        ),
        (r#""cache":{"max_ttl":60}"#, "expected a string"),
        (
            r#""jwt_precheck":{"audiences":["x"]}"#,
            "expected `issuer` or",
        ),
    ] {
        let rule = r#"{"match":{},"require":{}}"#;
        check_rule(rule, &format!(",{what}"), &Refused(expected));
    }
}

#[test]
fn rules_that_can_never_be_reached() {
    let rule = |name: &str, matches: &str| {
        format!(r#"{{"name":"{name}","match":{matches},"require":{{}}}}"#)
    };
    for (first, second, expected) in [
        (
            "{}",
            r#"{"path":"/a"}"#,
            Refused("rules[1]: can never be reached"),
        ),
        (
            r#"{"prefix":"/"}"#,
            r#"{"prefix":"/admin"}"#,
            Refused("such as rules[0] (`first`)"),
        ),
        (
            r#"{"prefix":"/a"}"#,
            r#"{"template":"/a/{id}"}"#,
            Refused("rules[1]: can never"),
        ),
        (
            r#"{"path":"/a"}"#,
            r#"{"path":"/a","methods":["GET"]}"#,
            Refused("rules[1]: can never"),
        ),
        (
            r#"{"path":"/a","methods":["GET"]}"#,
            r#"{"path":"/a"}"#,
            AsItSays,
        ),
        (r#"{"prefix":"/admin"}"#, r#"{"prefix":"/"}"#, AsItSays),
    ] {
        let rules = format!("{},{}", rule("first", first), rule("second", second));
        check_rule(&rules, "", &expected);
    }
}
