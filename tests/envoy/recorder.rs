//! An API over HTTP/1.1 that takes down every request that reaches it, and everything that another
//! server could read otherwise than it does. It answers with the request line.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A running API. Dropping it ends it.
pub struct Recorder {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Recorder {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let mut server = JoinSet::new();
        let record = Arc::clone(&heads);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&record)));
            }
        });
        Self {
            address,
            heads,
            _server: server,
        }
    }

    /// The heads of all requests so far, with `!` and what is wrong where a request could be read
    /// in two ways.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    let record = |what: String| heads.lock().unwrap().push(what);
    let mut bytes = Vec::new();
    loop {
        let Some(head) = until(&mut stream, &mut bytes, b"\r\n\r\n").await else {
            if !bytes.is_empty() {
                record(format!("! half a head: {}", bytes.escape_ascii()));
            }
            return;
        };
        record(head.escape_ascii().to_string());
        let framing = match framing(&head) {
            Ok(framing) => framing,
            Err(what) => return record(format!("! {what}: {}", head.escape_ascii())),
        };
        match body(&mut stream, &mut bytes, framing).await {
            Body::Whole => {}
            Body::Half => return,
            Body::Odd(line) => return record(format!("! chunk: {}", line.escape_ascii())),
        }
        let request_line = head.split(|b| *b == b'\r').next().unwrap_or_default();
        let is_upgrade = has(&head, b"\r\nupgrade: websocket\r\n");
        let answer = if is_upgrade {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
                .to_owned()
        } else {
            let length = request_line.len();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")
        };
        let body = if is_upgrade { b"" } else { request_line };
        if stream
            .write_all(&[answer.as_bytes(), body].concat())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// How the end of a body is known.
enum Framing {
    Length(usize),
    Chunked,
}

/// The one way in which every server reads this head, or what speaks against that.
fn framing(head: &[u8]) -> Result<Framing, &'static str> {
    let lines = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    let text = std::str::from_utf8(lines).map_err(|_| "no UTF-8")?;
    let text = text.replace("\r\n", "\u{1f}");
    if text.contains(['\r', '\n', '\0']) {
        return Err("a control character");
    }
    let mut lines = text.split('\u{1f}');
    let request_line: Vec<_> = lines.next().unwrap_or_default().split(' ').collect();
    let [_, _, "HTTP/1.1"] = *request_line else {
        return Err("the request line");
    };
    let (mut lengths, mut codings) = (Vec::new(), Vec::new());
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("no colon")?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err("space in a name");
        }
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(value.trim_start_matches(' ').to_owned()),
            "transfer-encoding" => codings.push(value.trim_start_matches(' ').to_owned()),
            _ => {}
        }
    }
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) if length.bytes().all(|b| b.is_ascii_digit()) => {
            let length = length.parse().map_err(|_| "the length")?;
            Ok(Framing::Length(length))
        }
        ([], [coding]) if coding == "chunked" => Ok(Framing::Chunked),
        _ => Err("the framing"),
    }
}

/// How reading a body ended.
enum Body {
    Whole,
    Half,
    Odd(Vec<u8>),
}

async fn body(stream: &mut TcpStream, bytes: &mut Vec<u8>, framing: Framing) -> Body {
    if let Framing::Length(length) = framing {
        let taken = take(stream, bytes, length).await;
        return taken.map_or(Body::Half, |_| Body::Whole);
    }
    loop {
        let Some(line) = until(stream, bytes, b"\r\n").await else {
            return Body::Half;
        };
        let digits = line
            .strip_suffix(b"\r\n")
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let is_plain = |digits: &&str| digits.bytes().all(|b| b.is_ascii_hexdigit());
        let size = digits
            .filter(is_plain)
            .map(|digits| usize::from_str_radix(digits, 16));
        let Some(Ok(size)) = size else {
            return Body::Odd(line);
        };
        if size == 0 {
            break;
        }
        match take(stream, bytes, size + 2).await {
            Some(chunk) if chunk.ends_with(b"\r\n") => {}
            Some(chunk) => return Body::Odd(chunk),
            None => return Body::Half,
        }
    }
    // Trailers, to the empty line.
    loop {
        match until(stream, bytes, b"\r\n").await {
            Some(line) if line == b"\r\n" => return Body::Whole,
            Some(_) => {}
            None => return Body::Half,
        }
    }
}

/// All up to `end`, `end` included.
async fn until(stream: &mut TcpStream, bytes: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = bytes.windows(end.len()).position(|window| window == end) {
            return Some(bytes.drain(..at + end.len()).collect());
        }
        more(stream, bytes).await?;
    }
}

async fn take(stream: &mut TcpStream, bytes: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    while bytes.len() < length {
        more(stream, bytes).await?;
    }
    Some(bytes.drain(..length).collect())
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(bytes).await.unwrap_or(0);
    (read > 0).then_some(())
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
