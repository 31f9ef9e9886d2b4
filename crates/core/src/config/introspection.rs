//! The section `introspection`, and each of `providers`.

use std::time::Duration;

use http::HeaderValue;

use super::context::{Context, Refused, all};
use super::raw::{
    Fields, Hidden, Integer, RawApi, RawClientAuthentication, RawIntrospection, RawMethod,
    RawSecret, SECRET,
};
use super::{Env, header_name};
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
const OWN_HEADERS: [&str; 9] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
];

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
    let api = match raw.api {
        RawApi::Texas => texas_of(&key, &mut raw, context).map(Api::Texas),
        RawApi::Rfc7662 => rfc7662_of(&key, &mut raw, env, context).map(Api::Rfc7662),
    };
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
fn refuse_other_apis(
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

fn client_authentication(
    key: &str,
    raw: RawClientAuthentication,
    env: &Env<'_>,
    context: &mut Context,
) -> Result<ClientAuthentication, Refused> {
    let id_key = format!("{key}.client_authentication.client_id");
    let secret_key = format!("{key}.client_authentication.secret");
    let secret = secret(&secret_key, raw.secret, env, context);
    let client_id = match (raw.method, raw.client_id) {
        (RawMethod::Bearer, None) => return bearer(secret_key, secret?, context),
        (RawMethod::Bearer, Some(_)) => context.refuse(id_key, "not with `method: bearer`"),
        (_, Some(id)) if !id.is_empty() => Ok(id),
        (_, _) => context.refuse(
            id_key,
            "is missing or empty; expected the client's identifier",
        ),
    };
    let (client_id, secret) = (client_id?, secret?);
    Ok(if raw.method == RawMethod::ClientSecretPost {
        ClientAuthentication::Post { client_id, secret }
    } else {
        ClientAuthentication::Basic { client_id, secret }
    })
}

fn bearer(
    key: String,
    secret: Secret,
    context: &mut Context,
) -> Result<ClientAuthentication, Refused> {
    if secret.expose().bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(ClientAuthentication::Bearer { secret });
    }
    context.refuse(
        key,
        "holds a character that cannot stand in a bearer token (is there a line break at its end?)",
    )
}

fn secret(
    key: &str,
    raw: RawSecret,
    env: &Env<'_>,
    context: &mut Context,
) -> Result<Secret, Refused> {
    let text = match (raw.env, raw.inline) {
        (None, Some(Hidden(text))) => text,
        // Without the name: somebody may have put the secret there.
        (Some(Hidden(name)), None) => match env(&name) {
            Some(text) => text,
            None => {
                return context.refuse(
                    format!("{key}.env"),
                    "names no variable in the VM's environment (vm_config.environment_variables)",
                );
            }
        },
        (_, _) => return context.refuse(key, SECRET),
    };
    if text.is_empty() {
        return context.refuse(key, "is empty");
    }
    Ok(Secret::new(text))
}

fn headers(
    key: &str,
    raw: Fields,
    api: Result<&Api, &Refused>,
    context: &mut Context,
) -> Result<ExtraFields, Refused> {
    let mut fields: Vec<(String, String)> = Vec::with_capacity(raw.len());
    let mut result = Ok(());
    for (name, Hidden(value)) in raw {
        let key = format!("{key}.headers.{name}");
        match header(&key, &name, value, &fields, api, context) {
            Ok(field) => fields.push(field),
            Err(refused) => result = Err(refused),
        }
    }
    result.map(|()| ExtraFields(fields))
}

/// A header. There are others already.
fn header(
    key: &str,
    name: &str,
    value: String,
    others: &[(String, String)],
    api: Result<&Api, &Refused>,
    context: &mut Context,
) -> Result<(String, String), Refused> {
    let name = header_name(key, name, context)?;
    if OWN_HEADERS.contains(&name.as_str()) {
        return context.refuse(key, "is not yours to set");
    }
    if name == "authorization" && api.is_ok_and(Api::authenticates) {
        return context.refuse(key, "not together with client_authentication");
    }
    if others.iter().any(|(other, _)| *other == name) {
        return context.refuse(key, "is given twice");
    }
    // The host takes texts: what is not ASCII would be two things in one.
    if !value.is_ascii() || HeaderValue::from_str(&value).is_err() {
        return context.refuse(
            key,
            "its value holds a character that cannot stand in a header",
        );
    }
    Ok((name, value))
}

fn parameters(
    key: &str,
    raw: Fields,
    api: Result<&Api, &Refused>,
    context: &mut Context,
) -> Result<ExtraFields, Refused> {
    let own = api.map(Api::own_parameters).unwrap_or_default();
    let own = raw.keys().filter(|name| own.contains(&name.as_str()));
    let refused = own.map(|name| {
        context.refuse::<()>(format!("{key}.parameters.{name}"), "is not yours to set")
    });
    all(refused)?;
    let fields = raw.into_iter().map(|(name, Hidden(value))| (name, value));
    Ok(ExtraFields(fields.collect()))
}
