//! The ways in which introspection can go wrong.

use serde::{Deserialize, Serialize};

/// What both introspection endpoints do instead of answering.
///
/// In JSON, for `PUT /fault`, the kind stands beside the fields:
/// `{"kind":"delay","ms":500}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Wait, then answer as usual.
    Delay {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Take so long for each question, one after the other, then answer as usual. A question
    /// whose client has gone takes no time.
    OneByOne {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Wait until this fault is taken away, then answer as usual.
    Hold,
    /// This status with a small JSON error as its body.
    Status {
        /// The status code. One that cannot be sent becomes 500.
        status: u16,
    },
    /// 200 and a content type of JSON, but no JSON.
    Garbage,
    /// This status and body, as JSON.
    Body {
        /// The status code. One that cannot be sent becomes 500.
        status: u16,
        /// The body, as it is.
        body: String,
    },
    /// 200 with a very long body that says `active`.
    Huge {
        /// How many bytes.
        bytes: usize,
    },
    /// 200 and half of the body; then the connection is reset.
    Reset,
    /// The connection is closed before any answer.
    Close,
    /// What Texas says when it cannot reach the identity provider.
    Outage,
    /// What Texas says when the identity provider is switched off.
    Disabled,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_has_its_form_in_json() {
        let body = "{}".to_owned();
        let cases = [
            (
                json!({"kind": "delay", "ms": 500}),
                Fault::Delay { ms: 500 },
            ),
            (
                json!({"kind": "one_by_one", "ms": 5}),
                Fault::OneByOne { ms: 5 },
            ),
            (json!({"kind": "hold"}), Fault::Hold),
            (
                json!({"kind": "status", "status": 503}),
                Fault::Status { status: 503 },
            ),
            (json!({"kind": "garbage"}), Fault::Garbage),
            (
                json!({"kind": "body", "status": 200, "body": "{}"}),
                Fault::Body { status: 200, body },
            ),
            (
                json!({"kind": "huge", "bytes": 9}),
                Fault::Huge { bytes: 9 },
            ),
            (json!({"kind": "reset"}), Fault::Reset),
            (json!({"kind": "close"}), Fault::Close),
            (json!({"kind": "outage"}), Fault::Outage),
            (json!({"kind": "disabled"}), Fault::Disabled),
        ];
        for (form, fault) in cases {
            assert_eq!(serde_json::to_value(&fault).unwrap(), form);
            assert_eq!(serde_json::from_value::<Fault>(form).unwrap(), fault);
        }
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        let cases = [
            json!({}),
            json!({"kind": "nothing"}),
            json!({"kind": "delay"}),
            json!({"kind": "delay", "ms": -1}),
            json!({"kind": "delay", "ms": 1, "s": 1}),
        ];
        for form in cases {
            assert!(
                serde_json::from_value::<Fault>(form.clone()).is_err(),
                "{form}"
            );
        }
    }
}
