//! An HTTP/1.1 client that sends what it is told, byte by byte, and clients for the rest.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer, as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The values of a header, joined by `, `.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// A GET with these headers.
pub async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    request(address, format!("GET {path}").as_bytes(), &headers, b"").await
}

/// A request on a connection of its own; `request_line` without the version.
pub async fn request(
    address: SocketAddr,
    request_line: &[u8],
    headers: &[(&[u8], &[u8])],
    body: &[u8],
) -> Answer {
    let mut stream = send_head(address, request_line, headers, body.len()).await;
    stream.write_all(body).await.unwrap();
    read_answer(stream).await
}

/// These bytes, on a connection of their own.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    read_answer(stream).await
}

/// Sends a head and leaves the connection open. A body of that length is to follow.
pub async fn send_head(
    address: SocketAddr,
    request_line: &[u8],
    headers: &[(&[u8], &[u8])],
    body_length: usize,
) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = head(request_line, headers, body_length);
    stream.write_all(&head).await.unwrap();
    stream
}

/// A head as it is sent.
pub fn head(request_line: &[u8], headers: &[(&[u8], &[u8])], body_length: usize) -> Vec<u8> {
    let mut head = request_line.to_vec();
    head.extend(b" HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n");
    if body_length > 0 {
        head.extend(format!("content-length: {body_length}\r\n").as_bytes());
    }
    for (name, value) in headers {
        head.extend_from_slice(name);
        head.extend(b": ");
        head.extend_from_slice(value);
        head.extend(b"\r\n");
    }
    head.extend(b"\r\n");
    head
}

/// Reads the answer, to its end or that of the connection. Envoy may keep a connection open for a
/// while after it has answered early.
pub async fn read_answer(mut stream: impl AsyncRead + Unpin) -> Answer {
    let mut bytes = Vec::new();
    loop {
        let read = stream.read_buf(&mut bytes).await.unwrap();
        match parse(&bytes) {
            Some((answer, is_whole)) if is_whole || read == 0 => return answer,
            None if read == 0 => panic!("half an answer: {}", bytes.escape_ascii()),
            _ => {}
        }
    }
}

/// What has come so far, if the head is there, and whether it is the whole answer.
fn parse(bytes: &[u8]) -> Option<(Answer, bool)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).unwrap() else {
        return None;
    };
    let headers = response.headers.iter();
    let mut answer = Answer {
        status: response.code.unwrap(),
        headers: headers
            .map(|h| {
                (
                    h.name.to_owned(),
                    String::from_utf8_lossy(h.value).into_owned(),
                )
            })
            .collect(),
        body: bytes[head..].to_vec(),
    };
    if answer.header("transfer-encoding").as_deref() == Some("chunked") {
        let is_whole = answer.body.ends_with(b"0\r\n\r\n");
        answer.body = join_chunks(&answer.body);
        return Some((answer, is_whole));
    }
    let length = answer.header("content-length");
    let is_whole = length.is_some_and(|length| length.parse() == Ok(answer.body.len()));
    Some((answer, is_whole))
}

fn join_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) {
        let end = (start + usize::try_from(size).unwrap()).min(rest.len());
        body.extend_from_slice(&rest[start..end]);
        rest = &rest[(end + 2).min(rest.len())..];
    }
    body
}

/// An HTTP/2 client, on one connection.
pub fn http2() -> reqwest::Client {
    reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap()
}

/// The same answer from another client.
pub async fn answer(response: reqwest::Response) -> Answer {
    Answer {
        status: response.status().as_u16(),
        headers: texts(response.headers()),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

/// A request over HTTP/2, with a body and trailers if they are given.
pub async fn request_over_http2(
    address: SocketAddr,
    head: http::Request<()>,
    body: Option<&'static [u8]>,
    trailers: Option<http::HeaderMap>,
) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let ends = body.is_none() && trailers.is_none();
    let (response, mut sender) = client.send_request(head, ends).unwrap();
    // Envoy may have answered and reset the stream before all is sent.
    if let Some(body) = body {
        let _ = sender.send_data(body.into(), trailers.is_none());
    }
    if let Some(trailers) = trailers {
        let _ = sender.send_trailers(trailers);
    }
    let (head, mut stream) = response.await.unwrap().into_parts();
    let mut body = Vec::new();
    while let Some(Ok(data)) = stream.data().await {
        let _ = stream.flow_control().release_capacity(data.len());
        body.extend(data);
    }
    connection.abort();
    Answer {
        status: head.status.as_u16(),
        headers: texts(&head.headers),
        body,
    }
}

fn texts(headers: &http::HeaderMap) -> Vec<(String, String)> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}
