//! Each fault as a client meets it.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use dev_idp::{DevIdp, Fault, Mint};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{RFC7662, TEXAS, clients, start, url};

const PATHS: [&str; 2] = [TEXAS, RFC7662];

fn form(idp: &DevIdp) -> String {
    format!(
        "identity_provider=maskinporten&token={}",
        idp.mint(&Mint::default())
    )
}

/// What each client gets from each endpoint: status and body, or [`None`] for a broken one.
async fn answers(idp: &DevIdp, fault: Fault) -> Vec<Option<(u16, String)>> {
    idp.set_fault(Some(fault));
    let mut answers = Vec::new();
    for client in clients() {
        for path in PATHS {
            let request = client
                .post(url(idp.idp_addr(), path))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form(idp));
            let answer = async {
                let response = request.send().await.ok()?;
                let status = response.status().as_u16();
                assert_eq!(response.headers()["content-type"], "application/json");
                Some((status, response.text().await.ok()?))
            };
            answers.push(answer.await);
        }
    }
    answers
}

#[tokio::test]
async fn each_fault_is_answered_the_same_on_both_endpoints() {
    let idp = start().await;
    let body = |status, body: &str| Some((status, body.to_owned()));
    let outage = r#"{"active":false,"error":"fetch: error sending request for url (https://test.maskinporten.no/jwk)"}"#;
    let disabled = r#"{"active":false,"error":"identity provider 'maskinporten' is not enabled"}"#;
    let custom = |status| Fault::Body {
        status,
        body: "{}".to_owned(),
    };
    let cases = [
        (
            Fault::Status { status: 503 },
            body(503, r#"{"error":"server_error"}"#),
        ),
        (
            Fault::Status { status: 1 },
            body(500, r#"{"error":"server_error"}"#),
        ),
        (Fault::Garbage, body(200, "<html>no JSON here</html>")),
        (custom(200), body(200, "{}")),
        (custom(418), body(418, "{}")),
        (
            Fault::Huge { bytes: 30 },
            body(200, r#"{"active":true,"pad":"xxxxxx"}"#),
        ),
        (Fault::Huge { bytes: 3 }, body(200, r#"{"a"#)),
        (Fault::Huge { bytes: 0 }, body(200, "")),
        (Fault::Outage, body(200, outage)),
        (Fault::Disabled, body(200, disabled)),
        (Fault::Reset, None),
        (Fault::Close, None),
    ];
    let mut asked = 0;
    for (fault, expected) in cases {
        let answers = answers(&idp, fault.clone()).await;
        assert_eq!(answers, vec![expected; 4], "{fault:?}");
        // A client may try once more when the connection was closed without an answer.
        assert!(idp.introspections() >= asked + 4, "{fault:?}");
        asked = idp.introspections();
    }
}

#[tokio::test]
async fn a_huge_body_is_as_long_as_asked_for() {
    let idp = start().await;
    for answer in answers(&idp, Fault::Huge { bytes: 5_000_000 }).await {
        let body = answer.unwrap().1;
        assert_eq!(body.len(), 5_000_000);
        assert!(serde_json::from_str::<Value>(&body).is_ok());
    }
}

#[tokio::test]
async fn a_delay_ends_in_the_usual_answer() {
    let idp = start().await;
    let started = Instant::now();
    for answer in answers(&idp, Fault::Delay { ms: 100 }).await {
        assert!(answer.unwrap().1.contains(r#""active":true"#));
    }
    assert!(started.elapsed() >= Duration::from_millis(4 * 100));
}

#[tokio::test]
async fn a_held_request_is_answered_when_it_is_released() {
    let idp = start().await;
    let client = reqwest::Client::new();
    idp.set_fault(Some(Fault::Hold));
    let held = client.post(url(idp.idp_addr(), TEXAS)).send();
    let release = async {
        asked(&idp, 1).await;
        idp.set_fault(None);
    };
    let (response, ()) = tokio::join!(held, release);
    assert_eq!(response.unwrap().status(), 400);
}

/// Returns when so many introspection requests have come in.
async fn asked(idp: &DevIdp, times: usize) {
    while idp.introspections() < times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_by_one_two_questions_at_once_take_turns() {
    let idp = start().await;
    for client in clients() {
        let before = idp.introspections();
        let answered = RefCell::new(Vec::new());
        let ask = async |name: &'static str| {
            let request = client.post(url(idp.idp_addr(), TEXAS));
            assert_eq!(request.send().await.unwrap().status(), 400);
            answered.borrow_mut().push(name);
        };
        idp.set_fault(Some(Fault::OneByOne { ms: 500 }));
        let second = async {
            asked(&idp, before + 1).await;
            // So much shorter that it would be first, did it not have to wait.
            idp.set_fault(Some(Fault::OneByOne { ms: 20 }));
            ask("second").await;
        };
        tokio::join!(ask("first"), second);
        assert_eq!(answered.into_inner(), ["first", "second"]);
    }
}

#[tokio::test]
async fn one_by_one_a_question_whose_client_has_gone_takes_no_time() {
    /// In milliseconds.
    const LONG: u64 = 60_000;
    let idp = start().await;
    for client in clients() {
        let ask = || tokio::spawn(client.post(url(idp.idp_addr(), TEXAS)).send());
        let before = idp.introspections();
        idp.set_fault(Some(Fault::OneByOne { ms: LONG }));
        let has_its_turn = ask();
        asked(&idp, before + 1).await;
        let waits = ask();
        asked(&idp, before + 2).await;
        idp.set_fault(Some(Fault::OneByOne { ms: 1 }));
        let stays = ask();
        asked(&idp, before + 3).await;
        waits.abort();
        has_its_turn.abort();
        tokio::select! {
            answer = stays => assert_eq!(answer.unwrap().unwrap().status(), 400),
            () = tokio::time::sleep(Duration::from_millis(LONG)) => panic!("those that have gone took their time"),
        }
    }
}

/// All that comes over the wire, and how it ended.
async fn on_the_wire(fault: Fault) -> (String, Result<(), ErrorKind>) {
    let idp = start().await;
    idp.set_fault(Some(fault));
    let mut stream = TcpStream::connect(idp.idp_addr()).await.unwrap();
    let body = form(&idp);
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: idp\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        TEXAS,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let end = loop {
        match stream.read_buf(&mut answer).await {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error.kind()),
        }
    };
    assert_eq!(idp.introspections(), 1);
    (String::from_utf8(answer).unwrap(), end)
}

#[tokio::test]
async fn reset_sends_half_a_body_and_then_a_rst() {
    let (answer, end) = on_the_wire(Fault::Reset).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("content-length: 48"), "{head}");
    assert_eq!(body, r#"{"active":true,"scope":""#);
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn close_sends_nothing() {
    assert_eq!(on_the_wire(Fault::Close).await, (String::new(), Ok(())));
}
