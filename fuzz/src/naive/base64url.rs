//! RFC 4648 section 5, without padding.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub fn encode(bytes: &[u8]) -> String {
    let bits: Vec<String> = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut bits = bits.concat();
    while !bits.len().is_multiple_of(6) {
        bits.push('0');
    }
    let digit = |at: usize| usize::from_str_radix(&bits[at..at + 6], 2).unwrap();
    let digits = (0..bits.len()).step_by(6);
    digits.map(|at| char::from(ALPHABET[digit(at)])).collect()
}

/// Bits that are left over at the end are not looked at.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for character in text {
        let digit = ALPHABET.iter().position(|known| known == character)?;
        for bit in (0..6).rev() {
            bits.push(digit >> bit & 1);
        }
    }
    // One character alone is no byte.
    if text.len() % 4 == 1 {
        return None;
    }
    let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte * 2 + bit);
    let bytes = bits
        .chunks_exact(8)
        .map(|bits| u8::try_from(byte(bits)).unwrap());
    Some(bytes.collect())
}
