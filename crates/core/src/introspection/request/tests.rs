use std::time::Duration;

use super::*;
use crate::introspection::api::Api;
use crate::introspection::api::rfc7662::{ClientAuthentication, Rfc7662};
use crate::introspection::api::texas::Texas;
use crate::introspection::response::ResponseReader;

/// Any configuration for that cluster.
pub(in crate::introspection) fn config_of_cluster(cluster: &str) -> IntrospectionConfig {
    IntrospectionConfig {
        cluster: cluster.to_owned(),
        ..config(rfc7662(None), &[], &[])
    }
}

#[test]
fn endpoints() {
    let ok = |scheme, authority: &str, path: &str| {
        Ok(Endpoint {
            scheme,
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    };
    let cases = [
        (
            "http://127.0.0.1:7164/api/v1/introspect",
            ok("http", "127.0.0.1:7164", "/api/v1/introspect"),
        ),
        (
            "https://idp.example.com",
            ok("https", "idp.example.com", "/"),
        ),
        ("HTTP://idp/i", ok("http", "idp", "/i")),
        ("http://[::1]:80/i", ok("http", "[::1]:80", "/i")),
        ("https://idp/i?a=b", ok("https", "idp", "/i?a=b")),
        ("ftp://idp/i", Err(EndpointError)),
        ("/api/v1/introspect", Err(EndpointError)),
        ("idp.example.com", Err(EndpointError)),
        ("http://", Err(EndpointError)),
        ("http:///path", Err(EndpointError)),
        ("http://user:pass@idp/i", Err(EndpointError)),
        ("http://idp/i#f", Err(EndpointError)),
        ("http://idp/a b", Err(EndpointError)),
        ("", Err(EndpointError)),
    ];
    for (url, expected) in cases {
        assert_eq!(Endpoint::parse(url), expected, "{url}");
    }
}

fn config(api: Api, headers: &[(&str, &str)], parameters: &[(&str, &str)]) -> IntrospectionConfig {
    let fields = |pairs: &[(&str, &str)]| {
        let owned = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        ExtraFields(owned.collect())
    };
    IntrospectionConfig {
        name: "default".to_owned(),
        key: "introspection".to_owned(),
        cluster: "idp".to_owned(),
        endpoint: Endpoint::parse("http://idp:7164/i").unwrap(),
        response: ResponseReader {
            api,
            ..ResponseReader::default()
        },
        headers: fields(headers),
        parameters: fields(parameters),
        timeout: Duration::from_secs(1),
    }
}

fn rfc7662(client_authentication: Option<ClientAuthentication>) -> Api {
    Api::Rfc7662(Rfc7662 {
        client_authentication,
        ..Rfc7662::default()
    })
}

fn check(config: &IntrospectionConfig, headers: &[(&str, &str)], body: &str) {
    let token = AccessToken::new("a+b/c==");
    let request = config.request(&token);
    let found: Vec<_> = request
        .headers
        .iter()
        .map(|(n, v)| (*n, v.as_ref()))
        .collect();
    let fixed = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "idp:7164"),
        (":path", "/i"),
    ];
    let expected: Vec<_> = fixed.iter().chain(headers).copied().collect();
    assert_eq!(found, expected);
    assert_eq!(String::from_utf8(request.body).unwrap(), body);
}

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ACCEPT: (&str, &str) = ("accept", "application/json");

#[test]
fn texas() {
    let api = || Api::Texas(Texas::default());
    check(
        &config(api(), &[], &[]),
        &[JSON, ACCEPT],
        r#"{"identity_provider":"maskinporten","token":"a+b/c=="}"#,
    );
    check(
        &config(api(), &[("x-app", "me")], &[("z", "1\"2")]),
        &[JSON, ACCEPT, ("x-app", "me")],
        r#"{"identity_provider":"maskinporten","token":"a+b/c==","z":"1\"2"}"#,
    );
}

#[test]
fn rfc7662_form_and_client_authentication() {
    let secret = || Secret::new("p:w +%å".to_owned());
    let client_id = || "my:api".to_owned();
    let token = "token=a%2Bb%2Fc%3D%3D";
    check(&config(rfc7662(None), &[], &[]), &[FORM, ACCEPT], token);
    check(
        &config(
            Api::Rfc7662(Rfc7662 {
                token_type_hint: Some("access_token".to_owned()),
                ..Rfc7662::default()
            }),
            &[],
            &[("resource", "https://a/&b")],
        ),
        &[FORM, ACCEPT],
        &format!("{token}&token_type_hint=access_token&resource=https%3A%2F%2Fa%2F%26b"),
    );
    check(
        &config(
            rfc7662(Some(ClientAuthentication::Basic {
                client_id: client_id(),
                secret: secret(),
            })),
            &[],
            &[],
        ),
        // my%3Aapi:p%3Aw%20%2B%25%C3%A5
        &[
            FORM,
            ACCEPT,
            (
                "authorization",
                "Basic bXklM0FhcGk6cCUzQXclMjAlMkIlMjUlQzMlQTU=",
            ),
        ],
        token,
    );
    check(
        &config(
            rfc7662(Some(ClientAuthentication::Post {
                client_id: client_id(),
                secret: secret(),
            })),
            &[],
            &[],
        ),
        &[FORM, ACCEPT],
        &format!("{token}&client_id=my%3Aapi&client_secret=p%3Aw+%2B%25%C3%A5"),
    );
    check(
        &config(
            rfc7662(Some(ClientAuthentication::Bearer {
                secret: Secret::new("xyz".to_owned()),
            })),
            &[],
            &[],
        ),
        &[FORM, ACCEPT, ("authorization", "Bearer xyz")],
        token,
    );
}

#[test]
fn other_requests_and_other_readings_of_statuses_have_other_fingerprints() {
    let with = |statuses: &[u16]| {
        let mut config = config_of_cluster("idp");
        config.response.api = Api::Rfc7662(Rfc7662 {
            inactive_statuses: statuses.to_vec(),
            ..Rfc7662::default()
        });
        config.fingerprint()
    };
    assert_eq!(with(&[]), with(&[]));
    assert_eq!(with(&[]), config_of_cluster("idp").fingerprint());
    assert_ne!(with(&[]), config_of_cluster("other").fingerprint());
    assert_ne!(with(&[]), with(&[404]));
    assert_ne!(with(&[404]), with(&[404, 410]));
    let another = IntrospectionConfig {
        name: "another".to_owned(),
        ..config_of_cluster("idp")
    };
    assert_ne!(with(&[]), another.fingerprint());
}

#[test]
fn nothing_secret_prints() {
    let config = config(
        rfc7662(Some(ClientAuthentication::Basic {
            client_id: "me".to_owned(),
            secret: Secret::new("hidden".to_owned()),
        })),
        &[("x-key", "hidden")],
        &[("key", "hidden")],
    );
    let printed = format!("{config:?}");
    assert!(
        printed.contains("x-key") && !printed.contains("hidden"),
        "{printed}"
    );
}
