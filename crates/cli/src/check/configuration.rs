//! What the filter says of a configuration, and what of it is unwise.

use std::ops::Range;

use portvakt_core::authorizer::Authorizer;
use portvakt_core::config::advice::advice;
use portvakt_core::config::warning::Warning;
use portvakt_core::config::{self, ConfigError, Configured, Vm};

use super::finding::{Around, Finding, Severity};
use super::nearest::nearest;
use super::secret;
use crate::printable::printable;
use crate::source::find::{Configuration, Environment, offset_of};
use crate::source::reading::Note;

/// Stands for the endpoint where the file does not say what it is.
const SOME_ENDPOINT: &str = "http://127.0.0.1/introspect";

/// Checks a configuration; what it is, if it is valid.
pub(crate) fn check(
    configuration: &Configuration,
    findings: &mut Vec<Finding>,
) -> Option<Authorizer> {
    for note in &configuration.refusals {
        findings.push(of_note(note, Severity::Error));
    }
    let vm = Vm {
        env: |name: &str| variable(&configuration.environment, name),
        has_id: configuration.has_vm_id.unwrap_or(true),
    };
    let parsed = config::parse(&configuration.bytes, &vm);
    let valid = match parsed {
        Ok(Configured {
            authorizer,
            warnings,
        }) => {
            let all = warnings.into_iter().chain(advice(&authorizer));
            findings.extend(all.map(|warning| of_warning(configuration, &warning)));
            Some(authorizer)
        }
        // What its reader does not take never comes to the filter.
        Err(errors) if configuration.refusals.is_empty() => {
            findings.extend(errors.iter().map(|error| of_error(configuration, error)));
            None
        }
        Err(errors) => {
            let others = errors.iter().filter(|error| error.key() != ".");
            findings.extend(others.map(|error| of_error(configuration, error)));
            None
        }
    };
    let secrets = secret::secrets(configuration);
    for note in &configuration.surprises {
        let note = &reserved(note, &secrets);
        let error_there = findings
            .iter_mut()
            .find(|finding| finding.severity == Severity::Error && finding.span == note.span);
        match error_there {
            // It says why.
            Some(finding) if finding.help.is_none() => {
                finding.help = Some(printable(&note.problem));
            }
            _ => findings.push(of_note(note, Severity::Warning(Around::YamlReading.name()))),
        }
    }
    for (key, place) in secret::inline(configuration) {
        let problem = "is a secret that stands here itself; see `credential_injector` in \
                       examples/rfc7662.yaml, or `env`";
        findings.push(warning(Around::InlineSecret, &key, problem, place.mark()));
    }
    valid
}

fn variable(environment: &Environment, name: &str) -> Option<String> {
    let some = || {
        let is_endpoint = name == "NAIS_TOKEN_INTROSPECTION_ENDPOINT";
        if is_endpoint {
            SOME_ENDPOINT
        } else {
            "something"
        }
        .to_owned()
    };
    match environment {
        Environment::Unknown => Some(some()),
        Environment::Known(all) => {
            let (_, value) = all.iter().find(|(known, _)| known == name)?;
            Some(value.clone().unwrap_or_else(some))
        }
    }
}

fn of_error(configuration: &Configuration, error: &ConfigError) -> Finding {
    Finding {
        severity: Severity::Error,
        line: error.to_string(),
        span: place(configuration, error),
        help: nearest(error.problem()).map(|name| format!("did you mean `{}`?", printable(&name))),
    }
}

/// Where an error is in the file.
fn place(configuration: &Configuration, error: &ConfigError) -> Range<usize> {
    let found = configuration.located.find(error.key());
    if let (Some((line, column)), Some(offsets)) = (error.position(), &configuration.offsets) {
        let text = str::from_utf8(&configuration.bytes).unwrap_or_default();
        let last = text.len().saturating_sub(1);
        if let Some(at) = offsets.get(offset_of(text, line, column).min(last)) {
            return *at..*at;
        }
    }
    match &found.name {
        Some(name) if error.problem().starts_with("unknown field") => name.clone(),
        _ => found.mark(),
    }
}

fn of_warning(configuration: &Configuration, warning: &Warning) -> Finding {
    Finding {
        severity: Severity::Warning(warning.unwise.name()),
        line: warning.to_string(),
        span: configuration.located.find(&warning.key).mark(),
        help: None,
    }
}

/// A note that repeats nothing that may be a secret.
fn reserved(note: &Note, secrets: &[Range<usize>]) -> Note {
    let mut note = note.clone();
    let mut secrets = secrets.iter();
    if secrets.any(|secret| secret.start < note.span.end && note.span.start < secret.end)
        && let Some(reserved) = note.reserved.take()
    {
        note.problem = reserved;
    }
    note
}

fn of_note(note: &Note, severity: Severity) -> Finding {
    let name = match severity {
        Severity::Error => String::new(),
        Severity::Warning(name) => format!(" ({name})"),
    };
    let line = match note.key.as_str() {
        "." => format!("configuration: {}{name}", note.problem),
        key => format!("configuration: {key}: {}{name}", note.problem),
    };
    Finding {
        severity,
        line: printable(&line),
        span: note.span.clone(),
        help: None,
    }
}

/// Something unwise that the filter does not know of.
pub(crate) fn warning(around: Around, key: &str, problem: &str, span: Range<usize>) -> Finding {
    let name = around.name();
    Finding {
        severity: Severity::Warning(name),
        line: printable(&format!("configuration: {key}: {problem} ({name})")),
        span,
        help: None,
    }
}
