//! What would be done with a request, and why: for people who write rules.
//!
//! It is the filter's own flow that decides ([`Authorizer::on_request`], [`Authorizer::on_answer`]),
//! on a request and an answer that nobody has sent, with nothing known before. The explanation
//! stands beside the decision, and never in its place.

pub mod explanation;
mod grpc;
pub mod head;
mod token;

use self::explanation::{
    Explanation, Field, Introspection as Asked, LookedAt, Response, Token, UnmetCondition, Upstream,
};
use self::head::Head;
use crate::authorizer::{Authorizer, Decision, Grant, Step, Subject, UsedToken};
use crate::cache::shared::SharedData;
use crate::callout::provider::Provider;
use crate::introspection::error::Answer;
use crate::introspection::outcome::Outcome;
use crate::introspection::response::Reply;
use crate::policy::finding::{self, Finding};
use crate::policy::matching::{Condition, PathMatch};
use crate::policy::selection::{Ambiguity, Selection};
use crate::policy::{Access, Rule};
use crate::reply::metadata;
use crate::reply::reason::Reason;
use crate::reply::rejection::Rejection;
use crate::request::head::{RequestHead, Single, is_grpc};
use crate::request::trace::Trace;
use crate::time::Time;
use crate::token::facts::{Introspection, TokenFacts};
use crate::upstream::Edit;

/// Shared data in which there is nothing, and in which nothing stays.
struct NoData;

impl SharedData for NoData {
    fn read(&self, _key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        (None, None)
    }

    fn write(&self, _key: &str, _value: &[u8], _version: Option<u32>) -> bool {
        false
    }
}

/// What a request comes to.
struct Course {
    decision: Option<Decision>,
    subject: Subject,
    token: Option<UsedToken>,
    answer: Option<Answer>,
}

impl Authorizer {
    /// What would be done with a request, if `reply` were the endpoint's answer about its token.
    /// With an answer, but no credentials where some are needed, a token is made up of which the
    /// answer could speak. Nothing is remembered of it.
    pub fn explain(&self, head: &Head, reply: Option<Reply<'_>>, now: Time) -> Explanation {
        // As the filter does it, before all else.
        let mut head = head.clone().without(self.managed_headers());
        let mut step = self.on_request(&head, &head, &NoData, || now);
        let mut is_assumed = false;
        if let Some(reply) = reply
            && let Some(subject) = self.lacks_token(&step, &head)
        {
            is_assumed = true;
            let value = self.assumed_credentials(subject, reply);
            head = head.with(&self.token.header, value);
            step = self.on_request(&head, &head, &NoData, || now);
        }
        let course = self.course(step, &head, reply, now);
        self.explanation(&head, is_assumed, &course, now)
    }

    /// What the request lacks a token for, if nothing else is wrong with it.
    fn lacks_token(&self, step: &Step, head: &Head) -> Option<Subject> {
        let Step::Decided(decision, subject) = step else {
            return None;
        };
        let is_absent = head.single(&self.token.header) == Single::Absent;
        let reason = decision.refusal().map(Rejection::reason);
        (is_absent && reason == Some(Reason::NoCredentials)).then_some(*subject)
    }

    fn course(&self, step: Step, head: &Head, reply: Option<Reply<'_>>, now: Time) -> Course {
        match step {
            Step::Decided(decision, subject) => Course {
                decision: Some(decision),
                subject,
                token: None,
                answer: None,
            },
            Step::Known {
                decision, token, ..
            } => Course {
                decision: Some(decision),
                subject: token.subject(),
                token: Some(token),
                answer: None,
            },
            Step::Introspect(token, _) => {
                let provider = self.providers.get(token.provider());
                let answer = provider.zip(reply).map(|(provider, reply)| {
                    let reader = &provider.config().response;
                    reader.parse(reply).answer
                });
                let decide = |answer: &Answer| {
                    let inquiry = token.inquiry();
                    let (decision, _) = self.on_answer(&inquiry, answer, head, &NoData, now);
                    decision
                };
                Course {
                    decision: answer.as_ref().map(decide),
                    subject: token.subject(),
                    token: Some(token),
                    answer,
                }
            }
        }
    }

    fn explanation(
        &self,
        head: &Head,
        is_assumed: bool,
        course: &Course,
        now: Time,
    ) -> Explanation {
        let Course {
            decision,
            subject,
            token,
            answer,
        } = course;
        let is_metadata = matches!(decision, Some(Decision::ServeMetadata));
        let (rules, ambiguous) = if is_metadata {
            (Vec::new(), None)
        } else {
            self.selection(head)
        };
        let provider = subject.provider.and_then(|id| self.providers.get(id));
        let config = provider.map(Provider::config);
        let error = answer.as_ref().and_then(|answer| answer.as_ref().err());
        let problem = config.zip(error);
        let rule = subject.rule.and_then(|id| self.rules.get(id));
        let counted = decision.as_ref().map(Decision::counted_as);
        let refusal = decision.as_ref().and_then(Decision::refusal);
        let cause = refusal.and_then(Rejection::cause);
        Explanation {
            rules,
            ambiguous,
            rule: rule.map(|rule| rule.name.clone()),
            token: token.as_ref().map(|token| Token {
                digest: token.id().digest.to_string(),
                assumed: is_assumed,
            }),
            provider: config.map(|config| config.name.clone()),
            introspection: token.as_ref().and_then(|token| self.asked(token, head)),
            outcome: answer.as_ref().map(|answer| Outcome::from(answer).name()),
            problem: problem.map(|(config, error)| config.explain(error).to_string()),
            requirement: answer
                .as_ref()
                .and_then(|answer| self.finding(rule, subject, answer, now)),
            decision: counted.map(|(verdict, _)| verdict.name()),
            reason: counted.map(|(_, reason)| reason),
            cause: cause.map(ToString::to_string),
            response: decision.as_ref().and_then(|d| self.response(d, head)),
            upstream: decision.as_ref().and_then(|d| self.upstream(d)),
            filter_state: decision.iter().flat_map(|d| self.filter_state(d)).collect(),
        }
    }

    /// The rules that were looked at; else what could be read in two ways.
    fn selection(&self, head: &Head) -> (Vec<LookedAt>, Option<String>) {
        let looked_at = match self.rules.explain(head) {
            Selection::Rules(looked_at) => looked_at,
            Selection::Ambiguous(what) => return (Vec::new(), Some(self.in_words(what))),
        };
        let rules = looked_at.into_iter().filter_map(|(id, unmet)| {
            let unmet = unmet.into_iter();
            Some(LookedAt {
                rule: self.rules.get(id)?.name.clone(),
                unmet: unmet.map(|condition| described(condition, head)).collect(),
            })
        });
        (rules.collect(), None)
    }

    fn in_words(&self, what: Ambiguity) -> String {
        match what {
            Ambiguity::Path => "an upstream could read the path otherwise".to_owned(),
            Ambiguity::Host => "the host is none, or could be read otherwise".to_owned(),
            Ambiguity::Spelling(id) => {
                let rule = self.rules.get(id).map(|rule| rule.name.as_str());
                let rule = rule.unwrap_or_default();
                format!("the path does not spell canonically what the rule `{rule}` names in it")
            }
            Ambiguity::Method(header) => format!("the header `{header}` names another method"),
        }
    }

    /// The request about a token.
    fn asked(&self, token: &UsedToken, head: &Head) -> Option<Asked> {
        let config = self.providers.get(token.provider())?.config();
        let request = config.readable_request(&token.id().digest);
        let trace = Trace::of(head);
        let trace = trace.iter().flat_map(Trace::headers);
        let trace = trace.map(|(name, value)| Field::new(name, value));
        let own = request.headers.into_iter();
        let own = own.map(|(name, value)| Field { name, value });
        Some(Asked {
            method: "POST",
            url: request.url,
            cluster: request.cluster,
            timeout_ms: u64::try_from(config.timeout.as_millis()).unwrap_or(u64::MAX),
            headers: own.chain(trace).collect(),
            body: request.body,
        })
    }

    fn finding(
        &self,
        rule: Option<&Rule>,
        subject: &Subject,
        answer: &Answer,
        now: Time,
    ) -> Option<Finding> {
        let provider = self.providers.get(subject.provider?)?;
        match (&rule?.access, answer) {
            (Access::Token(access), Ok(Introspection::Active(facts))) => {
                let claims = &provider.config().response.claims;
                let asked = finding::Asked { facts, claims, now };
                Some(access.requirement.clause().find(&asked))
            }
            (Access::Anonymous | Access::Token(_), _) => None,
        }
    }

    fn response(&self, decision: &Decision, head: &Head) -> Option<Response> {
        let to_grpc = is_grpc(head);
        let (status, headers, body) = match decision {
            Decision::Forward(_) | Decision::Shadow(_) => return None,
            Decision::Reject(rejection) => {
                let response = rejection.response(to_grpc);
                let headers = response.headers.into_iter();
                let headers = headers.map(|(name, value)| Field::new(name, value));
                (response.status, headers.collect(), response.body)
            }
            Decision::ServeMetadata => {
                let headers = metadata::HEADERS.map(|(name, value)| Field::new(name, value));
                (200, headers.to_vec(), self.metadata().to_owned())
            }
        };
        // Nobody gets a body in answer to HEAD, nor does Envoy make a message of it then.
        let is_head = head.header(":method").as_deref() == Some(b"HEAD");
        let response = Response {
            status,
            headers,
            body: if is_head { String::new() } else { body },
        };
        Some(if to_grpc {
            grpc::as_envoy_sends_it(response)
        } else {
            response
        })
    }

    fn upstream(&self, decision: &Decision) -> Option<Upstream> {
        if !goes_on(decision) {
            return None;
        }
        let mut upstream = Upstream {
            removed: self.managed_headers().map(str::to_owned).collect(),
            headers: Vec::new(),
            left_out: 0,
        };
        for edit in self.edits(facts_of(decision)) {
            match edit {
                Edit::RemoveHeader(name) => upstream.removed.push(name.to_owned()),
                Edit::SetHeader(name, value) => upstream.headers.push(Field::new(name, value)),
                Edit::SetFilterState(..) => {}
                Edit::LeaveOut(_) => upstream.left_out = upstream.left_out.saturating_add(1),
            }
        }
        Some(upstream)
    }

    fn filter_state(&self, decision: &Decision) -> Vec<Field> {
        let reason = match decision {
            Decision::Reject(rejection) => Some(("reason", rejection.reason().name())),
            Decision::Shadow(rejection) => Some(("shadow_reason", rejection.reason().name())),
            Decision::Forward(grant @ Grant::FailureMode) => {
                Some(("reason", grant.allowed().name()))
            }
            Decision::Forward(Grant::Anonymous | Grant::Preflight | Grant::Token(_))
            | Decision::ServeMetadata => None,
        };
        let reason = reason.map(|(name, value)| Field::new(name, value));
        let claims = self.edits(facts_of(decision));
        let claims = claims.filter_map(|edit| match edit {
            Edit::SetFilterState(name, value) => Some(Field::new(name, value)),
            Edit::RemoveHeader(_) | Edit::SetHeader(..) | Edit::LeaveOut(_) => None,
        });
        reason.into_iter().chain(claims).collect()
    }
}

/// Whether a request goes on.
fn goes_on(decision: &Decision) -> bool {
    match decision {
        Decision::Forward(_) | Decision::Shadow(_) => true,
        Decision::Reject(_) | Decision::ServeMetadata => false,
    }
}

/// The facts for which a request goes on, if it is for any.
fn facts_of(decision: &Decision) -> Option<&TokenFacts> {
    match decision {
        Decision::Forward(grant) => grant.facts(),
        Decision::Shadow(_) | Decision::Reject(_) | Decision::ServeMetadata => None,
    }
}

fn described(condition: Condition<'_>, head: &Head) -> UnmetCondition {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let header = |name| head.header(name).as_deref().map(text);
    let (condition, expected, found) = match condition {
        Condition::Path(path) => {
            let (name, expected) = match path {
                PathMatch::Exact(path) => ("path", path.as_str().to_owned()),
                PathMatch::Prefix(prefix) => ("prefix", prefix.as_str().to_owned()),
                PathMatch::Template(template) => ("template", template.to_string()),
            };
            // What stands in the query is nobody's business.
            let path = header(":path");
            let found = path.map(|path| path.split('?').next().unwrap_or_default().to_owned());
            (name, vec![expected], found)
        }
        Condition::Hosts(hosts) => {
            let expected = hosts.iter().map(ToString::to_string).collect();
            ("hosts", expected, header(":authority"))
        }
        Condition::Methods([]) => {
            let expected = vec!["every method but CONNECT".to_owned()];
            ("methods", expected, header(":method"))
        }
        Condition::Methods(methods) => ("methods", methods.to_vec(), header(":method")),
        Condition::Route(name) => ("route", vec![name.to_owned()], head.route.clone()),
    };
    UnmetCondition {
        condition,
        expected,
        found,
    }
}
