//! What reads right elsewhere: what users of other gateways and languages would write. It is
//! refused with the line that says how it is written here, or told, or means what it says.

mod conditions;
mod keys;
mod requirements;

use super::*;

/// How a configuration is taken.
enum Taken {
    Refused(&'static str),
    Told(&'static str),
    AsItSays,
}

use Taken::{AsItSays, Refused, Told};

fn check_rule(rule: &str, rest: &str, expected: &Taken) {
    let json = format!(r#"{{{INTROSPECTION},"rules":[{rule}]{rest}}}"#);
    let found = parse(json.as_bytes(), &VM);
    match (found, expected) {
        (Err(error), Refused(part)) => {
            let line = error.to_string();
            assert!(line.contains(part), "{json}\n  said {line}\n  not  {part}");
        }
        (Ok(configured), Told(part)) => {
            let told: Vec<_> = configured
                .warnings
                .iter()
                .map(ToString::to_string)
                .collect();
            assert!(
                told.len() == 1 && told[0].contains(part),
                "{json}\n  told {told:?}\n  not  {part}"
            );
        }
        (Ok(configured), AsItSays) => {
            let told: Vec<_> = configured
                .warnings
                .iter()
                .map(ToString::to_string)
                .collect();
            assert!(told.is_empty(), "{json}\n  told {told:?}");
        }
        (Ok(_), Refused(part)) => panic!("{json}\n  is taken, not refused with {part}"),
        (Err(error), Told(_) | AsItSays) => panic!("{json}\n  {error}"),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
