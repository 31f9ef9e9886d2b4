//! Clients: each sends one request after the other.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::api::{CLIENT, RECEIVED};
use crate::model::Answer;
use crate::traffic::Request;
use crate::wire::{Message, Wire};

/// One client.
pub enum Lane {
    /// On a connection of its own.
    Http1(SocketAddr, Option<Wire>),
    /// On a stream of a connection with others.
    Http2(SendRequest<Bytes>),
}

/// What a request came to.
pub enum Outcome {
    /// An answer.
    Answered(Answer),
    /// The client did not wait for it.
    Left,
    /// The client waited in vain.
    Lost(String),
}

/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Over HTTP/2; the connection is served in the background.
pub async fn http2(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Lane {
    /// Sends a request, and waits for the answer as long as its client does.
    pub async fn send(&mut self, request: &Request) -> Outcome {
        let patience = request.leaves_after.unwrap_or(PATIENCE);
        let answer = match self {
            Self::Http1(address, wire) => {
                // What is left in the middle of an exchange is dropped, and closed thereby.
                let mut own = wire.take();
                let exchange = timeout(patience, over_http1(*address, &mut own, request)).await;
                if exchange.is_ok() {
                    *wire = own;
                }
                exchange
            }
            Self::Http2(client) => timeout(patience, over_http2(client, request)).await,
        };
        match answer {
            Ok(Ok(answer)) => Outcome::Answered(answer),
            Ok(Err(error)) => Outcome::Lost(error),
            Err(_) if request.leaves_after.is_some() => Outcome::Left,
            Err(_) => Outcome::Lost(format!("no answer in {PATIENCE:?}")),
        }
    }
}

/// A body of that length.
fn body(length: usize) -> Vec<u8> {
    vec![b'b'; length]
}

async fn over_http1(
    address: SocketAddr,
    wire: &mut Option<Wire>,
    request: &Request,
) -> Result<Answer, String> {
    if wire.is_none() {
        let stream = TcpStream::connect(address).await;
        *wire = Some(Wire::new(
            stream.map_err(|error| format!("no connection: {error}"))?,
        ));
    }
    let mut bytes = format!(
        "{} {} HTTP/1.1\r\nhost: gateway\r\n",
        request.method,
        request.path()
    );
    for (name, value) in request.fields() {
        for part in [name, ": ", &value, "\r\n"] {
            bytes += part;
        }
    }
    bytes.push_str("\r\n");
    let mut bytes = bytes.into_bytes();
    bytes.extend(body(request.body));
    let is_head = request.method == "HEAD";
    let exchange = wire.as_mut().unwrap().exchange(&bytes, is_head).await;
    let (message, is_reusable) = exchange.map_err(|error| format!("HTTP/1.1: {error}"))?;
    if !is_reusable {
        *wire = None;
    }
    Ok(of_message(&message))
}

fn of_message(message: &Message) -> Answer {
    Answer {
        status: message.status,
        received: message.field(RECEIVED).map(|value| value.parse().unwrap()),
        client: message.field(CLIENT).map(str::to_owned),
        challenge: message.field("www-authenticate").map(str::to_owned),
        says_when: message.field("retry-after").is_some(),
    }
}

async fn over_http2(client: &mut SendRequest<Bytes>, request: &Request) -> Result<Answer, String> {
    let failed = |error: h2::Error| format!("HTTP/2: {error}");
    let mut head = http::Request::builder()
        .method(request.method)
        .uri(format!("http://gateway{}", request.path()));
    for (name, value) in request.fields() {
        head = head.header(name, value);
    }
    let head = head.body(()).unwrap();
    let mut ready = client.clone().ready().await.map_err(failed)?;
    let (response, mut sender) = ready
        .send_request(head, request.body == 0)
        .map_err(failed)?;
    if request.body > 0 {
        // Envoy may have answered and reset the stream before all is sent.
        let _ = sender.send_data(body(request.body).into(), true);
    }
    let (head, mut stream) = response.await.map_err(failed)?.into_parts();
    while let Some(data) = stream.data().await {
        let _ = stream
            .flow_control()
            .release_capacity(data.map_err(failed)?.len());
    }
    let field = |name: &str| {
        let value = head.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Ok(Answer {
        status: head.status.as_u16(),
        received: field(RECEIVED).map(|value| value.parse().unwrap()),
        client: field(CLIENT),
        challenge: field("www-authenticate"),
        says_when: field("retry-after").is_some(),
    })
}
