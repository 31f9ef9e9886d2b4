//! The introspection endpoint of the standard, RFC 7662.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dev_idp::{DevIdp, Mint};
use form_urlencoded::byte_serialize;
use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{FORM, RFC7662, post, start, start_with_client, url};

const ID: &str = "port:vakt";
/// Every character that an encoding could spoil.
const SECRET: &str = "a:b%41+c d&e=f\"æøå€";

fn encoded(value: &str) -> String {
    byte_serialize(value.as_bytes()).collect()
}

fn basic_header(id: &str, secret: &str) -> String {
    let joined = format!("{}:{}", encoded(id), encoded(secret));
    format!("Basic {}", STANDARD.encode(joined))
}

#[tokio::test]
async fn a_good_token_is_active_with_its_claims_and_any_other_just_inactive() {
    let idp = start().await;
    let url = url(idp.idp_addr(), RFC7662);
    let good = idp.mint(&Mint::default().claim("active", false));
    let (status, body) = post(
        &url,
        FORM,
        format!("token={good}&token_type_hint=access_token"),
    )
    .await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(body["active"], true);
    assert_eq!(body["consumer"]["ID"], "0192:910753614");

    let expired = idp.mint(&Mint::default().lifetime_seconds(-90));
    for token in [expired.as_str(), "garbage", ""] {
        let answer = post(&url, FORM, format!("token={token}")).await;
        assert_eq!(answer, (StatusCode::OK, r#"{"active":false}"#.to_owned()));
    }
}

#[tokio::test]
async fn a_revoked_token_is_inactive_here_and_no_other_is() {
    let idp = start().await;
    let [introspect, revoke] = [RFC7662, "/oauth2/revoke"].map(|path| url(idp.idp_addr(), path));
    let [revoked, other] = [(), ()].map(|()| idp.mint(&Mint::default()));
    for token in [revoked.as_str(), "garbage"] {
        let answer = post(&revoke, FORM, format!("token={token}")).await;
        assert_eq!(answer, (StatusCode::OK, String::new()));
    }
    for (token, is_active) in [(revoked, false), (other, true)] {
        let (_, body) = post(&introspect, FORM, format!("token={token}")).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["active"], is_active);
    }
}

#[tokio::test]
async fn a_bad_request_is_400() {
    let idp = start().await;
    let url = url(idp.idp_addr(), RFC7662);
    for (content_type, body) in [
        (FORM, ""),
        (FORM, "other=1"),
        (FORM, "token=t&token=t"),
        ("application/json", r#"{"token":"t"}"#),
    ] {
        let answer = post(&url, content_type, body.to_owned()).await;
        let expected = r#"{"error":"invalid_request"}"#.to_owned();
        assert_eq!(
            answer,
            (StatusCode::BAD_REQUEST, expected),
            "{content_type}: {body}"
        );
    }
}

async fn ask_as(idp: &DevIdp, authorization: Option<&[u8]>, form: &str) -> reqwest::Response {
    let mut request = reqwest::Client::new()
        .post(url(idp.idp_addr(), RFC7662))
        .header("content-type", FORM)
        .body(format!("token=t{form}"));
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_client_is_known_by_basic_by_post_or_by_bearer() {
    let idp = start_with_client(ID, SECRET).await;
    let post = |id: &str, secret: &str| {
        format!(
            "&client_id={}&client_secret={}",
            encoded(id),
            encoded(secret)
        )
    };
    let good = basic_header(ID, SECRET);
    let good_post = post(ID, SECRET);
    let bearer = format!("Bearer {SECRET}");
    let as_it_is = format!("Basic {}", STANDARD.encode(format!("{ID}:{SECRET}")));
    let no_colon = format!("Basic {}", STANDARD.encode("portvakt"));
    let cases: [(&str, Option<&str>, &str, bool); 14] = [
        ("basic", Some(&good), "", true),
        (
            "basic, other case",
            Some(&good.replace("Basic", "bASIC")),
            "",
            true,
        ),
        ("basic, not encoded", Some(&as_it_is), "", false),
        (
            "basic, wrong secret",
            Some(&basic_header(ID, "x")),
            "",
            false,
        ),
        (
            "basic, wrong id",
            Some(&basic_header("x", SECRET)),
            "",
            false,
        ),
        ("basic, no colon", Some(&no_colon), "", false),
        ("basic, no base64", Some("Basic ???"), "", false),
        ("basic, alone", Some("Basic"), "", false),
        ("post", None, &good_post, true),
        ("post, wrong secret", None, &post(ID, "x"), false),
        (
            "post, no secret",
            None,
            &format!("&client_id={}", encoded(ID)),
            false,
        ),
        ("bearer", Some(&bearer), "", true),
        ("bearer, wrong", Some("Bearer x"), "", false),
        ("nothing", None, "", false),
    ];
    for (case, authorization, form, known) in cases {
        let response = ask_as(&idp, authorization.map(str::as_bytes), form).await;
        let challenge = response.headers().get("www-authenticate").cloned();
        let answer = (response.status().as_u16(), response.text().await.unwrap());
        if known {
            assert_eq!(answer, (200, r#"{"active":false}"#.to_owned()), "{case}");
            assert_eq!(challenge, None, "{case}");
        } else {
            assert_eq!(
                answer,
                (401, r#"{"error":"invalid_client"}"#.to_owned()),
                "{case}"
            );
            assert_eq!(challenge.unwrap(), r#"Basic realm="dev-idp""#, "{case}");
        }
    }
}
