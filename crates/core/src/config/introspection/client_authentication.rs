//! How the filter authenticates to an RFC 7662 endpoint. No error here says what stands in place of
//! a secret or of its variable's name.

use crate::config::Env;
use crate::config::context::{Context, Refused};
use crate::config::raw::{Hidden, RawClientAuthentication, RawMethod, RawSecret, SECRET};
use crate::introspection::api::rfc7662::ClientAuthentication;
use crate::introspection::request::Secret;

pub(super) fn client_authentication(
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
