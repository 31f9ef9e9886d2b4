//! The plugin configuration that decides.

use std::path::Path;

use portvakt_core::authorizer::Authorizer;
use portvakt_core::config::{self, Vm};

use crate::outcome::Failure;
use crate::source::Source;
use crate::source::find::{Environment, Found, find};

/// Reads the one plugin configuration in a file, as whoever is handed the file would. Variables of
/// the VM's environment are those that stand there, and then this process's own; what is in neither
/// is a URL that nobody has, which names it.
pub(crate) fn load(path: &Path) -> Result<Authorizer, Failure> {
    let source = Source::read(path)?;
    let wrong = |what: &str| Failure::new(format!("{}: {what}", source.name));
    let Found {
        configurations,
        error,
        ..
    } = find(&source);
    if error.is_some() {
        return Err(wrong("it cannot be read; `portvakt check` says where"));
    }
    let [configuration] = configurations.as_slice() else {
        let count = configurations.len();
        return Err(wrong(&format!(
            "it has {count} plugin configurations; expected one"
        )));
    };
    if !configuration.refusals.is_empty() {
        return Err(wrong("it would be refused; `portvakt check` says why"));
    }
    let vm = Vm {
        env: |name: &str| {
            let given = given(&configuration.environment, name);
            Some(given.unwrap_or_else(|| unset(name)))
        },
        has_id: configuration.has_vm_id.unwrap_or(true),
    };
    match config::parse(&configuration.bytes, &vm) {
        Ok(configured) => Ok(configured.authorizer),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

fn given(environment: &Environment, name: &str) -> Option<String> {
    let written = match environment {
        Environment::Known(variables) => {
            let mut variables = variables.iter();
            let found = variables.find(|(known, _)| known == name);
            found.and_then(|(_, value)| value.clone())
        }
        Environment::Unknown => None,
    };
    written.or_else(|| std::env::var(name).ok())
}

fn unset(name: &str) -> String {
    format!("http://unset.invalid/{name}")
}
