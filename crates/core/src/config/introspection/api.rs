//! The keys that only one of the APIs has, and that they are given for no other.

use super::client_authentication::client_authentication;
use crate::config::Env;
use crate::config::context::{Context, Refused, all};
use crate::config::raw::{Integer, RawApi, RawIntrospection};
use crate::introspection::api::Api;
use crate::introspection::api::rfc7662::{self, Rfc7662};
use crate::introspection::api::texas::{self, Texas};

/// The API that is spoken, which takes its own keys out of `raw`.
pub(super) fn api(
    key: &str,
    raw: &mut RawIntrospection,
    env: &Env<'_>,
    context: &mut Context,
) -> Result<Api, Refused> {
    match raw.api {
        RawApi::Texas => texas_of(key, raw, context).map(Api::Texas),
        RawApi::Rfc7662 => rfc7662_of(key, raw, env, context).map(Api::Rfc7662),
    }
}

fn texas_of(
    key: &str,
    raw: &mut RawIntrospection,
    context: &mut Context,
) -> Result<Texas, Refused> {
    let (name, prefixes) = (raw.identity_provider.take(), raw.outage_errors.take());
    let name = name.map(|name| identity_provider(key, name, context));
    let prefixes = prefixes.map(|prefixes| outage_errors(key, prefixes, context));
    let mut texas = Texas::default();
    if let Some(name) = name {
        texas.identity_provider = name?;
    }
    if let Some(prefixes) = prefixes {
        texas.outage_errors = prefixes?;
    }
    Ok(texas)
}

fn rfc7662_of(
    key: &str,
    raw: &mut RawIntrospection,
    env: &Env<'_>,
    context: &mut Context,
) -> Result<Rfc7662, Refused> {
    let authentication = raw.client_authentication.take();
    let authentication = authentication.map(|raw| client_authentication(key, raw.0, env, context));
    let statuses = inactive_statuses(key, raw.inactive_statuses.take(), context);
    Ok(Rfc7662 {
        token_type_hint: raw.token_type_hint.take(),
        client_authentication: authentication.transpose()?,
        inactive_statuses: statuses?,
    })
}

/// What the API has not taken for itself is another's.
pub(super) fn refuse_other_apis(
    key: &str,
    raw: &RawIntrospection,
    context: &mut Context,
) -> Result<(), Refused> {
    // Every key that there is must be taken out here: it is everybody's, or one API's.
    let RawIntrospection {
        cluster: _,
        endpoint: _,
        api: _,
        headers: _,
        parameters: _,
        timeout: _,
        issuers: _,
        identity_provider,
        outage_errors,
        token_type_hint,
        client_authentication,
        inactive_statuses,
    } = raw;
    let given = [
        (
            "identity_provider",
            texas::NAME,
            identity_provider.is_some(),
        ),
        ("outage_errors", texas::NAME, outage_errors.is_some()),
        ("token_type_hint", rfc7662::NAME, token_type_hint.is_some()),
        (
            "client_authentication",
            rfc7662::NAME,
            client_authentication.is_some(),
        ),
        (
            "inactive_statuses",
            rfc7662::NAME,
            inactive_statuses.is_some(),
        ),
    ];
    let others = given.iter().filter(|(_, _, is_given)| *is_given);
    let refused = others.map(|(name, api, _)| {
        context.refuse::<()>(format!("{key}.{name}"), format!("only with `api: {api}`"))
    });
    all(refused).map(|_| ())
}

fn identity_provider(key: &str, name: String, context: &mut Context) -> Result<String, Refused> {
    if name.is_empty() {
        return context.refuse(
            format!("{key}.identity_provider"),
            "is empty; expected a provider's name, e.g. `maskinporten`",
        );
    }
    Ok(name)
}

fn outage_errors(
    key: &str,
    prefixes: Vec<String>,
    context: &mut Context,
) -> Result<Vec<String>, Refused> {
    if prefixes.iter().any(String::is_empty) {
        return context.refuse(
            format!("{key}.outage_errors"),
            "holds an empty text, which every error begins with",
        );
    }
    Ok(prefixes)
}

fn inactive_statuses(
    key: &str,
    given: Option<Vec<Integer>>,
    context: &mut Context,
) -> Result<Vec<u16>, Refused> {
    let status = |Integer(number)| {
        let problem = match number {
            401 => "speaks of the filter's own credentials (RFC 7662 section 2.3), not of a token",
            429 => "speaks of the endpoint, not of a token",
            400..=499 => return Ok(u16::try_from(number).unwrap_or(u16::MAX)),
            _ => "is none of 400 to 499",
        };
        let key = format!("{key}.inactive_statuses");
        context.refuse(key, format!("{number} {problem}"))
    };
    all(given.unwrap_or_default().into_iter().map(status))
}
