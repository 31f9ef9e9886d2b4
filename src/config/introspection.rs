//! The section `introspection`.

use std::time::Duration;

use http::HeaderValue;

use super::raw::{
    Fields, Hidden, Integer, RawApi, RawClientAuthentication, RawIntrospection, RawMethod,
    RawSecret, SECRET,
};
use super::{ConfigError, header_name, refuse};
use crate::introspection::request::{ClientAuthentication, Endpoint, ExtraFields, Secret};
use crate::introspection::response::{Dialect, ResponseReader};
use crate::introspection::{Api, IntrospectionConfig};

const ENDPOINT_VARIABLE: &str = "NAIS_TOKEN_INTROSPECTION_ENDPOINT";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// A callout must end before Envoy gives up the paused request (`stream_idle_timeout`, 5 minutes
/// by default; facts: envoy-wasm).
const MAX_TIMEOUT: Duration = Duration::from_secs(240);

/// Texas's words for "I cannot tell" (facts: texas).
const OUTAGE_ERRORS: [&str; 3] = ["fetch:", "decode json:", "init client:"];

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

pub(super) fn valid(
    raw: RawIntrospection,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<IntrospectionConfig, ConfigError> {
    if raw.cluster.is_empty() {
        return refuse(
            "introspection.cluster",
            "is empty; expected a cluster's name",
        );
    }
    let endpoint = endpoint(raw.endpoint, env)?;
    let timeout = timeout(raw.timeout)?;
    let (api, dialect) = match raw.api {
        RawApi::Texas => {
            only_with(
                RawApi::Rfc7662,
                "token_type_hint",
                raw.token_type_hint.is_some(),
            )?;
            let has_authentication = raw.client_authentication.is_some();
            only_with(RawApi::Rfc7662, "client_authentication", has_authentication)?;
            let has_statuses = raw.inactive_statuses.is_some();
            only_with(RawApi::Rfc7662, "inactive_statuses", has_statuses)?;
            let api = Api::Texas {
                identity_provider: identity_provider(raw.identity_provider)?,
            };
            let outage_errors = outage_errors(raw.outage_errors)?;
            (api, Dialect::Texas { outage_errors })
        }
        RawApi::Rfc7662 => {
            only_with(
                RawApi::Texas,
                "identity_provider",
                raw.identity_provider.is_some(),
            )?;
            only_with(RawApi::Texas, "outage_errors", raw.outage_errors.is_some())?;
            let authentication = raw.client_authentication;
            let api = Api::Rfc7662 {
                token_type_hint: raw.token_type_hint,
                client_authentication: authentication
                    .map(|raw| client_authentication(raw.0, env))
                    .transpose()?,
            };
            let inactive_statuses = inactive_statuses(raw.inactive_statuses)?;
            (api, Dialect::Rfc7662 { inactive_statuses })
        }
    };
    Ok(IntrospectionConfig {
        cluster: raw.cluster,
        endpoint,
        headers: headers(raw.headers.0, &api)?,
        parameters: parameters(raw.parameters.0, &api)?,
        api,
        response: ResponseReader {
            dialect,
            ..ResponseReader::default()
        },
        timeout,
    })
}

fn only_with(api: RawApi, key: &str, is_given: bool) -> Result<(), ConfigError> {
    let api = match api {
        RawApi::Texas => "texas",
        RawApi::Rfc7662 => "rfc7662",
    };
    if is_given {
        return refuse(
            format!("introspection.{key}"),
            format!("only with `api: {api}`"),
        );
    }
    Ok(())
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

fn identity_provider(given: Option<String>) -> Result<String, ConfigError> {
    match given {
        Some(name) if name.is_empty() => refuse(
            "introspection.identity_provider",
            "is empty; expected a provider's name, e.g. `maskinporten`",
        ),
        given => Ok(given.unwrap_or_else(|| "maskinporten".to_owned())),
    }
}

fn outage_errors(given: Option<Vec<String>>) -> Result<Vec<String>, ConfigError> {
    match given {
        Some(prefixes) if prefixes.iter().any(String::is_empty) => refuse(
            "introspection.outage_errors",
            "holds an empty text, which every error begins with",
        ),
        given => Ok(given.unwrap_or_else(|| OUTAGE_ERRORS.map(str::to_owned).to_vec())),
    }
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
    let authenticates = matches!(
        api,
        Api::Rfc7662 {
            client_authentication: Some(_),
            ..
        }
    );
    let mut fields: Vec<(String, String)> = Vec::with_capacity(raw.len());
    for (name, Hidden(value)) in raw {
        let key = format!("introspection.headers.{name}");
        let name = header_name(&key, &name)?;
        if OWN_HEADERS.contains(&name.as_str()) {
            return refuse(key, "is not yours to set");
        }
        if name == "authorization" && authenticates {
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
    let own: &[&str] = match api {
        Api::Texas { .. } => &["identity_provider", "token"],
        Api::Rfc7662 {
            client_authentication: Some(ClientAuthentication::Post { .. }),
            ..
        } => &["token", "token_type_hint", "client_id", "client_secret"],
        Api::Rfc7662 { .. } => &["token", "token_type_hint"],
    };
    if let Some((name, _)) = raw.iter().find(|(name, _)| own.contains(&name.as_str())) {
        return refuse(
            format!("introspection.parameters.{name}"),
            "is not yours to set",
        );
    }
    let fields = raw.into_iter().map(|(name, Hidden(value))| (name, value));
    Ok(ExtraFields(fields.collect()))
}
