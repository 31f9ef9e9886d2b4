//! Inputs as texts.

/// An input's lines, without their ends. At most so many: the last one is all the rest.
pub fn lines(input: &[u8], most: usize) -> Vec<&[u8]> {
    input.splitn(most, |byte| *byte == b'\n').collect()
}

/// A line as words with one space between them.
pub fn words(line: &[u8]) -> Vec<&str> {
    let text = str::from_utf8(line).unwrap_or_default();
    text.split(' ').filter(|word| !word.is_empty()).collect()
}
