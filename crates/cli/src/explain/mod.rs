//! `portvakt explain`: what would be done with a request, and why.

pub(crate) mod answer;
pub(crate) mod configuration;
mod human;
pub(crate) mod request;
pub(crate) mod time;

use std::fs;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;

use self::answer::EndpointAnswer;
use self::request::Target;
use crate::outcome::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The file with the plugin configuration: YAML or JSON, by itself or in Envoy's own.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The request's method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's URL; gives host and path.
    #[arg(long, conflicts_with_all = ["path", "host"], required_unless_present = "path")]
    url: Option<String>,
    /// The request's path, with its query.
    #[arg(long)]
    path: Option<String>,
    /// The request's host, perhaps with a port.
    #[arg(long, default_value = "localhost", requires = "path")]
    host: String,
    /// A header of the request; may be given several times.
    // Not parsed by clap, which would repeat in its error what may be a token.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The request has a body.
    #[arg(long)]
    body: bool,
    /// The name of the route that Envoy would choose.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// The SHA-256 digest, in hex, of the certificate that the client shows.
    #[arg(long, value_name = "DIGEST", value_parser = request::digest)]
    client_certificate: Option<String>,
    /// Reads the access token from standard input. It is never printed.
    #[arg(long)]
    token_stdin: bool,
    #[command(flatten)]
    answer: AnswerArguments,
    /// The status of the endpoint's answer.
    #[arg(
        long,
        value_name = "STATUS",
        requires = "response",
        default_value_t = 200
    )]
    response_status: u16,
    /// When it is: RFC 3339, or seconds since 1970. Default: now.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    now: Option<portvakt_core::time::Time>,
    /// How it is said.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What the endpoint would answer; none of these: its answer is left open.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct AnswerArguments {
    /// The token is active, with the claims in this file: an object, JSON or YAML.
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// The endpoint answers with the body in this file.
    #[arg(long, value_name = "FILE")]
    response: Option<PathBuf>,
    /// The token is not active.
    #[arg(long)]
    inactive: bool,
    /// The endpoint cannot be reached.
    #[arg(long)]
    outage: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs; docs/command-line.md has its members.
    Json,
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let authorizer = configuration::load(&arguments.config)?;
    let target = match (&arguments.url, &arguments.path) {
        (Some(url), _) => Target::of_url(url)?,
        (None, path) => Target {
            host: arguments.host.clone(),
            path: path.clone().unwrap_or_default(),
        },
    };
    let mut head = target.head(&arguments.method);
    for header in &arguments.headers {
        let (name, value) = request::header(header).map_err(Failure::new)?;
        head = head.with(&name, value);
    }
    if arguments.token_stdin {
        let value = authorizer.credentials(token_from_stdin()?.trim());
        head = head.with(authorizer.token_header(), value);
    }
    head.has_body = arguments.body;
    head.route.clone_from(&arguments.route);
    head.certificate.clone_from(&arguments.client_certificate);
    let answer = endpoint_answer(&arguments.answer, arguments.response_status)?;
    let reply = answer.as_ref().map(EndpointAnswer::reply);
    let now = arguments.now.unwrap_or_else(time::now);
    let explanation = authorizer.explain(&head, reply, now);
    match arguments.format {
        Format::Json => {
            let json = serde_json::to_string_pretty(&explanation);
            let json = json.map_err(|error| Failure::new(error.to_string()))?;
            writeln!(out, "{json}")?;
        }
        Format::Text => human::write(&arguments.method, &target, &explanation, out)?,
    }
    Ok(Outcome::Clean)
}

fn token_from_stdin() -> Result<String, Failure> {
    let mut token = String::new();
    // More than any token that is looked at.
    let mut stdin = std::io::stdin().take(1 << 20);
    match stdin.read_to_string(&mut token) {
        Ok(_) => Ok(token),
        Err(_) => Err(Failure::new("cannot read a token from standard input")),
    }
}

fn endpoint_answer(
    arguments: &AnswerArguments,
    status: u16,
) -> Result<Option<EndpointAnswer>, Failure> {
    let AnswerArguments {
        claims,
        response,
        inactive,
        outage,
    } = arguments;
    Ok(match (claims, response) {
        (Some(path), _) => {
            let wrong = |what: String| Failure::new(format!("{}: {what}", path.display()));
            let text = String::from_utf8(read(path)?).map_err(|_| wrong("no UTF-8".to_owned()))?;
            let claims: serde_json::Map<String, Value> =
                serde_saphyr::from_str(&text).map_err(|_| wrong("no object".to_owned()))?;
            Some(EndpointAnswer::active(claims).map_err(|error| wrong(error.to_string()))?)
        }
        (None, Some(path)) => Some(EndpointAnswer::of(status, read(path)?)),
        (None, None) if *inactive => Some(EndpointAnswer::inactive()),
        (None, None) if *outage => Some(EndpointAnswer::outage()),
        (None, None) => None,
    })
}

/// What is in a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |error| Failure::new(format!("cannot read {}: {error}", path.display()));
    fs::read(path).map_err(cannot)
}
