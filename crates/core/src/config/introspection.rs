//! The section `introspection`, and each of `providers`.

mod api;
mod client_authentication;
mod extra_fields;

use std::time::Duration;

use self::api::{api, refuse_other_apis};
use self::extra_fields::{headers, parameters};
use super::Env;
use super::context::{Context, Refused};
use super::raw::RawIntrospection;
use crate::introspection::IntrospectionConfig;
use crate::introspection::request::Endpoint;
use crate::introspection::response::ResponseReader;

const ENDPOINT_VARIABLE: &str = "NAIS_TOKEN_INTROSPECTION_ENDPOINT";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// A callout must end before Envoy gives up the paused request (`stream_idle_timeout`, 5 minutes
/// by default).
const MAX_TIMEOUT: Duration = Duration::from_secs(240);

/// The provider of that name, which stands at `key`.
pub(super) fn introspection_config(
    name: String,
    key: String,
    mut raw: RawIntrospection,
    env: &Env<'_>,
    context: &mut Context,
) -> Result<IntrospectionConfig, Refused> {
    let cluster = if raw.cluster.is_empty() {
        let key = format!("{key}.cluster");
        context.refuse(key, "is empty; expected a cluster's name")
    } else {
        Ok(())
    };
    let endpoint = endpoint(&key, raw.endpoint.take(), env, context);
    let timeout = timeout(&key, raw.timeout.take(), context);
    let issuers = issuers(&key, raw.issuers.take(), context);
    let api = api(&key, &mut raw, env, context);
    let only_its_own = refuse_other_apis(&key, &raw, context);
    let headers = headers(&key, raw.headers.0, api.as_ref(), context);
    let parameters = parameters(&key, raw.parameters.0, api.as_ref(), context);
    cluster.and(only_its_own)?;
    Ok(IntrospectionConfig {
        cluster: raw.cluster,
        endpoint: endpoint?,
        headers: headers?,
        parameters: parameters?,
        name,
        key,
        response: ResponseReader {
            api: api?,
            issuers: issuers?,
            ..ResponseReader::default()
        },
        timeout: timeout?,
    })
}

fn issuers(
    key: &str,
    given: Option<Vec<String>>,
    context: &mut Context,
) -> Result<Vec<String>, Refused> {
    let Some(issuers) = given else {
        return Ok(Vec::new());
    };
    if issuers.is_empty() {
        return context.refuse(
            format!("{key}.issuers"),
            "is empty, so that it is asked about nothing; leave it out for all other tokens",
        );
    }
    // They are compared to the letter: a pattern's tokens would go to whoever is asked about the rest.
    let is_no_issuer =
        |issuer: &String| issuer.contains(|c: char| "*{}<>".contains(c) || c.is_whitespace());
    if let Some(index) = issuers.iter().position(is_no_issuer) {
        return context.refuse(
            format!("{key}.issuers[{index}]"),
            format!(
                "{:?} is no issuer: the `iss` of tokens, to the letter, without patterns and spaces",
                issuers.get(index).map(String::as_str).unwrap_or_default()
            ),
        );
    }
    let is_repeated = |(index, issuer): (usize, &String)| {
        let before = issuers.iter().take(index);
        issuer.is_empty() || before.into_iter().any(|other| other == issuer)
    };
    match issuers.iter().enumerate().position(is_repeated) {
        Some(index) => context.refuse(
            format!("{key}.issuers[{index}]"),
            "is empty, or given twice",
        ),
        None => Ok(issuers),
    }
}

fn endpoint(
    key: &str,
    given: Option<String>,
    env: &Env<'_>,
    context: &mut Context,
) -> Result<Endpoint, Refused> {
    let key = format!("{key}.endpoint");
    let Some(url) = given.or_else(|| env(ENDPOINT_VARIABLE)) else {
        return context.refuse(
            key,
            format!(
                "is not given, and {ENDPOINT_VARIABLE} is not in the VM's environment \
                 (vm_config.environment_variables)"
            ),
        );
    };
    // Without the URL: somebody may have put a password in it.
    Endpoint::parse(&url).or_else(|error| context.refuse(key, error.to_string()))
}

fn timeout(key: &str, given: Option<String>, context: &mut Context) -> Result<Duration, Refused> {
    let Some(text) = given else {
        return Ok(DEFAULT_TIMEOUT);
    };
    match humantime::parse_duration(&text) {
        Ok(timeout) if (Duration::from_millis(1)..=MAX_TIMEOUT).contains(&timeout) => Ok(timeout),
        _ => context.refuse(
            format!("{key}.timeout"),
            format!("{text:?} is no duration within 1ms to 4m, e.g. `250ms` or `1s`"),
        ),
    }
}
