//! HTTP/1.1 on one connection, for both ends: as little as it takes.

use std::io::{self, ErrorKind};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection, and what has been read from it and not yet been looked at.
pub struct Wire {
    /// The connection.
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

/// A request or a response.
#[derive(Debug, Default)]
pub struct Message {
    /// A request's path, else empty.
    pub path: String,
    /// A response's status, else 0.
    pub status: u16,
    /// The header, as it came.
    pub fields: Vec<(String, String)>,
    /// How long the body is.
    pub length: usize,
    /// The body; of a response it is not kept.
    pub body: Vec<u8>,
}

impl Message {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether nothing follows on this connection.
    pub fn is_last(&self) -> bool {
        self.field("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Wire {
    /// A new connection.
    pub fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The next request; [`None`] when the connection ends before it.
    pub async fn request(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some((mut message, head)) = parse_request(&self.buffer)? {
                message.body = self.body(head, message.length).await?;
                return Ok(Some(message));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                let is_between = self.buffer.is_empty();
                let cut_off = || ErrorKind::UnexpectedEof.into();
                return if is_between { Ok(None) } else { Err(cut_off()) };
            }
        }
    }

    /// Sends a request and reads the response. What cannot be sent any more because the response
    /// came early is left out, and then the connection is of no more use: so the second value
    /// says.
    pub async fn exchange(&mut self, request: &[u8], is_head: bool) -> io::Result<(Message, bool)> {
        let buffer = &mut self.buffer;
        let (mut reader, mut writer) = self.stream.split();
        let mut read = Box::pin(async {
            loop {
                if let Some(found) = parse_response(buffer, is_head)? {
                    return io::Result::Ok(found);
                }
                if reader.read_buf(buffer).await? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
        });
        let (found, is_sent) = tokio::select! {
            biased;
            written = writer.write_all(request) => (read.await, written.is_ok()),
            found = &mut read => (found, false),
        };
        let (message, head) = found?;
        let length = if is_head { 0 } else { message.length };
        self.body(head, length).await?;
        let is_done = is_sent && !message.is_last();
        Ok((message, is_done))
    }

    async fn body(&mut self, head: usize, length: usize) -> io::Result<Vec<u8>> {
        let end = head + length;
        while self.buffer.len() < end {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let body = self.buffer[head..end].to_vec();
        self.buffer.drain(..end);
        Ok(body)
    }
}

const FIELDS: usize = 48;

fn parse_request(bytes: &[u8]) -> io::Result<Option<(Message, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let status = request.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = status else {
        return Ok(None);
    };
    let path = request.path.unwrap().to_owned();
    let message = Message {
        path,
        ..with_fields(request.headers)?
    };
    Ok(Some((message, head)))
}

fn parse_response(bytes: &[u8], is_head: bool) -> io::Result<Option<(Message, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let status = response.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = status else {
        return Ok(None);
    };
    let status = response.code.unwrap();
    let message = Message {
        status,
        ..with_fields(response.headers)?
    };
    if !is_head && message.field("content-length").is_none() {
        return Err(io::Error::other("a response without content-length"));
    }
    Ok(Some((message, head)))
}

fn with_fields(fields: &[httparse::Header<'_>]) -> io::Result<Message> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let fields = fields.iter();
    let fields = fields.map(|field| (field.name.to_owned(), text(field.value)));
    let mut message = Message {
        fields: fields.collect(),
        ..Message::default()
    };
    if message.field("transfer-encoding").is_some() {
        return Err(io::Error::other("chunks are not for this"));
    }
    if let Some(length) = message.field("content-length") {
        message.length = length.parse().map_err(io::Error::other)?;
    }
    Ok(message)
}
