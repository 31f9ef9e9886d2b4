//! Hosts as docs/configuration.md says that they are read.

/// The host of an authority: lower-case, without port; `None`: it is read in several ways.
pub fn read(authority: &[u8]) -> Option<String> {
    if !authority.is_ascii() {
        return None;
    }
    let text = str::from_utf8(authority).ok()?.to_lowercase();
    let (host, rest) = if text.starts_with('[') {
        let end = text.find(']')? + 1;
        text.split_at(end)
    } else {
        text.split_at(text.find(':').unwrap_or(text.len()))
    };
    let is_host = if host.starts_with('[') {
        is_canonical_ipv6(&host[1..host.len() - 1])
    } else {
        host.split('.').all(is_label)
    };
    let is_port = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
    (is_host && is_port && host.len() <= 253).then(|| host.to_owned())
}

/// Whether a pattern is for that host.
pub fn matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_lowercase();
    match pattern.strip_prefix("*.") {
        None => pattern == host,
        Some(parent) => {
            let labels: Vec<&str> = host.split('.').collect();
            let parent: Vec<&str> = parent.split('.').collect();
            labels.len() > parent.len() && labels[labels.len() - parent.len()..] == parent
        }
    }
}

fn is_label(label: &str) -> bool {
    let is_one = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    !label.is_empty() && label.chars().all(is_one)
}

fn is_port(text: &str) -> bool {
    let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    is_number && text.len() <= 5 && text.parse::<u32>().is_ok_and(|port| port <= 65535)
}

/// RFC 5952: the one spelling of an address.
fn is_canonical_ipv6(text: &str) -> bool {
    groups(text).is_some_and(|groups| text == written(groups))
}

fn groups(text: &str) -> Option<[u16; 8]> {
    let (before, after) = match text.split_once("::") {
        Some((before, after)) => (side(before)?, Some(side(after)?)),
        None => (side(text)?, None),
    };
    let mut all = before;
    match after {
        None if all.len() == 8 => {}
        Some(after) if all.len() + after.len() < 8 => {
            all.resize(8 - after.len(), 0);
            all.extend(after);
        }
        _ => return None,
    }
    all.try_into().ok()
}

/// Groups with colons between them; the last may be an IPv4 address.
fn side(text: &str) -> Option<Vec<u16>> {
    let mut all = Vec::new();
    if text.is_empty() {
        return Some(all);
    }
    let parts: Vec<&str> = text.split(':').collect();
    for (position, part) in parts.iter().enumerate() {
        if position + 1 == parts.len() && part.contains('.') {
            let numbers: Option<Vec<u16>> = part.split('.').map(decimal).collect();
            let numbers = numbers.filter(|numbers| numbers.len() == 4)?;
            all.push(numbers[0] * 256 + numbers[1]);
            all.push(numbers[2] * 256 + numbers[3]);
        } else if (1..=4).contains(&part.len()) && part.chars().all(|c| c.is_ascii_hexdigit()) {
            all.push(u16::from_str_radix(part, 16).ok()?);
        } else {
            return None;
        }
    }
    Some(all)
}

fn decimal(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let number: u16 = text
        .parse()
        .ok()
        .filter(|number| *number < 256 && is_number)?;
    (number.to_string() == text).then_some(number)
}

fn written(groups: [u16; 8]) -> String {
    if groups[..5] == [0; 5] && groups[5] == 0xffff {
        let [.., high, low] = groups;
        let bytes = [high / 256, high % 256, low / 256, low % 256];
        return format!("::ffff:{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
    }
    // The first of the longest runs of zeros, if it is longer than one.
    let (mut start, mut length) = (0, 1);
    for from in 0..8 {
        let run = groups[from..]
            .iter()
            .take_while(|group| **group == 0)
            .count();
        if run > length {
            (start, length) = (from, run);
        }
    }
    let hex = |groups: &[u16]| {
        let texts: Vec<String> = groups.iter().map(|group| format!("{group:x}")).collect();
        texts.join(":")
    };
    if length == 1 {
        return hex(&groups);
    }
    format!(
        "{}::{}",
        hex(&groups[..start]),
        hex(&groups[start + length..])
    )
}
