//! Who is let in: a rule's requirement, the endpoint's answer, and what is remembered of it.
//!
//! Input: a line `NOW LATER CERTIFICATE` (seconds since 1970, seconds after that, the digest that
//! the client proves, of which `-` is none), a line with the JSON of `require`, and the answer.
//!
//! Oracle: requirement and answer read anew from their texts. The token is let in if and only if
//! the answer says `active`, the binding is proven and the requirement is met, and else refused for
//! what is unmet. Later, in this worker and another, what is remembered decides likewise, never
//! past `exp` or a minute, and never at all of an answer that is none.

use portvakt_core::authorizer::{Authorizer, Decision, Grant, Step};
use portvakt_core::config::{Vm, parse};
use portvakt_core::introspection::response::Reply;
use portvakt_core::reply::reason::Reason;
use portvakt_core::testing::head::FakeHead;
use portvakt_core::testing::shared_data::FakeData;
use portvakt_core::time::Time;

use crate::naive::answer::{self, Answer, Settings};
use crate::naive::cnf;
use crate::naive::json::Json;
use crate::naive::requirement::{self, Known, Unmet};
use crate::text::{lines, words};

/// What a request comes to: nothing, or why it is refused.
type Verdict = Result<(), Reason>;

/// How long an answer counts, in milliseconds (`cache.max_ttl`).
const MAX_TTL: u64 = 60_000;

struct Case<'a> {
    require: Json,
    answer: Answer,
    paths: Vec<String>,
    certificate: Option<&'a str>,
}

pub fn check(input: &[u8]) -> bool {
    let lines = lines(input, 3);
    let [times, require, body] = lines.as_slice() else {
        return false;
    };
    let words = words(times);
    let seconds = |at: usize| words.get(at).and_then(|text| text.parse::<u32>().ok());
    let (Some(now), Some(later)) = (seconds(0), seconds(1)) else {
        return false;
    };
    let certificate = words.get(2).copied().filter(|word| *word != "-");
    let now = u64::from(now) * 1000;
    let later = now + u64::from(later) * 1000;
    let Ok(text) = str::from_utf8(require) else {
        return false;
    };
    // It is one value: the configuration around it is not its to end.
    let Some(require) = Json::read(text) else {
        return false;
    };
    let (Some(one), Some(other)) = (authorizer(text), authorizer(text)) else {
        return false;
    };
    let Some(paths) = requirement::paths(&require) else {
        return false;
    };
    let settings = Settings {
        claims: paths.clone(),
        ..Settings::default()
    };
    let case = Case {
        answer: answer::read(&settings, body),
        require,
        paths,
        certificate,
    };

    let data = FakeData::default();
    let verdict = ask(&one, &data, certificate, now, body);
    case.check_verdict(verdict, now, "fresh");
    for (worker, authorizer) in [("this worker", &one), ("another", &other)] {
        for at in [now, later] {
            if let Some(verdict) = remembered(authorizer, &data, certificate, at) {
                assert!(at < now + MAX_TTL, "{worker} remembers for too long");
                if let Answer::Active(facts) = &case.answer {
                    let end = facts.expires_at.map(|exp| exp.saturating_add(2));
                    let is_over = end.is_some_and(|end| end < at);
                    assert!(!is_over, "{worker} remembers past exp");
                }
                let is_word = matches!(case.answer, Answer::Active(_) | Answer::Inactive);
                assert!(is_word, "{worker} remembers what is no answer");
                case.check_verdict(verdict, at, worker);
            }
        }
    }
    true
}

fn authorizer(require: &str) -> Option<Authorizer> {
    let config = format!(
        r#"{{"introspection":{{"cluster":"c","endpoint":"http://e/","api":"rfc7662"}},
            "rules":[{{"match":{{}},"require":{require}}}]}}"#
    );
    let vm = Vm {
        env: |_: &str| None,
        has_id: true,
    };
    parse(config.as_bytes(), &vm)
        .ok()
        .map(|configured| configured.authorizer)
}

fn head(certificate: Option<&str>) -> FakeHead<'_> {
    let head = FakeHead::new("GET /").header("authorization", "Bearer token");
    match certificate {
        Some(digest) => head.certificate(digest),
        None => head,
    }
}

fn verdict(decision: &Decision) -> Verdict {
    match decision {
        Decision::Forward(Grant::Token(_)) => Ok(()),
        Decision::Reject(rejection) => Err(rejection.reason()),
        other => panic!("{other:?}"),
    }
}

fn ask(
    authorizer: &Authorizer,
    data: &FakeData,
    certificate: Option<&str>,
    now: u64,
    body: &[u8],
) -> Verdict {
    let now = Time::from_millis(now);
    let head = head(certificate);
    let Step::Introspect(token, _) = authorizer.on_request(&head, &head, data, || now) else {
        panic!("nothing is known yet");
    };
    let reply = Reply {
        status: Some(200),
        from_upstream: true,
        body: Some(body),
    };
    let provider = authorizer.providers().get(token.provider()).unwrap();
    let reading = provider.read(&token.id(), now, reply, data, now);
    let (decision, _) = authorizer.on_answer(&token.inquiry(), &reading.answer, &head, data, now);
    verdict(&decision)
}

fn remembered(
    authorizer: &Authorizer,
    data: &FakeData,
    certificate: Option<&str>,
    now: u64,
) -> Option<Verdict> {
    let head = head(certificate);
    match authorizer.on_request(&head, &head, data, || Time::from_millis(now)) {
        Step::Known { decision, .. } => Some(verdict(&decision)),
        Step::Introspect(..) => None,
        Step::Decided(decision, _) => panic!("{decision:?}"),
    }
}

impl Case<'_> {
    fn check_verdict(&self, found: Verdict, now: u64, whose: &str) {
        // A double leaves something out of a time: within a millisecond either is right.
        let expected = [now.saturating_sub(2), now, now + 2].map(|now| self.expected(now));
        assert!(
            expected.contains(&found),
            "{whose}: {found:?}, but {:?} is right",
            expected[1]
        );
    }

    fn expected(&self, now: u64) -> Verdict {
        let facts = match &self.answer {
            Answer::Active(facts) => facts,
            Answer::Inactive => return Err(Reason::InvalidToken),
            _ => return Err(Reason::EndpointOut),
        };
        if let Some(cnf) = &facts.binding {
            let bound_to = cnf::certificate(cnf);
            if bound_to.is_none() || bound_to.as_deref() != self.certificate {
                return Err(Reason::Binding);
            }
        }
        let token = Known {
            facts,
            paths: &self.paths,
            now,
        };
        requirement::check(&self.require, &token).map_err(|unmet| match unmet {
            Unmet::Scope => Reason::InsufficientScope,
            Unmet::Other => Reason::Requirement,
            Unmet::Authentication => Reason::InsufficientUserAuthentication,
        })
    }
}
