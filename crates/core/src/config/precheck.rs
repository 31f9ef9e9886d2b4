//! The section `jwt_precheck`.

use std::time::Duration;

use super::context::{Context, Refused};
use super::raw::RawPrecheck;
use super::warning::Unwise;
use crate::introspection::IntrospectionConfig;
use crate::token::jwt::Precheck;

/// How far clocks may differ if nothing is said.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);

/// The check, with the endpoints whose tokens it is for, as far as they are valid.
pub(super) fn precheck(
    raw: RawPrecheck,
    providers: Result<&[IntrospectionConfig], Refused>,
    context: &mut Context,
) -> Result<Precheck, Refused> {
    let issuer = match raw.issuer {
        Some(issuer) if issuer.is_empty() => {
            context.refuse("jwt_precheck.issuer", "is empty; expected an issuer")
        }
        issuer => Ok(issuer),
    };
    let leeway = match raw.leeway {
        None => Ok(DEFAULT_LEEWAY),
        Some(text) => humantime::parse_duration(&text).or_else(|_| {
            context.refuse(
                "jwt_precheck.leeway",
                format!("{text:?} is no duration, e.g. `60s`, or `0s` for none"),
            )
        }),
    };
    let precheck = Precheck {
        issuer: issuer?,
        leeway: leeway?,
    };
    if providers.is_ok_and(|providers| providers.len() > 1) && precheck.issuer.is_some() {
        context.warn(
            Unwise::PrecheckOfOneIssuer,
            "jwt_precheck.issuer",
            "is for the tokens of all `providers`: those of other issuers are refused",
        );
    }
    Ok(precheck)
}
