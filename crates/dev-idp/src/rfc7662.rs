//! The introspection endpoint of the standard, RFC 7662.
//!
//! For the identity providers that are not Texas. Here the caller may have to
//! show who it is, in any of the ways that such providers ask for.

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::server::Client;
use crate::state::Shared;
use crate::verify::verify;

pub(crate) const PATH: &str = "/oauth2/introspect";

/// What is asked. `token_type_hint` may come too, and like all else is ignored.
#[derive(Default, Deserialize)]
pub(crate) struct Question {
    token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

pub(crate) async fn introspect(
    State(state): State<Shared>,
    headers: HeaderMap,
    question: Result<Form<Question>, FormRejection>,
) -> Response {
    let Ok(Form(question)) = question else {
        return invalid_request();
    };
    if let Some(client) = &state.client
        && !is_authenticated(client, headers.get(header::AUTHORIZATION), &question)
    {
        return invalid_client();
    }
    let Some(token) = question.token else {
        return invalid_request();
    };
    let body = match verify(&state.keys, &token) {
        Ok(claims) => {
            let mut body: Map<String, Value> = claims.into_iter().collect();
            body.insert("active".to_owned(), Value::Bool(true));
            Value::Object(body)
        }
        Err(_) => json!({"active": false}),
    };
    Json(body).into_response()
}

fn invalid_request() -> Response {
    let body = json!({"error": "invalid_request"});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn invalid_client() -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, r#"Basic realm="dev-idp""#)];
    let body = json!({"error": "invalid_client"});
    (StatusCode::UNAUTHORIZED, challenge, Json(body)).into_response()
}

/// Checks the client by its header, or without one by the form.
fn is_authenticated(
    client: &Client,
    authorization: Option<&HeaderValue>,
    question: &Question,
) -> bool {
    let Some(authorization) = authorization else {
        return question.client_id.as_ref() == Some(&client.id)
            && question.client_secret.as_ref() == Some(&client.secret);
    };
    // Not `to_str`: a secret sent as a bearer token may hold more than ASCII.
    let Some((scheme, credentials)) = str::from_utf8(authorization.as_bytes())
        .ok()
        .and_then(|value| value.split_once(' '))
    else {
        return false;
    };
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => basic(credentials).is_some_and(|shown| shown == *client),
        "bearer" => credentials == client.secret,
        _ => false,
    }
}

/// RFC 6749, section 2.3.1: id and secret are form-encoded each, before they
/// are joined by a colon and base64-encoded.
fn basic(credentials: &str) -> Option<Client> {
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some(Client {
        id: form_decode(id)?,
        secret: form_decode(secret)?,
    })
}

fn form_decode(value: &str) -> Option<String> {
    let value = value.replace('+', " ");
    let decoded = percent_decode_str(&value).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use form_urlencoded::byte_serialize;

    use super::*;
    use crate::testing::{post, start, start_with_client, url};
    use crate::{DevIdp, Mint};

    const FORM: &str = "application/x-www-form-urlencoded";
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
        let url = url(idp.idp_addr(), PATH);
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
    async fn a_bad_request_is_400() {
        let idp = start().await;
        let url = url(idp.idp_addr(), PATH);
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
            .post(url(idp.idp_addr(), PATH))
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
}
