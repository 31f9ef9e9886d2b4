//! What clients send: one request, with tokens in turn.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests for the same path with a token each.
pub struct Traffic {
    tokens: Tokens,
    next: AtomicUsize,
}

/// The tokens that are sent in turn.
enum Tokens {
    These(Vec<String>),
    /// So many, made when they are sent: a number at the end of the same text.
    Numbered {
        count: usize,
        text: String,
    },
}

/// Digits of a number at the end of a token.
const DIGITS: usize = 12;

impl Traffic {
    pub fn with(tokens: Vec<String>) -> Self {
        Self::new(Tokens::These(tokens))
    }

    /// So many opaque tokens of so many bytes. `series` tells them apart from others'.
    pub fn numbered(series: &str, count: usize, bytes: usize) -> Self {
        let letters = ('a'..='z').cycle();
        let text = series.chars().chain(letters).take(bytes - DIGITS).collect();
        Self::new(Tokens::Numbered { count, text })
    }

    fn new(tokens: Tokens) -> Self {
        Self {
            tokens,
            next: AtomicUsize::new(0),
        }
    }

    /// How many different tokens there are.
    pub fn tokens(&self) -> usize {
        match &self.tokens {
            Tokens::These(tokens) => tokens.len(),
            Tokens::Numbered { count, .. } => *count,
        }
    }

    /// Writes the next request in place of what is there.
    pub fn write_next(&self, request: &mut Vec<u8>) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.tokens();
        request.clear();
        request.extend(b"GET /api/x HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ");
        match &self.tokens {
            Tokens::These(tokens) => request.extend(tokens[turn].as_bytes()),
            Tokens::Numbered { text, .. } => {
                request.extend(text.as_bytes());
                request.extend(format!("{turn:0DIGITS$}").as_bytes());
            }
        }
        request.extend(b"\r\n\r\n");
    }
}
