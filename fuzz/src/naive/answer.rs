//! Introspection responses (RFC 7662 section 2.2, and docs/configuration.md).

use super::base64url;
use super::claim::{find, steps};
use super::json::{Json, MAX_DEPTH, Text};

/// How answers are read.
#[derive(Debug, Default)]
pub struct Settings {
    pub api: Api,
    /// Whose tokens the endpoint knows; none: any.
    pub issuers: Vec<String>,
    /// The claims that are asked for.
    pub claims: Vec<String>,
    /// Whether all claims are wanted.
    pub payload: bool,
}

#[derive(Debug)]
pub enum Api {
    Texas { outage_errors: Vec<String> },
    Rfc7662 { inactive_statuses: Vec<u16> },
}

impl Default for Api {
    fn default() -> Self {
        Self::Rfc7662 {
            inactive_statuses: Vec::new(),
        }
    }
}

/// What an answer comes to.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Active(Facts),
    Inactive,
    /// No introspection response.
    Malformed,
    /// The endpoint cannot tell.
    Outage,
    /// We ask wrongly.
    Misconfigured,
    /// 429 or 5xx.
    Status,
    Timeout,
}

/// What is known of an active token.
#[derive(Debug, PartialEq)]
pub struct Facts {
    /// Sorted, each once.
    pub scopes: Vec<String>,
    /// Milliseconds since the epoch.
    pub expires_at: Option<u64>,
    pub binding: Option<Json>,
    pub claims: Vec<Option<Json>>,
    /// `None`: not wanted, or too long.
    pub payload: Option<String>,
}

/// The longest value of a header.
const MAX_VALUE: usize = 16 * 1024;

/// An answer of that status; `None`: it broke off.
pub fn answer(
    settings: &Settings,
    status: Option<u16>,
    from_upstream: bool,
    body: &[u8],
) -> Answer {
    let Some(status) = status else {
        return Answer::Outage;
    };
    if !from_upstream {
        return if status == 504 {
            Answer::Timeout
        } else {
            Answer::Outage
        };
    }
    if status == 200 {
        return read(settings, body);
    }
    if status == 429 || (500..600).contains(&status) {
        return Answer::Status;
    }
    if let Api::Rfc7662 { inactive_statuses } = &settings.api
        && inactive_statuses.contains(&status)
    {
        return Answer::Inactive;
    }
    if status == 400 && error_code(body).as_deref() == Some("unsupported_token_type") {
        return Answer::Inactive;
    }
    Answer::Misconfigured
}

fn error_code(body: &[u8]) -> Option<String> {
    let object = Json::read(str::from_utf8(body).ok()?)?;
    match object.members("error").as_slice() {
        [error] => error.text(),
        _ => None,
    }
}

/// The body of a 200.
pub fn read(settings: &Settings, body: &[u8]) -> Answer {
    let Some(object @ Json::Object(_)) = str::from_utf8(body).ok().and_then(Json::read) else {
        return Answer::Malformed;
    };
    // Of what anybody looks at there is one reading.
    let mut names: Vec<String> = ["active", "exp", "scope", "scp", "cnf", "error"]
        .map(str::to_owned)
        .to_vec();
    names.extend(settings.claims.iter().map(|path| steps(path)[0].clone()));
    if !settings.issuers.is_empty() {
        names.push("iss".to_owned());
    }
    for name in &names {
        let named = object.members(name);
        let is_clear =
            |value: &Json| !value.repeats() && value.is_sound() && value.depth() < MAX_DEPTH;
        if named.len() > 1 || !named.iter().all(|value| is_clear(value)) {
            return Answer::Malformed;
        }
    }
    if settings.payload && (object.repeats() || object.depth() > MAX_DEPTH) {
        return Answer::Malformed;
    }
    let member = |name: &str| object.members(name).first().map(|value| (*value).clone());

    let Some(Json::Bool(active)) = member("active") else {
        return Answer::Malformed;
    };
    let expires_at = match member("exp") {
        None => None,
        Some(Json::Number(digits)) => Some(millis(&digits)),
        Some(_) => return Answer::Malformed,
    };
    if active {
        if let Some(issuer) = member("iss")
            && !settings.issuers.is_empty()
            && !issuer
                .text()
                .is_some_and(|issuer| settings.issuers.contains(&issuer))
        {
            return Answer::Inactive;
        }
        return Answer::Active(Facts {
            scopes: scopes(member("scope"), member("scp")),
            expires_at,
            binding: member("cnf").filter(|cnf| *cnf != Json::Null),
            claims: settings
                .claims
                .iter()
                .map(|path| find(&object, path))
                .collect(),
            payload: settings.payload.then(|| payload(&object)).flatten(),
        });
    }
    if let Api::Texas { outage_errors } = &settings.api
        && let Some(error) = member("error").and_then(|error| error.text())
    {
        // Quotes before and behind the name, of which neither is the other.
        let name = error.split_once("identity provider '");
        if let Some(("", name)) = name
            && name.ends_with("' is not enabled")
        {
            return Answer::Misconfigured;
        }
        if outage_errors
            .iter()
            .any(|beginning| error.starts_with(beginning))
        {
            return Answer::Outage;
        }
    }
    Answer::Inactive
}

fn scopes(scope: Option<Json>, scp: Option<Json>) -> Vec<String> {
    let is_given = |claim: &Json| *claim != Json::Null;
    let mut tokens: Vec<String> = match scope.filter(is_given).or(scp.filter(is_given)) {
        Some(Json::Text(text)) => {
            let text = text.get().unwrap_or_default();
            text.split(' ').map(str::to_owned).collect()
        }
        Some(Json::Array(items)) => items.iter().filter_map(Json::text).collect(),
        _ => Vec::new(),
    };
    tokens.retain(|token| !token.is_empty());
    tokens.sort();
    tokens.dedup();
    tokens
}

fn payload(object: &Json) -> Option<String> {
    let Json::Object(members) = object else {
        return None;
    };
    let claims = members
        .iter()
        .filter(|member| member.name != Text::of("active"));
    let claims: Vec<String> = claims
        .map(|member| format!("{}:{}", member.name_text, member.value_text))
        .collect();
    let payload = base64url::encode(format!("{{{}}}", claims.join(",")).as_bytes());
    (payload.len() <= MAX_VALUE).then_some(payload)
}

/// Seconds in decimal digits as whole milliseconds, from 0 to the end of time.
pub fn millis(digits: &str) -> u64 {
    if digits.starts_with('-') {
        return 0;
    }
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return 0;
    }
    // How many of the digits stand before the point, in milliseconds.
    let exponent: i64 = exponent.parse().unwrap_or(if exponent.starts_with('-') {
        -999_999
    } else {
        999_999
    });
    let zeros = all.len() - significant.len();
    let point = i64::try_from(whole.len()).unwrap() - i64::try_from(zeros).unwrap()
        + exponent.clamp(-999_999, 999_999)
        + 3;
    if point > 20 {
        return u64::MAX;
    }
    let mut number = String::new();
    for position in 0..point.max(0) {
        let digit = significant.chars().nth(usize::try_from(position).unwrap());
        number.push(digit.unwrap_or('0'));
    }
    if number.is_empty() {
        return 0;
    }
    number.parse().unwrap_or(u64::MAX)
}

/// Whether two times are the same but for what a double leaves out.
pub fn is_about(one: u64, other: u64) -> bool {
    one.abs_diff(other) <= 1 + (one >> 48)
}
