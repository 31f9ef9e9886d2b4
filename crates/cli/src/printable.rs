//! What files and requests hold, where people read it.

/// One line that does nothing to a terminal, and reads as it is: no control characters, and none
/// that only change how others are shown, such as U+202E, behind which text runs backwards.
pub(crate) fn printable(text: &str) -> String {
    text.replace(is_hidden, "\u{fffd}")
}

/// Unicode's categories Cc, Zl and Zp, and what of Cf is in no word: the joiners U+200C and U+200D
/// are, and number signs have a shape.
fn is_hidden(c: char) -> bool {
    let is_format = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e007f}');
    c.is_control() || is_format
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_is_shown() {
        for (text, expected) in [
            ("/api/søknad 🫐", "/api/søknad 🫐"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
            ("a\nb\r\tc", "a\u{fffd}b\u{fffd}\u{fffd}c"),
            ("\u{1b}[31m", "\u{fffd}[31m"),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("admin\u{202e}nimda", "admin\u{fffd}nimda"),
            ("\u{2066}a\u{2069}", "\u{fffd}a\u{fffd}"),
            ("a\u{200b}b\u{feff}", "a\u{fffd}b\u{fffd}"),
            ("a\u{2028}b", "a\u{fffd}b"),
            ("a\u{e0061}", "a\u{fffd}"),
        ] {
            assert_eq!(printable(text), expected, "{}", text.escape_unicode());
        }
    }
}
