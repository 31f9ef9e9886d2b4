//! Requests within requests: what one server takes for the body of a request, another may take for
//! the next request. The filter sees what Envoy makes of it, and so must the API: no request that
//! Envoy has not shown to the filter, and none that could be read in two ways.

use dev_idp::Fault;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::frames::{self, Connection, End, Fields};
use crate::gateway::{CONNECTION_MANAGER, Gateway, Setup, at, connect_patiently, speak_to_api};
use crate::recorder::Recorder;

/// Headers of a body that is one empty chunk and an inner request, `<length>` altogether; and what
/// is answered on that connection. Nobody has a token for the inner request: where Envoy takes it
/// for one it is answered with 401.
const CODINGS: &[(&str, &str)] = &[
    ("content-length: <length>", "200"),
    ("transfer-encoding: chunked", "200 401"),
    (
        "content-length: <length>\r\ntransfer-encoding: chunked",
        "400",
    ),
    (
        "transfer-encoding: chunked\r\ncontent-length: <length>",
        "400",
    ),
    ("content-length: 5\r\ntransfer-encoding: chunked", "400"),
    ("content-length: 0\r\ntransfer-encoding: chunked", "400"),
    (
        "content-length: <length>\r\ntransfer-encoding: xchunked",
        "400",
    ),
    (
        "content-length: <length>\r\ntransfer-encoding: identity",
        "400",
    ),
    (
        "content-length: <length>\r\ntransfer-encoding : chunked",
        "400",
    ),
    (
        "content-length: <length>\r\ntransfer-encoding\t: chunked",
        "400",
    ),
    (
        "content-length: <length>\r\ntransfer-encoding:\tchunked",
        "400",
    ),
    (
        "content-length: <length>\r\ntransfer-encoding:\u{b}chunked",
        "400",
    ),
    (
        "content-length: <length>\r\ntransfer-encoding:\r\n chunked",
        "400",
    ),
    (
        "content-length: <length>\r\n transfer-encoding: chunked",
        "400",
    ),
    (
        "content-length: <length>\r\ntransfer-encoding\r\n : chunked",
        "400",
    ),
    (
        "content-length: <length>\r\ntransfer_encoding: chunked",
        "400",
    ),
    (
        "content-length: <length>\r\nx: y\ntransfer-encoding: chunked",
        "400",
    ),
    // To Envoy the lone CR is a part of the value, and the API does not get it.
    (
        "content-length: <length>\r\nx: y\rtransfer-encoding: chunked",
        "200",
    ),
    (
        "content-length: <length>\r\nx: y\0\r\ntransfer-encoding: chunked",
        "400",
    ),
    (
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "501",
    ),
    (
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "501",
    ),
    (
        "transfer-encoding: identity\r\ntransfer-encoding: chunked",
        "501",
    ),
    ("transfer-encoding: identity", "501"),
    ("transfer-encoding: chunked, identity", "501"),
    ("transfer-encoding: identity, chunked", "501"),
    ("transfer-encoding: gzip, chunked", "501"),
    ("transfer-encoding: chunked;q=1", "501"),
    ("transfer-encoding: \"chunked\"", "501"),
    ("transfer-encoding:", "501"),
    ("transfer-encoding: Chunked", "200 401"),
    (
        "transfer-encoding: chunked\r\nconnection: transfer-encoding",
        "200 401",
    ),
];

/// Headers of a body that is an inner request.
const LENGTHS: &[(&str, &str)] = &[
    ("content-length: <length>", "200"),
    ("x: y", "200 401"),
    ("content-length: 0", "200 401"),
    ("content-length: 0\r\ncontent-length: <length>", "400"),
    ("content-length: <length>\r\ncontent-length: 0", "400"),
    (
        "content-length: <length>\r\ncontent-length: <length>",
        "400",
    ),
    ("content-length: <length>, <length>", "400"),
    ("content-length: 0, <length>", "400"),
    ("content-length: +<length>", "400"),
    ("content-length: -1", "400"),
    ("content-length: 0x<hex>", "400"),
    ("content-length: 0<length>", "200"),
    ("content-length: 0 <length>", "400"),
    ("content-length: <length> ", "200"),
    ("content-length: <length>;", "400"),
    ("content-length:", "400"),
    ("content-length : <length>", "400"),
    ("content-length:\r\n <length>", "200"),
    ("content-length: 18446744073709551616", "400"),
    ("content-length: 1\u{a0}0", "400"),
    (
        "content-length: <length>\r\nconnection: content-length",
        "200",
    ),
    (
        "content-length: <length>\r\nexpect: 100-continue",
        "100 200",
    ),
];

/// Chunked bodies.
const CHUNKS: &[(&str, &str)] = &[
    ("<hex>\r\n<inner>\r\n0\r\n\r\n", "200"),
    ("<hex>;x=y\r\n<inner>\r\n0\r\n\r\n", "200"),
    ("<hex>;x=\"y\r\n<inner>\r\n0\r\n\r\n", "200"),
    ("2;\nxx\r\n<hex>\r\n<inner>\r\n0\r\n\r\n", "400"),
    ("2;x\nxx\r\n0\r\n\r\n<inner>", "400"),
    ("2;x\rxx\r\n0\r\n\r\n<inner>", "400"),
    ("2 \r\nxx\r\n0\r\n\r\n<inner>", "200 401"),
    (" 2\r\nxx\r\n0\r\n\r\n<inner>", "400"),
    ("2\nxx\n0\n\n<inner>", "400"),
    ("2\r\nxx0\r\n\r\n<inner>", "400"),
    ("2\r\nxx\n0\r\n\r\n<inner>", "200 401"),
    ("2\r\nxxyy0\r\n\r\n<inner>", "400"),
    ("0x2\r\nxx\r\n0\r\n\r\n<inner>", "400"),
    ("-1\r\n<inner>\r\n0\r\n\r\n", "400"),
    ("10000000000000002\r\nxx\r\n0\r\n\r\n<inner>", "400"),
    ("ffffffffffffffff\r\n<inner>\r\n0\r\n\r\n", "408"),
    ("\r\n0\r\n\r\n<inner>", "400"),
    ("0\r\ncontent-length: <length>\r\n\r\n<inner>", "200 401"),
    ("0\r\nx: y\n\r\n<inner>", "200 401"),
    ("0\r\nx: y\r\n <inner>\r\n\r\n", "200 408"),
    ("0\n\r\n<inner>", "400"),
    ("0;x\n\r\n<inner>", "400"),
];

/// Heads that could end elsewhere.
const HEADS: &[(&str, &str)] = &[
    ("GET <outer>\r\n\r\n<inner>", "200 401"),
    ("\r\n\r\nGET <outer>\r\n\r\n<inner>", "200 401"),
    (
        "GET <outer>\r\ncontent-length: <length>\r\n\r\n<inner>",
        "200",
    ),
    ("GET <outer>\n\n<inner>", "200 401"),
    ("GET <outer>\nx: y\n\n<inner>", "200 401"),
    ("GET <outer>\r\nx: y\n\r\n<inner>", "200 401"),
    ("GET <outer>\r\nx: y\r\n\n<inner>", "200 401"),
    ("GET <outer>\r\nx: y\r\r<inner>", "200"),
    ("GET <outer>\r\nx: y\r\r\n\r\n<inner>", "200 401"),
    ("GET <outer>\r\nx: y\r\n <inner>\r\n\r\n", "200 408"),
    ("GET <outer>\r\nx:\r\n\t<inner>", "200"),
    ("GET <outer>\r\n x: y\r\n\r\n<inner>", "400"),
    ("GET <outer>\r\nx\0: y\r\n\r\n<inner>", "400"),
    ("GET <outer>\r\n: y\r\n\r\n<inner>", "400"),
    ("GET <outer>\r\nx\r\n\r\n<inner>", "400"),
    ("GET <outer>\r\nx y: z\r\n\r\n<inner>", "400"),
    ("GET <outer>\r\n:path: /api/secret\r\n\r\n<inner>", "400"),
    // The API's own protocol is none of the client's business.
    (
        "GET <outer>\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "200 400",
    ),
    (
        "GET <outer>\r\nupgrade: h2c\r\nconnection: upgrade, http2-settings\r\n\
         http2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n<inner>",
        "200 401",
    ),
    (
        "GET <outer>\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n<inner>",
        "403",
    ),
];

/// Requests over HTTP/2 that would be others, or two, in HTTP/1.1: fields that are added (after
/// `=` in the place of the one that is there), a body, and the status. Without one Envoy resets the
/// stream or closes the connection.
const DOWNGRADES: &[(Fields, &str, Option<u16>)] = &[
    (&[], "", Some(200)),
    (&[], "<inner>", Some(200)),
    (&[("content-length", "<length>")], "<inner>", Some(200)),
    (&[("content-length", "0")], "<inner>", None),
    (&[("content-length", "4")], "<inner>", None),
    (&[("content-length", "9999")], "<inner>", None),
    (
        &[("content-length", "0"), ("content-length", "<length>")],
        "<inner>",
        None,
    ),
    (&[("content-length", "<length>, <length>")], "<inner>", None),
    (&[("content-length", "+<length>")], "<inner>", None),
    (&[("content-length", "<length>\r\nx: y")], "<inner>", None),
    (
        &[("transfer-encoding", "chunked")],
        "0\r\n\r\n<inner>",
        None,
    ),
    (&[("transfer-encoding", "identity")], "<inner>", None),
    (
        &[("Transfer-Encoding", "chunked")],
        "0\r\n\r\n<inner>",
        None,
    ),
    (
        &[("transfer-encoding ", "chunked")],
        "0\r\n\r\n<inner>",
        None,
    ),
    (
        &[("x", "y\r\ntransfer-encoding: chunked")],
        "0\r\n\r\n<inner>",
        None,
    ),
    (
        &[("x\r\ntransfer-encoding", "chunked")],
        "0\r\n\r\n<inner>",
        None,
    ),
    (
        &[("x: y\r\ntransfer-encoding", "chunked")],
        "0\r\n\r\n<inner>",
        None,
    ),
    (&[("x", "y\r\n\r\n<inner>")], "", None),
    (&[("x", "y\n\n<inner>")], "", None),
    (&[("x", "y\r\r<inner>")], "", None),
    (&[("x", "y\0")], "", None),
    (&[("x", "\r\n y")], "", None),
    (&[("x\n", "y")], "", None),
    (&[("x\0", "y")], "", None),
    (&[("x:", "y")], "", None),
    (&[("x y", "z")], "", None),
    (&[("", "y")], "", None),
    (&[(":x", "y")], "", None),
    (&[("connection", "close")], "", None),
    (&[("connection", "transfer-encoding")], "<inner>", None),
    (&[("upgrade", "h2c")], "<inner>", None),
    (&[("te", "chunked")], "<inner>", None),
    // It is dropped: the API sees the authority.
    (&[("host", "other")], "", Some(200)),
    (&[("host", "other"), ("host", "another")], "", None),
    (&[("host", "x\r\n\r\n<inner>")], "", None),
    (&[(":path", "/api/secret")], "", None),
    (&[(":method", "GET")], "", None),
    (&[(":authority", "other")], "", None),
    (
        &[("=:path", "/open HTTP/1.1\r\nhost: x\r\n\r\n<inner>")],
        "",
        None,
    ),
    (&[("=:path", "/open HTTP/1.1 x")], "", None),
    (&[("=:path", "/open\t")], "", None),
    (&[("=:path", "/open\0")], "", None),
    (&[("=:path", "/open#/api/secret")], "", Some(400)),
    (&[("=:path", "http://other/api/secret")], "", None),
    (&[("=:path", "*")], "", None),
    (&[("=:path", "")], "", None),
    (
        &[(
            "=:method",
            "POST /api/secret HTTP/1.1\r\nhost: x\r\n\r\nPOST",
        )],
        "",
        None,
    ),
    (&[("=:method", "POST /api/secret")], "", None),
    (&[("=:method", "")], "", None),
    (&[("=:scheme", "http://other/api/secret?")], "", None),
    (&[("=:scheme", "http\r\n\r\n<inner>")], "", None),
    (&[("=:authority", "gateway\r\n\r\n<inner>")], "", None),
    (
        &[("=:authority", "gateway\r\ntransfer-encoding: chunked")],
        "0\r\n\r\n<inner>",
        None,
    ),
    (&[("=:authority", "gateway/api/secret?")], "", None),
    (&[("=:authority", "gateway gateway")], "", None),
    (&[("=:authority", "")], "", None),
];

/// Trailers of such a request.
const TRAILERS: &[(Fields, Option<u16>)] = &[
    (&[("x", "y")], Some(200)),
    (&[("content-length", "0")], None),
    (&[("transfer-encoding", "chunked")], None),
    (&[("x", "y\r\n\r\n<inner>")], None),
    (&[("x\r\n\r\n<inner>", "y")], None),
    (&[(":path", "/api/secret")], None),
];

/// A gateway, and an API behind it that speaks HTTP/1.1 only.
struct Site {
    gateway: Gateway,
    api: Recorder,
}

/// A request with another inside that may not pass.
struct Outer {
    target: String,
    credentials: Option<String>,
    inner: String,
}

impl Site {
    async fn start(edit: fn(&mut Value)) -> Self {
        let api = Recorder::start().await;
        let gateway = Gateway::start(Setup {
            edit,
            api: Some(api.address),
            ..Setup::default()
        })
        .await;
        // Whoever has a token waits.
        gateway.idp.set_fault(Some(Fault::Delay { ms: 100 }));
        Self { gateway, api }
    }

    /// One that needs no token, one that has a good one, and one that has a bad one. Nobody has seen
    /// these tokens before.
    fn outers(&self, number: usize) -> [Outer; 3] {
        let token = self.gateway.token("api:read api:write");
        let outer = |path: &str, credentials| Outer {
            target: format!("{path}?{number}"),
            credentials,
            inner: format!("GET /api/secret?{number} HTTP/1.1\r\nhost: gateway\r\n\r\n"),
        };
        [
            outer("/open", None),
            outer("/api/x", Some(format!("Bearer {token}"))),
            outer("/api/refused", Some(format!("Bearer {token}x"))),
        ]
    }

    /// Sends it on a connection of its own, and hangs up when that many answers are there. What is
    /// answered until Envoy closes it.
    async fn http1(&self, outer: &Outer, text: &str, enough: usize) -> String {
        let mut stream = TcpStream::connect(self.gateway.address).await.unwrap();
        let mut bytes = Vec::new();
        // Envoy may hang up on what it refuses.
        let _ = stream.write_all(outer.fill(text).as_bytes()).await;
        while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
            if outer.answers(&bytes).len() == enough {
                let _ = stream.shutdown().await;
            }
        }
        outer.answers(&bytes).join(" ")
    }

    /// Sends it on a connection of its own. The status, if there is one.
    async fn http2(
        &self,
        outer: &Outer,
        fields: &[(&str, &str)],
        body: &str,
        trailers: &[(&str, &str)],
    ) -> Option<u16> {
        let (fields, body) = (outer.fields(fields), outer.fill(body));
        let trailers = outer.fill_all(trailers);
        let head = frames::headers(1, &fields);
        let rest = if trailers.is_empty() {
            vec![frames::last_data(1, body.as_bytes())]
        } else {
            let trailers = frames::last_headers(1, &trailers);
            vec![frames::data(1, body.as_bytes()), trailers]
        };
        let mut connection = Connection::open(self.gateway.address).await;
        connection.send(&[vec![head], rest].concat()).await;
        match connection.next().await.1 {
            End::Status(status) => Some(status),
            End::Reset | End::Closed => None,
        }
    }

    /// What has reached the API are requests that may pass, each once at most.
    async fn assert_nothing_was_smuggled(&self) {
        let mut lines = Vec::new();
        for head in self.api.heads() {
            let line = head.split(" HTTP/1.1").next().unwrap().to_owned();
            let (method, target) = line.split_once(' ').unwrap();
            let (path, _) = target.split_once('?').unwrap();
            let may_pass = ["GET", "POST"].contains(&method) && ["/open", "/api/x"].contains(&path);
            assert!(may_pass, "{head}");
            lines.push(line);
        }
        let all = lines.len();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), all, "a request came twice");
        self.gateway.assert_well().await;
    }
}

impl Outer {
    fn fill(&self, text: &str) -> String {
        let mut head = format!("{} HTTP/1.1\r\nhost: gateway", self.target);
        if let Some(credentials) = &self.credentials {
            head.push_str("\r\nauthorization: ");
            head.push_str(credentials);
        }
        let length = self.inner.len();
        text.replace("<chunk and length>", &(length + 5).to_string())
            .replace("<length>", &length.to_string())
            .replace("<hex>", &format!("{length:x}"))
            .replace("<outer>", &head)
            .replace("<inner>", &self.inner)
    }

    fn fill_all(&self, fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (self.fill(name), self.fill(value)))
            .collect()
    }

    /// The head over HTTP/2.
    fn fields(&self, others: &[(&str, &str)]) -> Vec<(String, String)> {
        let pseudo = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "gateway"),
            (":path", &self.target),
        ];
        let credentials = self
            .credentials
            .as_deref()
            .map(|value| ("authorization", value));
        let mut fields = self.fill_all(&pseudo);
        fields.extend(self.fill_all(credentials.as_slice()));
        for (name, value) in self.fill_all(others) {
            match name.strip_prefix('=') {
                Some(name) => fields.iter_mut().find(|field| field.0 == name).unwrap().1 = value,
                None => fields.push((name, value)),
            }
        }
        fields
    }

    /// The statuses of all answers on a connection. The API's own answer this very request.
    fn answers(&self, mut bytes: &[u8]) -> Vec<String> {
        let mut statuses = Vec::new();
        while let Some((status, body, rest)) = next_answer(bytes) {
            if status == 200 {
                let line = String::from_utf8_lossy(body);
                let target = line.split(' ').nth(1);
                assert_eq!(target, Some(&*self.target), "another's answer");
            }
            statuses.push(status.to_string());
            bytes = rest;
        }
        statuses
    }
}

/// Status and body of an answer that is whole, and what follows it.
fn next_answer(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).unwrap() else {
        return None;
    };
    let mut headers = response.headers.iter();
    let length = headers.find(|header| header.name == "content-length");
    let length = length.map_or("0".into(), |header| String::from_utf8_lossy(header.value));
    let (body, rest) = bytes[head..].split_at_checked(length.parse().unwrap())?;
    Some((response.code?, body, rest))
}

/// As shipped, but less patient, and before an API that speaks HTTP/1.1 only.
fn shipped(config: &mut Value) {
    connect_patiently(config);
    let manager = at(config, CONNECTION_MANAGER);
    manager["delayed_close_timeout"] = "0.1s".into();
    manager["request_timeout"] = "1s".into();
    speak_to_api(
        config,
        "http_protocol_options",
        json!({ "enable_trailers": true }),
    );
}

/// Envoy takes and keeps what it can be made to.
fn lenient(config: &mut Value) {
    shipped(config);
    let manager = at(config, CONNECTION_MANAGER);
    manager["common_http_protocol_options"]["headers_with_underscores_action"] = "ALLOW".into();
    manager["http_protocol_options"] = json!({
        "accept_http_10": true,
        "allow_chunked_length": true,
        "allow_custom_methods": true,
        "enable_trailers": true,
    });
    let http2 = &mut manager["http2_protocol_options"];
    http2["override_stream_error_on_invalid_http_message"] = true.into();
    manager["stream_error_on_invalid_http_message"] = true.into();
}

/// And it hangs up on who is idle.
fn lenient_and_hasty(config: &mut Value) {
    lenient(config);
    let manager = at(config, CONNECTION_MANAGER);
    manager["common_http_protocol_options"]["idle_timeout"] = "0.5s".into();
    manager["drain_timeout"] = "0.1s".into();
}

/// How many cases run at once, so that answers could be mistaken for others' too.
const AT_ONCE: usize = 16;

/// The cases of all tables as what is sent, and the statuses.
fn http1_cases() -> Vec<(String, &'static str)> {
    let chunked = "transfer-encoding: chunked";
    let mut cases = Vec::new();
    for (headers, statuses) in CODINGS {
        let headers = headers.replace("<length>", "<chunk and length>");
        let text = format!("POST <outer>\r\n{headers}\r\n\r\n0\r\n\r\n<inner>");
        cases.push((text, *statuses));
    }
    for (headers, statuses) in LENGTHS {
        let text = format!("POST <outer>\r\n{headers}\r\n\r\n<inner>");
        cases.push((text, *statuses));
    }
    for (body, statuses) in CHUNKS {
        let text = format!("POST <outer>\r\n{chunked}\r\n\r\n{body}");
        cases.push((text, *statuses));
    }
    cases.extend(
        HEADS
            .iter()
            .map(|(text, statuses)| ((*text).to_owned(), *statuses)),
    );
    cases
}

async fn check_http1(edit: fn(&mut Value), is_as_shipped: bool) {
    let site = Site::start(edit).await;
    let cases = stream::iter(http1_cases().into_iter().enumerate());
    let check = async |(number, (text, expected)): (usize, (String, &str))| {
        let [open, secured, refused] = site.outers(number);
        // Where it is not known how many answers there are, the client waits for more.
        let (all, one) = if is_as_shipped {
            (expected.split(' ').count(), 1)
        } else {
            (usize::MAX, usize::MAX)
        };
        let sent = [(open, all), (secured, all), (refused, one)];
        let found = sent
            .each_ref()
            .map(|(outer, enough)| site.http1(outer, &text, *enough));
        let found = join_all(found).await;
        assert!(!found[2].contains("200"), "{text:?}: {found:?}");
        if is_as_shipped {
            assert_eq!(found[..2], [expected; 2], "{text:?}");
        }
    };
    cases.for_each_concurrent(AT_ONCE, check).await;
    site.assert_nothing_was_smuggled().await;
}

async fn check_http2(edit: fn(&mut Value)) {
    let site = Site::start(edit).await;
    let downgrades = DOWNGRADES
        .iter()
        .map(|case| (case.0, case.1, &[][..], case.2));
    let trailers = TRAILERS
        .iter()
        .map(|case| (&[][..], "body", case.0, case.1));
    let cases = stream::iter(downgrades.chain(trailers).enumerate());
    let check = async |(number, (fields, body, trailers, expected))| {
        let [open, secured, refused] = site.outers(number);
        for outer in [open, secured] {
            let found = site.http2(&outer, fields, body, trailers).await;
            assert_eq!(found, expected, "{fields:?} {body:?} {trailers:?}");
        }
        let found = site.http2(&refused, fields, body, trailers).await;
        assert_ne!(found, Some(200), "{fields:?} {body:?} {trailers:?}");
    };
    cases.for_each_concurrent(AT_ONCE, check).await;
    site.assert_nothing_was_smuggled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http1() {
    check_http1(shipped, true).await;
}

/// Other statuses, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn over_http1_where_envoy_is_lenient() {
    check_http1(lenient_and_hasty, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_http2_to_http1() {
    check_http2(shipped).await;
    check_http2(lenient).await;
}
