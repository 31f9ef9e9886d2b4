//! RFC 6750 section 2.1: `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.

const CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";

pub fn is_b64token(text: &[u8]) -> bool {
    let mut at = 0;
    while at < text.len() && CHARACTERS.contains(&text[at]) {
        at += 1;
    }
    let body = at;
    while at < text.len() && text[at] == b'=' {
        at += 1;
    }
    body > 0 && at == text.len()
}
