//! Request methods, and headers that name another than the request's own.

/// The registered ones (IANA, "Hypertext Transfer Protocol (HTTP) Method Registry"), without `*`
/// and `PRI`, which are there so that nobody uses them.
const REGISTERED: [&str; 39] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// Headers by which many servers take a request for one of another method.
pub const OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// Whether this is the name of a registered method. Names are compared to the letter (RFC 9110
/// section 9.1).
pub fn is_registered(name: &[u8]) -> bool {
    REGISTERED.iter().any(|method| method.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_methods() {
        for (name, expected) in [
            ("GET", true),
            ("PATCH", true),
            ("QUERY", true),
            ("VERSION-CONTROL", true),
            ("TRACE", true),
            ("get", false),
            ("patch", false),
            ("BREW", false),
            ("GET ", false),
            ("PRI", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(is_registered(name.as_bytes()), expected, "{name}");
        }
    }
}
