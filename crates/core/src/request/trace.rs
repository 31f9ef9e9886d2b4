//! The trace that a request belongs to (W3C Trace Context), so that a callout can be seen in it.
//!
//! The client may have written it: what is no such header is left out. `baggage` is not looked at;
//! it says more than where a request stands.

use super::head::RequestHead;

/// The longest `tracestate` that is handed on, in bytes (Trace Context section 3.3.1.5).
const MAX_STATE: usize = 512;

/// Where a request stands in a trace. Each value can stand in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    parent: String,
    state: Option<String>,
}

impl Trace {
    /// The trace of a request, if it has one.
    pub fn of(head: &impl RequestHead) -> Option<Self> {
        let parent = text(&head.header("traceparent")?)?;
        let state = || text(&head.header("tracestate")?).filter(|text| is_state(text));
        is_parent(&parent).then(|| Self {
            state: state(),
            parent,
        })
    }

    /// Names (lower-case) and values.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let state = self
            .state
            .iter()
            .map(|state| ("tracestate", state.as_str()));
        [("traceparent", self.parent.as_str())]
            .into_iter()
            .chain(state)
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    str::from_utf8(bytes).ok().map(str::to_owned)
}

/// `version-trace-parent-flags`, in lower-case hex, neither trace nor parent all zeros (section 3.2).
fn is_parent(text: &str) -> bool {
    let is_hex = |field: &str, len: usize| {
        let mut bytes = field.bytes();
        field.len() == len && bytes.all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_id = |field: &str, len: usize| is_hex(field, len) && field.bytes().any(|b| b != b'0');
    let mut fields = text.split('-');
    let mut next = || fields.next().unwrap_or_default();
    let (version, trace, parent, flags) = (next(), next(), next(), next());
    is_hex(version, 2)
        && version != "ff"
        && is_id(trace, 32)
        && is_id(parent, 16)
        && is_hex(flags, 2)
        && fields.next().is_none()
}

fn is_state(text: &str) -> bool {
    (1..=MAX_STATE).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::head::FakeHead;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn check(headers: &[(&str, &str)], expected: &[(&str, &str)]) {
        let head = headers
            .iter()
            .fold(FakeHead::default(), |head, (name, value)| {
                head.header(name, value)
            });
        let trace = Trace::of(&head);
        let found: Vec<_> = trace.iter().flat_map(Trace::headers).collect();
        assert_eq!(found, expected, "{headers:?}");
    }

    #[test]
    fn what_is_handed_on() {
        let parent = ("traceparent", PARENT);
        let state = ("tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
        let (longest, too_long) = ("a".repeat(512), "a".repeat(513));
        for (headers, expected) in [
            (vec![], vec![]),
            (vec![parent], vec![parent]),
            (vec![parent, state], vec![parent, state]),
            (vec![state], vec![]),
            (vec![parent, ("baggage", "user=x")], vec![parent]),
            (vec![parent, ("tracestate", "")], vec![parent]),
            (vec![parent, ("tracestate", "bl\u{e5}")], vec![parent]),
            (
                vec![parent, ("tracestate", &longest)],
                vec![parent, ("tracestate", &longest)],
            ),
            (vec![parent, ("tracestate", &too_long)], vec![parent]),
        ] {
            check(&headers, &expected);
        }
    }

    #[test]
    fn what_is_no_parent() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\u{e5}",
        ] {
            check(&[("traceparent", text)], &[]);
        }
    }
}
