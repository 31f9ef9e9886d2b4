//! An HTTP/2 client that sends what it is told, frame by frame.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// The server's dynamic table has no entry, so that each answer can be read by itself.
const NO_TABLE: &[u8] = &[0, 1, 0, 0, 0, 0];

/// Names and values of a table of cases.
pub type Fields = &'static [(&'static str, &'static str)];

/// What becomes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is answered.
    Status(u16),
    /// It is reset.
    Reset,
    /// The connection ends.
    Closed,
}

/// A connection.
pub struct Connection(TcpStream);

impl Connection {
    /// Connects and says hello.
    pub async fn open(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let hello = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &frame(SETTINGS, 0, 0, NO_TABLE)[..],
        ];
        stream.write_all(&hello.concat()).await.unwrap();
        Self(stream)
    }

    /// Sends these frames in one go.
    pub async fn send(&mut self, frames: &[Vec<u8>]) {
        // The other side may have hung up by then.
        let _ = self.0.write_all(&frames.concat()).await;
    }

    /// What becomes of the first stream that something becomes of, and which one it is.
    pub async fn next(&mut self) -> (u32, End) {
        loop {
            let Some((kind, flags, stream, payload)) = self.receive().await else {
                return (0, End::Closed);
            };
            match kind {
                HEADERS if status(&payload) >= 200 => {
                    return (stream, End::Status(status(&payload)));
                }
                RST_STREAM => return (stream, End::Reset),
                GOAWAY => return (0, End::Closed),
                SETTINGS if flags & ACK == 0 => self.send(&[frame(SETTINGS, ACK, 0, b"")]).await,
                _ => {}
            }
        }
    }

    async fn receive(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((kind, flags, u32::from_be_bytes(stream), payload))
    }
}

/// A head.
pub fn headers<T: AsRef<[u8]>>(stream: u32, fields: &[(T, T)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(fields))
}

/// A head that is the whole request, or trailers.
pub fn last_headers<T: AsRef<[u8]>>(stream: u32, fields: &[(T, T)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields))
}

/// A piece of a body.
pub fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

/// The end of a body.
pub fn last_data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, bytes)
}

/// The client gives up (`CANCEL`).
pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// Each field as a literal that is not indexed (RFC 7541 section 6.2.2).
fn block<T: AsRef<[u8]>>(fields: &[(T, T)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            push_length(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// A length with a prefix of seven bits (RFC 7541 section 5.1).
fn push_length(block: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else {
        block.push(u8::try_from(length).unwrap());
        return;
    };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128 + 128).unwrap());
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// The status of an answer, which stands first in its head (RFC 7541 section 6 and appendix B).
fn status(block: &[u8]) -> u16 {
    match *block {
        // A change of the dynamic table's size.
        [0x20..=0x3f, ref rest @ ..] => status(rest),
        [indexed @ 0x88..=0x8e, ..] => {
            [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)]
        }
        [0x08 | 0x18 | 0x48, 3, ref digits @ ..] => {
            String::from_utf8_lossy(&digits[..3]).parse().unwrap()
        }
        [0x08 | 0x18 | 0x48, length @ 0x82..=0x83, ref digits @ ..] => {
            huffman(&digits[..usize::from(length - 0x80)])
        }
        _ => panic!("no status first: {}", block.escape_ascii()),
    }
}

/// Three digits: `0` to `2` have five bits, the others six.
fn huffman(bytes: &[u8]) -> u16 {
    let bits = bytes
        .iter()
        .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let mut left = 8 * bytes.len();
    let digits = (0..3).map(|_| {
        let short = bits >> (left - 5) & 0b1_1111;
        let digit = if short <= 2 {
            short
        } else {
            (bits >> (left - 6) & 0b11_1111) - 22
        };
        left -= if short <= 2 { 5 } else { 6 };
        u16::try_from(digit).unwrap()
    });
    digits.fold(0, |status, digit| status * 10 + digit)
}
