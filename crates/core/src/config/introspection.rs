//! The section `introspection`.

use std::time::Duration;

use http::HeaderValue;

use super::raw::{
    Fields, Hidden, Integer, RawApi, RawClientAuthentication, RawIntrospection, RawMethod,
    RawSecret, SECRET,
};
use super::{ConfigError, header_name, refuse};
use crate::introspection::IntrospectionConfig;
use crate::introspection::api::Api;
use crate::introspection::api::rfc7662::{self, ClientAuthentication, Rfc7662};
use crate::introspection::api::texas::{self, Texas};
use crate::introspection::request::{Endpoint, ExtraFields, Secret};
use crate::introspection::response::ResponseReader;

const ENDPOINT_VARIABLE: &str = "NAIS_TOKEN_INTROSPECTION_ENDPOINT";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// A callout must end before Envoy gives up the paused request (`stream_idle_timeout`, 5 minutes
/// by default).
const MAX_TIMEOUT: Duration = Duration::from_secs(240);

/// Headers that are the filter's or Envoy's to set.
const OWN_HEADERS: [&str; 7] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
];

pub(super) fn introspection_config(
    mut raw: RawIntrospection,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<IntrospectionConfig, ConfigError> {
    if raw.cluster.is_empty() {
        return refuse(
            "introspection.cluster",
            "is empty; expected a cluster's name",
        );
    }
    let endpoint = endpoint(raw.endpoint.take(), env)?;
    let timeout = timeout(raw.timeout.take())?;
    let api = match raw.api {
        RawApi::Texas => Api::Texas(texas_of(&mut raw)?),
        RawApi::Rfc7662 => Api::Rfc7662(rfc7662_of(&mut raw, env)?),
    };
    refuse_other_apis(&raw)?;
    Ok(IntrospectionConfig {
        cluster: raw.cluster,
        endpoint,
        headers: headers(raw.headers.0, &api)?,
        parameters: parameters(raw.parameters.0, &api)?,
        response: ResponseReader {
            api,
            ..ResponseReader::default()
        },
        timeout,
    })
}

fn texas_of(raw: &mut RawIntrospection) -> Result<Texas, ConfigError> {
    let mut texas = Texas::default();
    if let Some(name) = raw.identity_provider.take() {
        texas.identity_provider = identity_provider(name)?;
    }
    if let Some(prefixes) = raw.outage_errors.take() {
        texas.outage_errors = outage_errors(prefixes)?;
    }
    Ok(texas)
}

fn rfc7662_of(
    raw: &mut RawIntrospection,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Rfc7662, ConfigError> {
    let authentication = raw.client_authentication.take();
    let authentication = authentication.map(|raw| client_authentication(raw.0, env));
    Ok(Rfc7662 {
        token_type_hint: raw.token_type_hint.take(),
        client_authentication: authentication.transpose()?,
        inactive_statuses: inactive_statuses(raw.inactive_statuses.take())?,
    })
}

/// What the API has not taken for itself is another's.
fn refuse_other_apis(raw: &RawIntrospection) -> Result<(), ConfigError> {
    // Every key that there is must be taken out here: it is everybody's, or one API's.
    let RawIntrospection {
        cluster: _,
        endpoint: _,
        api: _,
        headers: _,
        parameters: _,
        timeout: _,
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
    match given.iter().find(|(_, _, is_given)| *is_given) {
        Some((key, api, _)) => refuse(
            format!("introspection.{key}"),
            format!("only with `api: {api}`"),
        ),
        None => Ok(()),
    }
}

fn endpoint(
    given: Option<String>,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Endpoint, ConfigError> {
    let key = "introspection.endpoint";
    let Some(url) = given.or_else(|| env(ENDPOINT_VARIABLE)) else {
        return refuse(
            key,
            format!(
                "is not given, and {ENDPOINT_VARIABLE} is not in the VM's environment \
                 (vm_config.environment_variables)"
            ),
        );
    };
    // Without the URL: somebody may have put a password in it.
    Endpoint::parse(&url).or_else(|error| refuse(key, error.to_string()))
}

fn timeout(given: Option<String>) -> Result<Duration, ConfigError> {
    let Some(text) = given else {
        return Ok(DEFAULT_TIMEOUT);
    };
    match humantime::parse_duration(&text) {
        Ok(timeout) if (Duration::from_millis(1)..=MAX_TIMEOUT).contains(&timeout) => Ok(timeout),
        _ => refuse(
            "introspection.timeout",
            format!("{text:?} is no duration within 1ms to 4m, e.g. `250ms` or `1s`"),
        ),
    }
}

fn identity_provider(name: String) -> Result<String, ConfigError> {
    if name.is_empty() {
        return refuse(
            "introspection.identity_provider",
            "is empty; expected a provider's name, e.g. `maskinporten`",
        );
    }
    Ok(name)
}

fn outage_errors(prefixes: Vec<String>) -> Result<Vec<String>, ConfigError> {
    if prefixes.iter().any(String::is_empty) {
        return refuse(
            "introspection.outage_errors",
            "holds an empty text, which every error begins with",
        );
    }
    Ok(prefixes)
}

fn inactive_statuses(given: Option<Vec<Integer>>) -> Result<Vec<u16>, ConfigError> {
    let status = |Integer(number)| {
        let problem = match number {
            401 => "speaks of the filter's own credentials (RFC 7662 section 2.3), not of a token",
            429 => "speaks of the endpoint, not of a token",
            400..=499 => return Ok(u16::try_from(number).unwrap_or(u16::MAX)),
            _ => "is none of 400 to 499",
        };
        let key = "introspection.inactive_statuses";
        refuse(key, format!("{number} {problem}"))
    };
    given.unwrap_or_default().into_iter().map(status).collect()
}

fn client_authentication(
    raw: RawClientAuthentication,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<ClientAuthentication, ConfigError> {
    let id_key = "introspection.client_authentication.client_id";
    let secret = secret(raw.secret, env)?;
    let client_id = match (raw.method, raw.client_id) {
        (RawMethod::Bearer, None) => return bearer(secret),
        (RawMethod::Bearer, Some(_)) => return refuse(id_key, "not with `method: bearer`"),
        (_, Some(id)) if !id.is_empty() => id,
        (_, _) => {
            return refuse(
                id_key,
                "is missing or empty; expected the client's identifier",
            );
        }
    };
    Ok(if raw.method == RawMethod::ClientSecretPost {
        ClientAuthentication::Post { client_id, secret }
    } else {
        ClientAuthentication::Basic { client_id, secret }
    })
}

fn bearer(secret: Secret) -> Result<ClientAuthentication, ConfigError> {
    if secret.expose().bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(ClientAuthentication::Bearer { secret });
    }
    refuse(
        "introspection.client_authentication.secret",
        "holds a character that cannot stand in a bearer token (is there a line break at its end?)",
    )
}

fn secret(raw: RawSecret, env: &impl Fn(&str) -> Option<String>) -> Result<Secret, ConfigError> {
    let key = "introspection.client_authentication.secret";
    let text = match (raw.env, raw.inline) {
        (None, Some(Hidden(text))) => text,
        // Without the name: somebody may have put the secret there.
        (Some(Hidden(name)), None) => match env(&name) {
            Some(text) => text,
            None => {
                return refuse(
                    format!("{key}.env"),
                    "names no variable in the VM's environment (vm_config.environment_variables)",
                );
            }
        },
        (_, _) => return refuse(key, SECRET),
    };
    if text.is_empty() {
        return refuse(key, "is empty");
    }
    Ok(Secret::new(text))
}

fn headers(raw: Fields, api: &Api) -> Result<ExtraFields, ConfigError> {
    let mut fields: Vec<(String, String)> = Vec::with_capacity(raw.len());
    for (name, Hidden(value)) in raw {
        let key = format!("introspection.headers.{name}");
        let name = header_name(&key, &name)?;
        if OWN_HEADERS.contains(&name.as_str()) {
            return refuse(key, "is not yours to set");
        }
        if name == "authorization" && api.authenticates() {
            return refuse(key, "not together with client_authentication");
        }
        if fields.iter().any(|(other, _)| *other == name) {
            return refuse(key, "is given twice");
        }
        // The host takes texts: what is not ASCII would be two things in one.
        if !value.is_ascii() || HeaderValue::from_str(&value).is_err() {
            return refuse(
                key,
                "its value holds a character that cannot stand in a header",
            );
        }
        fields.push((name, value));
    }
    Ok(ExtraFields(fields))
}

fn parameters(raw: Fields, api: &Api) -> Result<ExtraFields, ConfigError> {
    let own = api.own_parameters();
    if let Some((name, _)) = raw.iter().find(|(name, _)| own.contains(&name.as_str())) {
        return refuse(
            format!("introspection.parameters.{name}"),
            "is not yours to set",
        );
    }
    let fields = raw.into_iter().map(|(name, Hidden(value))| (name, value));
    Ok(ExtraFields(fields.collect()))
}
