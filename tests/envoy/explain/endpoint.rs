//! An introspection endpoint that answers what it was told to answer about each token, and takes
//! down what it was asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// An answer; `None`: the connection breaks off.
pub type Scripted = Option<(u16, String)>;

/// Answers by token, and the requests that came, head and body.
#[derive(Default)]
struct Script {
    answers: HashMap<String, Scripted>,
    asked: HashMap<String, String>,
}

/// A running endpoint. Dropping it ends it.
pub struct Endpoint {
    pub address: SocketAddr,
    script: Arc<Mutex<Script>>,
    _server: JoinSet<()>,
}

impl Endpoint {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let mut server = JoinSet::new();
        let shared = Arc::clone(&script);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            script,
            _server: server,
        }
    }

    /// What it answers about a token.
    pub fn script(&self, token: &str, answer: Scripted) {
        let mut script = self.script.lock().unwrap();
        script.answers.insert(token.to_owned(), answer);
    }

    /// What it was asked about a token, if it was.
    pub fn asked(&self, token: &str) -> Option<String> {
        self.script.lock().unwrap().asked.get(token).cloned()
    }
}

/// Answers the requests of a connection until one is to break off.
async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>) {
    let mut bytes = Vec::new();
    while let Some(request) = request(&mut stream, &mut bytes).await {
        let answer = {
            let mut script = script.lock().unwrap();
            let mut tokens = script.answers.iter();
            let (token, answer) = tokens
                .find(|(token, _)| request.contains(token.as_str()))
                .unwrap_or_else(|| panic!("nobody knows the token in {request}"));
            let (token, answer) = (token.clone(), answer.clone());
            script.asked.insert(token, request);
            answer
        };
        let Some((status, body)) = answer else {
            return;
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n");
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request, head and body.
async fn request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8(bytes.clone()).unwrap();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if rest.len() >= length {
                let end = head.len() + 4 + length;
                bytes.drain(..end);
                return Some(text[..end].to_owned());
            }
        }
        let read = stream.read_buf(bytes).await.unwrap_or(0);
        if read == 0 {
            return None;
        }
    }
}
