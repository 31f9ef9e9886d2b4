//! What the upstream is told about the token, end to end.
//!
//! The upstream believes the headers that the filter sets. So nobody else may put anything there:
//! not the client, which can send such headers itself, and not whoever chooses a claim's value,
//! which could end one header and begin another. The filter edits a request in two places, where
//! it is let through at once and where it was paused first; each case goes through both.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dev_idp::{Fault, Mint};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::client::{Answer, answer, http2};
use crate::gateway::{CONNECTION_MANAGER, Gateway, Setup, at, plugin, until};

const CONSUMER: &str = "0192:910753614";

fn with(forward: &Value) -> Setup {
    let mut plugin = plugin();
    plugin["forward"] = forward.clone();
    Setup {
        plugin,
        ..Setup::default()
    }
}

/// A header's name and value.
type Line = (String, String);

/// All header lines that the upstream saw, in order of their names. Only the request's id, and the
/// token, differ from one request to the next.
fn seen(case: &str, answer: &Answer) -> Vec<Line> {
    assert_eq!(answer.status, 200, "{case}: {answer:?}");
    let mut lines: Vec<Line> = serde_json::from_value(answer.json()["headers"].take()).unwrap();
    for (name, value) in &mut lines {
        if name == "x-request-id" || name == "authorization" {
            value.clear();
        }
    }
    lines.sort();
    lines
}

/// The values of all lines with that name.
fn values<'a>(lines: &'a [Line], name: &str) -> Vec<&'a str> {
    let own = lines.iter().filter(|(n, _)| n == name);
    own.map(|(_, value)| value.as_str()).collect()
}

/// What the upstream sees of a request with this token, which nobody has asked about yet: the same
/// when the request is paused and when the token is known.
async fn seen_twice(gateway: &Gateway, case: &str, token: &str) -> Vec<Line> {
    let asked = gateway.idp.introspections();
    let first = seen(case, &gateway.get_with(token).await);
    assert_eq!(gateway.idp.introspections(), asked + 1, "{case}");
    let again = seen(case, &gateway.get_with(token).await);
    assert_eq!(gateway.idp.introspections(), asked + 1, "{case}: known");
    assert_eq!(first, again, "{case}: paused and known");
    first
}

/// Tokens whose claim `odd` goes into `x-claim`, beside `consumer.ID` in `x-consumer`.
struct OddClaims {
    gateway: Gateway,
    /// What the upstream sees when the claim is not there.
    plain: Vec<Line>,
}

impl OddClaims {
    async fn start() -> Self {
        let claims = json!({ "x-claim": "odd", "x-consumer": "consumer.ID" });
        let gateway = Gateway::start(with(&json!({ "claims": claims }))).await;
        let plain = seen_twice(&gateway, "no claim", &gateway.token("api:read")).await;
        assert_eq!(values(&plain, "x-claim"), [""; 0]);
        assert_eq!(values(&plain, "x-consumer"), [CONSUMER]);
        Self { gateway, plain }
    }

    /// The upstream sees the claim as this text, or not at all, and else what it always sees.
    async fn check(&self, token: &str, case: &str, expected: Option<&str>) {
        let lines = seen_twice(&self.gateway, case, token).await;
        let mut all = self.plain.clone();
        all.extend(expected.map(|value| ("x-claim".to_owned(), value.to_owned())));
        all.sort();
        assert_eq!(lines, all, "{case}");
    }

    /// The same, for a claim that stands in a token.
    async fn check_claim(&self, value: &Value, expected: Option<&str>) {
        let mint = Mint::default().scope("api:read");
        let token = self.gateway.idp.mint(&mint.claim("odd", value.clone()));
        self.check(&token, &value.to_string(), expected).await;
    }

    /// The same, for the very words of the endpoint.
    async fn check_words(&self, value: &str, expected: Option<&str>) {
        self.gateway.idp.set_fault(Some(says(&format!(
            r#""consumer":{{"ID":"{CONSUMER}"}},"odd":{value}"#
        ))));
        let token = URL_SAFE_NO_PAD.encode(value);
        self.check(&token, value, expected).await;
        self.gateway.idp.set_fault(None);
    }
}

/// The endpoint says that any token is active, with these members.
fn says(members: &str) -> Fault {
    Fault::Body {
        status: 200,
        body: format!(r#"{{"active":true,"scope":"api:read",{members}}}"#),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_every_type() {
    let odd = OddClaims::start().await;
    let cases = [
        (json!("plain"), Some("plain")),
        (json!("two  words"), Some("two  words")),
        (
            json!(r#"a, b;c="d\" %0d%0a"#),
            Some(r#"a, b;c="d\" %0d%0a"#),
        ),
        (json!("null"), Some("null")),
        (json!(0), Some("0")),
        (json!(-7), Some("-7")),
        (json!(1.5), Some("1.5")),
        (json!(u64::MAX), Some("18446744073709551615")),
        (json!(i64::MIN), Some("-9223372036854775808")),
        (json!(true), Some("true")),
        (json!(false), Some("false")),
        (json!(["a"]), Some("a")),
        (json!(["a:b", "c,d", "\"e\""]), Some("a:b c,d \"e\"")),
        (json!(["a", "a"]), Some("a a")),
        (json!({}), None),
        (json!({ "ID": "a" }), None),
        (json!(""), None),
        (json!([]), None),
        (json!([""]), None),
        (json!(["a", ""]), None),
        (json!(["a", "", "b"]), None),
        (json!(["a b"]), None),
        (json!(["a", "b c"]), None),
        (json!(["a", "b\tc"]), None),
        (json!(["a", "b\r\nx-spoofed:c"]), None),
        (json!(["a", "b\0"]), None),
        (json!(["a", 1]), None),
        (json!(["a", true]), None),
        (json!(["a", null]), None),
        (json!(["a", ["b"]]), None),
        (json!(["a", {}]), None),
        (json!([1, 2]), None),
        (Value::Null, None),
    ];
    for (value, expected) in cases {
        odd.check_claim(&value, expected).await;
    }
    for (value, expected) in [
        ("null", None),
        (r#""\u0061""#, Some("a")),
        (r#""\/""#, Some("/")),
        ("[ ]", None),
        ("-0.25", Some("-0.25")),
    ] {
        odd.check_words(value, expected).await;
    }
    odd.gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_would_not_arrive_as_they_are() {
    let odd = OddClaims::start().await;
    for value in [
        "a\r\nx-spoofed: b",
        "a\r\n\r\nGET /spoofed HTTP/1.1\r\nhost: b\r\n\r\n",
        "a\nx-spoofed: b",
        "a\rx-spoofed: b",
        "\r\n",
        "a\r\n",
        "\r\na",
        "a\r\n b",
        "a\0b",
        "\0",
        "a\0",
        "a\tb",
        "\ta",
        "a\t",
        "a\u{1}b",
        "a\u{1b}[31mb",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{9f}b",
        " ",
        " a",
        "a ",
        "   a   ",
        "\u{a0}a",
        "a\u{3000}",
    ] {
        odd.check_claim(&json!(value), None).await;
    }
    // As the endpoint may write them itself.
    for value in [
        r#""a\r\nx-spoofed: b""#,
        r#""a\u000d\u000Ax-spoofed: b""#,
        r#""a\u0000b""#,
        r#""a\tb""#,
        "\"a\u{7f}b\"",
        r#"" a""#,
    ] {
        odd.check_words(value, None).await;
    }
    odd.gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_are_not_ascii_arrive_as_utf8() {
    let odd = OddClaims::start().await;
    // What is no UTF-8 is another character in the API's echo.
    for value in [
        "blåbær",
        "ÆØÅ æøå",
        "\u{ff}",
        "é e\u{301}",
        "日本語",
        "👩‍🚒 🫐",
        "a\u{2028}b\u{feff}c\u{202e}d",
        "\u{10ffff}",
    ] {
        odd.check_claim(&json!(value), Some(value)).await;
    }
    odd.check_claim(&json!(["blå", "🫐"]), Some("blå 🫐")).await;
    odd.check_words(r#""\u00e6\ud83e\uded0""#, Some("æ🫐"))
        .await;
    odd.gateway.assert_well().await;
}

/// A hundred strings, the same ones each time: half of their characters are such as make trouble.
fn random_texts() -> Vec<String> {
    const TROUBLE: &str = "\r\n\t\0\u{7f}\u{1b}\u{85} \"\\:,;%{}æ🫐\u{a0}\u{2028}";
    let trouble: Vec<char> = TROUBLE.chars().collect();
    let character = prop_oneof![
        3 => prop::char::range('!', '~'),
        1 => any::<char>(),
        2 => prop::sample::select(trouble),
    ];
    let text = prop::collection::vec(character, 0..8);
    let mut runner = TestRunner::deterministic();
    let mut next = || text.new_tree(&mut runner).unwrap().current();
    (0..100).map(|_| next().into_iter().collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_any_content_add_no_other_header() {
    let odd = OddClaims::start().await;
    let mut told = 0;
    for text in random_texts() {
        let is_at_an_end = |c| text.starts_with(c) || text.ends_with(c);
        let is_plain = !text.is_empty()
            && !text.contains(char::is_control)
            && !text.chars().any(|c| c.is_whitespace() && is_at_an_end(c));
        told += usize::from(is_plain);
        let expected = is_plain.then_some(text.as_str());
        odd.check_claim(&json!(text), expected).await;
    }
    assert!((20..=80).contains(&told), "{told} of 100 are told");
    odd.gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_any_words_add_nothing() {
    let odd = OddClaims::start().await;
    let authorization = format!("Bearer {}", odd.gateway.token("api:read"));
    let mut passed = 0;
    for text in random_texts() {
        let value = text.replace(['\r', '\n', '\0'], "");
        let headers = [
            (&b"authorization"[..], authorization.as_bytes()),
            (b"x-claim", value.as_bytes()),
            (b"X-Consumer", value.as_bytes()),
            (b"x-consumer", b""),
        ];
        let answer = odd.gateway.send(b"GET /api/x", &headers).await;
        // Envoy itself refuses some.
        if answer.status != 400 {
            assert_eq!(seen(&value, &answer), odd.plain, "{value:?}");
            passed += 1;
        }
    }
    assert!(passed >= 50, "{passed} of 100 passed");
    odd.gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_are_too_long() {
    let odd = OddClaims::start().await;
    for (length, is_told) in [(16_384, true), (16_385, false), (100_000, false)] {
        let value = "x".repeat(length);
        let before = odd.gateway.idp.introspections();
        let answer = says(&format!(r#""odd":"{value}""#));
        odd.gateway.idp.set_fault(Some(answer));
        // So large an answer is not remembered: the request is paused both times.
        for _ in 0..2 {
            let lines = seen("long", &odd.gateway.get_with("token").await);
            let lengths: Vec<_> = values(&lines, "x-claim").iter().map(|v| v.len()).collect();
            assert_eq!(lengths == [length], is_told, "{length}: {lengths:?}");
            assert_eq!(lengths.is_empty(), !is_told, "{length}: {lengths:?}");
        }
        assert_eq!(odd.gateway.idp.introspections(), before + 2, "{length}");
    }
    odd.gateway.assert_well().await;
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

async fn send(
    gateway: &Gateway,
    version: Version,
    method: &str,
    path: &str,
    headers: &[(String, &str)],
) -> Answer {
    match version {
        Version::Http1 => {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                .collect();
            let line = format!("{method} {path}");
            gateway.send(line.as_bytes(), &headers).await
        }
        Version::Http2 => {
            let url = format!("http://{}{path}", gateway.address);
            let mut request = http2().request(method.parse().unwrap(), url);
            for (name, value) in headers {
                request = request.header(name, *value);
            }
            answer(request.send().await.unwrap()).await
        }
    }
}

/// What a client sends under the name of each header that the filter sets.
struct Spoof {
    case: &'static str,
    spelled: fn(&str) -> String,
    values: &'static [&'static str],
}

const SPOOFS: [Spoof; 8] = [
    Spoof {
        case: "once",
        spelled: str::to_owned,
        values: &["spoofed"],
    },
    Spoof {
        case: "several times",
        spelled: str::to_owned,
        values: &["a", "b", "b", "c"],
    },
    Spoof {
        case: "in capitals",
        spelled: str::to_uppercase,
        values: &["a", "b"],
    },
    Spoof {
        case: "in odd capitals",
        spelled: |name| name.replace('o', "O").replace("-c", "-C"),
        values: &["spoofed"],
    },
    Spoof {
        case: "empty",
        spelled: str::to_owned,
        values: &[""],
    },
    Spoof {
        case: "empty and not",
        spelled: str::to_owned,
        values: &["", "spoofed", ""],
    },
    Spoof {
        case: "joined",
        spelled: str::to_owned,
        values: &["a, b,c,,", ","],
    },
    Spoof {
        case: "true",
        spelled: str::to_owned,
        values: &[CONSUMER],
    },
];

/// Beside so many others headers are not fetched all at once. Over HTTP/2 they are there.
const MANY: usize = 60;

/// The headers that the filter sets in these tests, and one that it does not, but that may be on
/// a preflight: it shows that the client's copies do get as far as the filter.
const SPOOFED: [&str; 4] = ["x-consumer", "x-role", "x-claims", "x-real-ip"];

/// What is sent, and what the upstream is to see.
#[derive(Clone)]
struct Told {
    case: &'static str,
    method: &'static str,
    path: &'static str,
    token: Option<Mint>,
    is_preflight: bool,
    /// How many requests of two with the same token make the filter ask the endpoint.
    asked: usize,
    consumer: Option<&'static str>,
    role: Option<&'static str>,
    /// Whether `x-claims` carries the token's claims, or is not there.
    payload: bool,
}

/// Nothing sent, nothing told.
const NOTHING: Told = Told {
    case: "",
    method: "GET",
    path: "/api/x",
    token: None,
    is_preflight: false,
    asked: 0,
    consumer: None,
    role: None,
    payload: false,
};

async fn check(gateway: &Gateway, version: Version, spoof: &Spoof, told: &Told) {
    let token = told.token.as_ref().map(|mint| gateway.idp.mint(mint));
    let authorization = token.as_ref().map(|token| format!("Bearer {token}"));
    let mut headers: Vec<(String, &str)> = Vec::new();
    if let Some(authorization) = &authorization {
        headers.push(("authorization".to_owned(), authorization));
    }
    if told.is_preflight {
        headers.push(("origin".to_owned(), "https://x.y"));
        headers.push(("access-control-request-method".to_owned(), "POST"));
    }
    for name in SPOOFED {
        let lines = spoof
            .values
            .iter()
            .map(|value| ((spoof.spelled)(name), *value));
        headers.extend(lines);
    }
    // Such as may be on a preflight.
    let others = match version {
        Version::Http1 => 0,
        Version::Http2 => MANY,
    };
    headers.extend((0..others).map(|n| (format!("x-b3-other{n}"), "")));
    let before = gateway.idp.introspections();
    for time in ["first", "second"] {
        let case = format!("{}, {version:?}, {}, {time}", told.case, spoof.case);
        let lines = seen(
            &case,
            &send(gateway, version, told.method, told.path, &headers).await,
        );
        assert_eq!(
            values(&lines, "x-real-ip"),
            sorted(spoof.values),
            "{case}: not sent as meant"
        );
        let expected = Vec::from_iter(told.consumer);
        assert_eq!(values(&lines, "x-consumer"), expected, "{case}");
        assert_eq!(
            values(&lines, "x-role"),
            Vec::from_iter(told.role),
            "{case}"
        );
        let payloads = values(&lines, "x-claims").into_iter().map(decoded);
        let claims = token.as_deref().filter(|_| told.payload).map(claims_of);
        assert_eq!(
            payloads.collect::<Vec<_>>(),
            Vec::from_iter(claims),
            "{case}"
        );
    }
    assert_eq!(
        gateway.idp.introspections() - before,
        told.asked,
        "{}: asked",
        told.case
    );
}

fn sorted(values: &[&'static str]) -> Vec<&'static str> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values
}

/// What the payload header says.
fn decoded(payload: &str) -> Value {
    let decoded = URL_SAFE_NO_PAD.decode(payload);
    let decoded = decoded.unwrap_or_else(|error| panic!("{payload}: {error}"));
    serde_json::from_slice(&decoded).unwrap()
}

/// The claims in a token: Texas says just these, and `active`.
fn claims_of(token: &str) -> Value {
    decoded(token.split('.').nth(1).unwrap())
}

fn spoofable() -> Setup {
    with(&json!({
        "claims": { "X-Consumer": "consumer.ID", "x-role": "role" },
        "payload_header": "x-claims",
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_cannot_send_what_the_filter_sets() {
    let gateway = Gateway::start(spoofable()).await;
    let read = Mint::default().scope("api:read");
    let cases = [
        Told {
            case: "an anonymous route",
            path: "/open",
            ..NOTHING
        },
        Told {
            case: "an anonymous route with a good token",
            path: "/open",
            token: Some(read.clone()),
            ..NOTHING
        },
        Told {
            case: "a preflight",
            method: "OPTIONS",
            is_preflight: true,
            ..NOTHING
        },
        Told {
            case: "a preflight for no rule",
            method: "OPTIONS",
            path: "/other",
            is_preflight: true,
            ..NOTHING
        },
        Told {
            case: "a good token",
            token: Some(read.clone().claim("role", "guest")),
            asked: 1,
            consumer: Some(CONSUMER),
            role: Some("guest"),
            payload: true,
            ..NOTHING
        },
        Told {
            case: "a claim is absent",
            token: Some(read.clone()),
            asked: 1,
            consumer: Some(CONSUMER),
            payload: true,
            ..NOTHING
        },
        Told {
            case: "all claims are absent",
            token: Some(read.clone().claim("consumer", Value::Null)),
            asked: 1,
            payload: true,
            ..NOTHING
        },
        Told {
            case: "a claim that stays out",
            token: Some(read.claim("role", "a\r\nx-consumer: b")),
            asked: 1,
            consumer: Some(CONSUMER),
            payload: true,
            ..NOTHING
        },
    ];
    for version in [Version::Http1, Version::Http2] {
        for spoof in &SPOOFS {
            for told in &cases {
                check(&gateway, version, spoof, told).await;
            }
        }
    }
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_cannot_send_it_in_an_outage_either() {
    let mut setup = spoofable();
    setup.plugin["failure_mode_allow"] = json!(true);
    let gateway = Gateway::start(setup).await;
    gateway.idp.set_fault(Some(Fault::Outage));
    let told = Told {
        case: "an outage",
        token: Some(Mint::default().scope("api:read")),
        asked: 2,
        ..NOTHING
    };
    for version in [Version::Http1, Version::Http2] {
        for spoof in &SPOOFS {
            check(&gateway, version, spoof, &told).await;
        }
    }
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_cannot_take_it_away() {
    let gateway = Gateway::start(spoofable()).await;
    for version in [Version::Http1, Version::Http2] {
        let token = gateway.token("api:read");
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("authorization".to_owned(), authorization.as_str())];
        if version == Version::Http1 {
            // What `connection` names is for the next hop only: for Envoy, that is.
            let names = "x-consumer, X-Claims";
            headers.push(("connection".to_owned(), names));
            headers.push(("keep-alive".to_owned(), names));
        }
        headers.push(("trailer".to_owned(), "x-consumer, x-claims"));
        for time in ["unknown", "known"] {
            let case = format!("{version:?}, {time}");
            let lines = seen(
                &case,
                &send(&gateway, version, "GET", "/api/x", &headers).await,
            );
            assert_eq!(values(&lines, "x-consumer"), [CONSUMER], "{case}");
            assert_eq!(values(&lines, "x-claims").len(), 1, "{case}");
            assert_eq!(values(&lines, "connection"), [""; 0], "{case}");
        }
    }
    // Some upstreams read `_` as `-`.
    let headers = [("x_consumer".to_owned(), "spoofed")];
    let answer = send(&gateway, Version::Http1, "GET", "/open", &headers).await;
    assert_eq!(answer.status, 400, "Envoy refuses it: {answer:?}");
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payload_is_what_the_endpoint_said() {
    let gateway = Gateway::start(with(&json!({ "payload_header": "x-claims" }))).await;
    let longest = 12_288 - r#"{"odd":"","scope":"api:read"}"#.len();
    let pad = |length| json!("x".repeat(length)).to_string();
    // What the endpoint says, whether it is told, and how often the endpoint is asked: so long an
    // answer as the last is not remembered.
    let cases = [
        ("null".to_owned(), true, 1),
        (
            r#"{"active":false,"a":[1,-2,1.5,true,null,{}]}"#.to_owned(),
            true,
            1,
        ),
        (r#""a\r\nx-spoofed: b\u0000""#.to_owned(), true, 1),
        // `-` and `_` in base64url.
        (r#""<<???>>~~~ÿÿþ 🫐""#.to_owned(), true, 1),
        (pad(longest), true, 1),
        (pad(longest + 1), false, 1),
        (pad(100_000), false, 2),
    ];
    for (number, (odd, is_told, asked)) in cases.iter().enumerate() {
        gateway
            .idp
            .set_fault(Some(says(&format!(r#""odd":{odd}"#))));
        let odd: Value = serde_json::from_str(odd).unwrap();
        let expected = is_told.then(|| json!({ "odd": odd, "scope": "api:read" }));
        let token = format!("token{number}");
        let before = gateway.idp.introspections();
        for time in ["unknown", "known"] {
            let lines = seen(time, &gateway.get_with(&token).await);
            let payloads = values(&lines, "x-claims").into_iter().map(decoded);
            let payloads: Vec<_> = payloads.collect();
            assert!(payloads == Vec::from_iter(expected.clone()), "{number}");
            assert_eq!(values(&lines, "x-spoofed"), [""; 0]);
        }
        assert_eq!(gateway.idp.introspections() - before, *asked, "{number}");
    }
    gateway.idp.set_fault(None);
    gateway.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payload_is_what_the_endpoint_wrote() {
    let gateway = Gateway::start(with(&json!({ "payload_header": "x-claims" }))).await;
    for (number, members) in [
        r#""n":[18446744073709551616,1.10,1e400,-0,0.0,1E+2]"#,
        r#""b":"\ud800 \/ \u00e6 æ","a":{"\udfff":1},"\ud800":2"#,
    ]
    .into_iter()
    .enumerate()
    {
        gateway.idp.set_fault(Some(Fault::Body {
            status: 200,
            body: format!(r#"{{ "scope" : "api:read", {members}, "\u0061ctive" : true }}"#),
        }));
        for time in ["unknown", "known"] {
            let answer = gateway.get_with(&format!("token{number}")).await;
            let lines = seen(time, &answer);
            let payload = URL_SAFE_NO_PAD
                .decode(values(&lines, "x-claims")[0])
                .unwrap();
            let expected = format!(r#"{{"scope":"api:read",{members}}}"#);
            assert_eq!(String::from_utf8(payload).unwrap(), expected, "{time}");
        }
    }
    gateway.assert_well().await;
}

/// Whether the upstream sees the header that tokens come in, on each way through the filter. A
/// header that is not for tokens stays, whatever its name.
async fn check_authorization(authorization: &str, header: &str, is_seen: bool) {
    let mut setup = with(&json!({ "authorization": authorization }));
    let (scheme, other) = match header {
        "authorization" => ("Bearer ", "x-token"),
        _ => ("", "authorization"),
    };
    setup.plugin["token"] = json!({ "header": header, "scheme": scheme.trim_end() });
    setup.plugin["failure_mode_allow"] = json!(true);
    let gateway = Gateway::start(setup).await;
    let mut sent = Vec::new();
    for version in [Version::Http1, Version::Http2] {
        let good = format!("{scheme}{}", gateway.token("api:read"));
        sent.push((version, "GET", "/api/x", None, good.clone(), 1));
        sent.push((version, "GET", "/open", None, good, 0));
        let bad = "Basic YTpi,x".to_owned();
        sent.push((version, "GET", "/open", None, bad, 0));
        let unknown = format!("{scheme}{}", gateway.token("unknown"));
        let out = Some(Fault::Outage);
        sent.push((version, "GET", "/api/x", out, unknown, 2));
    }
    for (version, method, path, fault, token, asked) in sent {
        let tokens = token.split(',');
        let mut headers: Vec<_> = tokens.map(|token| (header.to_owned(), token)).collect();
        headers.push((other.to_owned(), "not the token"));
        headers.push(("origin".to_owned(), "https://x.y"));
        headers.push(("access-control-request-method".to_owned(), "GET"));
        gateway.idp.set_fault(fault);
        let before = gateway.idp.introspections();
        for time in ["first", "second"] {
            let case = format!("{authorization} {header}: {version:?} {method} {path} {time}");
            let answer = send(&gateway, version, method, path, &headers).await;
            assert_eq!(answer.status, 200, "{case}: {answer:?}");
            let lines: Vec<Line> = serde_json::from_value(answer.json()["headers"].take()).unwrap();
            // Envoy itself joins the values of `authorization`.
            let joined = |name| values(&lines, name).join(",");
            let expected = if is_seen { token.as_str() } else { "" };
            assert_eq!(joined(header), expected, "{case}");
            assert_eq!(joined(other), "not the token", "{case}");
            let is_there = lines.iter().any(|(name, _)| name == header);
            assert_eq!(is_there, is_seen, "{case}");
        }
        assert_eq!(gateway.idp.introspections() - before, asked, "{path}");
    }
    gateway.idp.set_fault(None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_kept_or_removed() {
    check_authorization("remove", "authorization", false).await;
    check_authorization("remove", "x-token", false).await;
    check_authorization("keep", "authorization", true).await;
    check_authorization("keep", "x-token", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_in_the_access_log() {
    let mut setup = with(&json!({ "filter_state": { "consumer": "consumer.ID", "odd": "odd" } }));
    setup.edit = |config| {
        let format = "/access_log/0/typed_config/log_format/text_format_source/inline_string";
        *at(config, &format!("{CONNECTION_MANAGER}{format}")) = json!(
            "%REQ(:METHOD)% %PATH(NQ:PATH)% %RESPONSE_CODE% \
             <%FILTER_STATE(wasm.portvakt.consumer:PLAIN)%> \
             <%FILTER_STATE(wasm.portvakt.odd:PLAIN)%>\n"
        );
    };
    let gateway = Gateway::start(setup).await;
    let read = Mint::default().scope("api:read");
    let odd = |value: Value| Some(read.clone().claim("odd", value));
    let cases = [
        (Some(read.clone()), 200, CONSUMER, "-"),
        (odd(json!("a b")), 200, CONSUMER, "a b"),
        (odd(json!("blåbær 🫐")), 200, CONSUMER, "blåbær 🫐"),
        (odd(json!(["a", "b"])), 200, CONSUMER, "a b"),
        (odd(json!(7)), 200, CONSUMER, "7"),
        (
            odd(json!("a\r\nGET /spoofed 200 <a> <b>")),
            200,
            CONSUMER,
            "-",
        ),
        (
            odd(json!("a\nGET /spoofed 200 <a> <b>")),
            200,
            CONSUMER,
            "-",
        ),
        (odd(json!("a\u{1b}[2K/spoofed")), 200, CONSUMER, "-"),
        (odd(json!("")), 200, CONSUMER, "-"),
        (odd(json!({ "a": 1 })), 200, CONSUMER, "-"),
        (
            Some(read.clone().claim("consumer", Value::Null)),
            200,
            "-",
            "-",
        ),
        (Some(Mint::default().scope("other")), 403, "-", "-"),
        (None, 401, "-", "-"),
    ];
    // One connection: nothing stays of the request before.
    let client = http2();
    for (number, (mint, status, consumer, odd)) in cases.into_iter().enumerate() {
        let token = mint.map(|mint| gateway.idp.mint(&mint));
        for time in ["unknown", "known"] {
            let path = format!("/api/{number}/{time}");
            let mut request = client.get(format!("http://{}{path}", gateway.address));
            if let Some(token) = &token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let answer = answer(request.send().await.unwrap()).await;
            assert_eq!(answer.status, status, "{path}: {answer:?}");
            let begin = format!("GET {path} ");
            let mut lines = Vec::new();
            until("the request is in the access log", async || {
                let log = gateway.log();
                let whole = log.split_inclusive('\n').filter(|l| l.ends_with('\n'));
                lines = whole
                    .filter(|line| line.starts_with(&begin))
                    .map(str::to_owned)
                    .collect();
                !lines.is_empty()
            })
            .await;
            assert_eq!(
                lines,
                [format!("{begin}{status} <{consumer}> <{odd}>\n")],
                "{path}"
            );
        }
    }
    let log = gateway.log();
    assert!(!log.contains("/spoofed"), "{log}");
    gateway.assert_well().await;
}
