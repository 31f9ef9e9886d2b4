//! Whom a token says it is from, read without trust.
//!
//! It only chooses whom to ask; that one's answer decides. So whatever cannot be read in one way
//! names nobody.

use super::extract::AccessToken;
use super::jwt;
use crate::json::members;

/// The `iss` of a token that is a signed JWT (RFC 7519 section 4.1.1). `None` for opaque tokens,
/// and where there is no `iss`, or one that is no text or comes twice.
pub fn issuer(token: &AccessToken) -> Option<String> {
    let [_, payload, _] = jwt::parts(token)?;
    let payload = String::from_utf8(payload).ok()?;
    let mut members = members::read(&payload, |name| name == "iss").ok()?;
    match members.remove("iss")? {
        serde_json::Value::String(issuer) => Some(issuer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn check(token: &str, expected: Option<&str>) {
        let found = issuer(&AccessToken::new(token));
        assert_eq!(found.as_deref(), expected, "{token}");
    }

    #[test]
    fn what_names_an_issuer() {
        let long = "x".repeat(10_000);
        let very_long = format!(r#"{{"iss":"{long}"}}"#);
        let deep = format!(
            r#"{{"iss":"a","x":{}1{}}}"#,
            "[".repeat(5_000),
            "]".repeat(5_000)
        );
        for (payload, expected) in [
            (r#"{"iss":"https://idp/"}"#, Some("https://idp/")),
            (r#" { "a" : {"iss":"b"}, "iss" : "a" } "#, Some("a")),
            (r#"{"i\u0073s":"\u0061"}"#, Some("a")),
            (r#"{"iss":""}"#, Some("")),
            (&very_long, Some(&*long)),
            (&deep, Some("a")),
            (r#"{"iss":"a","iss":"a"}"#, None),
            (r#"{"iss":"a","i\u0073s":"b"}"#, None),
            (r#"{"iss":1}"#, None),
            (r#"{"iss":null}"#, None),
            (r#"{"iss":["a"]}"#, None),
            (r#"{"iss":"\ud800"}"#, None),
            (r#"{"ISS":"a"}"#, None),
            (r#"["iss","a"]"#, None),
            (r#"{"iss":"a"} x"#, None),
            ("{\"iss\":\"a\",\"x\n\":1}", None),
            (r#"{"iss":"a""#, None),
            ("", None),
        ] {
            let payload = URL_SAFE_NO_PAD.encode(payload);
            check(&format!("e30.{payload}.c2ln"), expected);
        }
    }

    #[test]
    fn what_is_no_signed_jwt_names_none() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"iss":"a"}"#);
        for token in [
            "opaque".to_owned(),
            payload.clone(),
            format!("e30.{payload}"),
            format!("e30.{payload}."),
            format!(".{payload}.c2ln"),
            format!("e30.{payload}.c2ln.x"),
            format!("e30.{payload}=.c2ln"),
            format!("e30.{payload}.x.y.z"),
            "e30.!.c2ln".to_owned(),
            "..".to_owned(),
        ] {
            check(&token, None);
        }
    }
}
