//! What a rule is for: methods, paths, hosts, and rules behind others.

use super::Taken::{AsItSays, Refused, Told};
use super::{check_rule, quoted};

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
