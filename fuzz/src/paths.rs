//! Which rule a request is for: paths, templates, hosts, methods and routes.
//!
//! Input: a line for each rule, of conditions such as `path=/a`, `prefix=/a`, `template=/a/{id}`,
//! `host=*.example.com` (several: any of them), `method=GET` (likewise) and `route=name`, or `any`; then a
//! line with the method, `+` before it where a body follows; then one with the route, the authority
//! and an override header's method, of which `-` is none; the rest is the target.
//!
//! Oracle: rules read one by one, in their order, with paths taken apart segment by segment. The
//! first that matches, or why none does, must be the same that the core finds by its index.

use portvakt_core::policy::matching::{Match, PathMatch};
use portvakt_core::policy::template::Template;
use portvakt_core::policy::{Access, NoRule, Rule, Rules};
use portvakt_core::request::host::HostPattern;
use portvakt_core::request::path::Path;
use portvakt_core::testing::head::FakeHead;

use crate::naive::host;
use crate::naive::path::{self, Pattern, Reading, Segment};
use crate::text::words;

/// The most rules of an input.
const MAX_RULES: usize = 16;

/// A rule as it is written.
#[derive(Debug, Default)]
struct Condition<'a> {
    path: Option<Pattern<'a>>,
    hosts: Vec<&'a str>,
    methods: Vec<&'a str>,
    route: Option<&'a str>,
}

#[derive(Debug, Default)]
struct Request<'a> {
    method: &'a str,
    has_body: bool,
    route: Option<&'a str>,
    authority: Option<&'a str>,
    overridden: Option<&'a str>,
    target: &'a [u8],
}

pub fn check(input: &[u8]) -> bool {
    let mut conditions = Vec::new();
    let mut rest = input;
    let mut next_line = || {
        let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let (line, behind) = rest.split_at(end);
        rest = behind.strip_prefix(b"\n").unwrap_or(behind);
        line
    };
    let mut line = next_line();
    while let Some(condition) = condition(line) {
        conditions.push(condition);
        line = next_line();
    }
    let head = words(line);
    let around = words(next_line());
    let Some(request) = request(&head, &around, rest) else {
        return false;
    };
    let rules = conditions.iter().map(rule).collect::<Option<Vec<_>>>();
    let Some(rules) = rules.filter(|rules| rules.len() <= MAX_RULES) else {
        return false;
    };
    let Ok(rules) = Rules::new(rules) else {
        return false;
    };

    let mut headers: Vec<(&str, &[u8])> = vec![(":method", request.method.as_bytes())];
    headers.push((":path", request.target));
    headers.extend(
        request
            .authority
            .map(|host| (":authority", host.as_bytes())),
    );
    let overridden = request.overridden;
    headers.extend(overridden.map(|method| ("x-http-method-override", method.as_bytes())));
    let mut fake = FakeHead::of(&headers);
    if request.has_body {
        fake = fake.with_body();
    }
    if let Some(route) = request.route {
        fake = fake.route(route);
    }
    let found = rules.select(&fake).map(|(id, _)| id.position());
    assert_eq!(
        found,
        expected(&conditions, &request),
        "{conditions:?} {request:?}"
    );
    true
}

fn condition(line: &[u8]) -> Option<Condition<'_>> {
    let mut condition = Condition::default();
    let words = words(line);
    for word in &words {
        if *word == "any" {
            continue;
        }
        let (key, value) = word.split_once('=')?;
        match key {
            "path" => condition.path = Some(Pattern::Exact(value)),
            "prefix" => condition.path = Some(Pattern::Prefix(value)),
            "template" => condition.path = Some(Pattern::Template(value)),
            "host" => condition.hosts.push(value),
            "method" => condition.methods.push(value),
            "route" => condition.route = Some(value),
            _ => return None,
        }
    }
    (!words.is_empty()).then_some(condition)
}

/// The rule as the core has it; `None`: it has none such.
fn rule(condition: &Condition<'_>) -> Option<Rule> {
    // In a configuration what is meant to the letter holds no query and no braces.
    let literal = |text: &str| {
        let is_literal = !text.contains(['?', '*', '{', '}']);
        let path = Path::parse(text.as_bytes()).ok()?.into_owned();
        (is_literal && path.misspelled().is_empty()).then_some(path)
    };
    let path = match condition.path {
        None => None,
        Some(Pattern::Exact(text)) => Some(PathMatch::Exact(literal(text)?)),
        Some(Pattern::Prefix(text)) => Some(PathMatch::Prefix(literal(text)?)),
        Some(Pattern::Template(text)) if !text.contains('?') => {
            Some(PathMatch::Template(Template::parse(text).ok()?))
        }
        Some(Pattern::Template(_)) => return None,
    };
    let hosts = condition.hosts.iter().map(|text| HostPattern::parse(text));
    Some(Rule {
        name: String::new(),
        matches: Match {
            path,
            methods: condition.methods.iter().map(|m| (*m).to_owned()).collect(),
            hosts: hosts.collect::<Result<_, _>>().ok()?,
            route: condition.route.map(str::to_owned),
        },
        access: Access::Anonymous,
        shadow: false,
    })
}

fn request<'a>(head: &[&'a str], around: &[&'a str], target: &'a [u8]) -> Option<Request<'a>> {
    let [method] = head else {
        return None;
    };
    let given = |position: usize| around.get(position).copied().filter(|word| *word != "-");
    Some(Request {
        method: method.strip_prefix('+').unwrap_or(method),
        has_body: method.starts_with('+'),
        route: given(0),
        authority: given(1),
        overridden: given(2),
        target,
    })
}

fn expected(rules: &[Condition<'_>], request: &Request<'_>) -> Result<usize, NoRule> {
    let mut path: Option<Vec<Segment>> = None;
    if rules.iter().any(|rule| rule.path.is_some()) {
        match path::read(request.target) {
            Reading::Ambiguous => return Err(NoRule::AmbiguousPath),
            Reading::NotAbsolute => {}
            Reading::Segments(segments) => path = Some(segments),
        }
    }
    let mut host = None;
    if rules.iter().any(|rule| !rule.hosts.is_empty()) {
        host = host::read(request.authority.unwrap_or_default().as_bytes());
        if host.is_none() {
            return Err(NoRule::AmbiguousPath);
        }
    }
    let path = path.as_deref();
    let named = |rule: &Condition<'_>| rule.path?.named(path?);
    for rule in rules {
        let is_canonical = |position: &usize| path.is_some_and(|path| path[*position].is_canonical);
        if named(rule).is_some_and(|named| !named.iter().all(is_canonical)) {
            return Err(NoRule::AmbiguousPath);
        }
    }
    let go_by_methods = rules.iter().any(|rule| !rule.methods.is_empty());
    if go_by_methods && request.overridden.is_some() {
        return Err(NoRule::AmbiguousMethod);
    }
    for (position, rule) in rules.iter().enumerate() {
        let is_for_path = rule.path.is_none() || named(rule).is_some();
        let is_for_host = rule.hosts.is_empty()
            || rule
                .hosts
                .iter()
                .any(|pattern| host::matches(pattern, host.as_deref().unwrap_or_default()));
        let is_for_method = if rule.methods.is_empty() {
            !(request.method == "CONNECT" && request.has_body)
        } else {
            rule.methods.contains(&request.method)
        };
        let is_for_route = rule.route.is_none() || rule.route == request.route;
        if is_for_path && is_for_host && is_for_method && is_for_route {
            return Ok(position);
        }
    }
    Err(NoRule::NoMatch)
}
