//! The index against a look at all rules.

use proptest::prelude::*;

use super::*;
use crate::policy::matching::Match;
use crate::policy::{Access, NoRule, Rule, Rules};
use crate::testing::head::FakeHead;

const SEGMENTS: [&str; 3] = ["a:b", "{p}", "&å"];

/// A condition as somebody would write it down: its kind, its segments without escapes, and
/// whether it ends in a slash.
#[derive(Clone, Debug)]
enum Written {
    All,
    Exact(Vec<&'static str>, bool),
    Prefix(Vec<&'static str>, bool),
    Template(Vec<Option<&'static str>>, bool),
}

fn written() -> impl Strategy<Value = Written> {
    let segment = || prop::sample::select(SEGMENTS.as_slice());
    let segments = || prop::collection::vec(segment(), 0..4);
    let or_parameter = prop_oneof![segment().prop_map(Some), Just(None)];
    let template = prop::collection::vec(or_parameter, 1..4);
    prop_oneof![
        1 => Just(Written::All),
        3 => (segments(), any::<bool>()).prop_map(|(s, slash)| Written::Exact(s, slash)),
        3 => (segments(), any::<bool>()).prop_map(|(s, slash)| Written::Prefix(s, slash)),
        5 => (template, any::<bool>()).prop_map(|(s, slash)| Written::Template(s, slash)),
    ]
}

impl Written {
    fn condition(&self) -> Option<PathMatch> {
        let parse = |segments: &[&str], slash: bool| {
            let segments: Vec<_> = segments.iter().map(|s| escaped(s)).collect();
            let text = joined(&segments, slash);
            Path::parse(text.as_bytes()).unwrap().into_owned()
        };
        match self {
            Self::All => None,
            Self::Exact(segments, slash) => Some(PathMatch::Exact(parse(segments, *slash))),
            Self::Prefix(segments, slash) => Some(PathMatch::Prefix(parse(segments, *slash))),
            Self::Template(segments, slash) => {
                let segments = segments.iter();
                let segments = segments.map(|s| s.map_or("{x}".to_owned(), escaped));
                let text = joined(&segments.collect::<Vec<_>>(), *slash);
                Some(PathMatch::Template(Template::parse(&text).unwrap()))
            }
        }
    }

    /// Which segments of the request it names, if it is for the request.
    fn named(&self, segments: &[Spelled], slash: bool) -> Option<Vec<usize>> {
        let texts: Vec<_> = segments.iter().map(|s| s.text).collect();
        let are_named = match self {
            Self::All => vec![],
            Self::Exact(own, _) | Self::Prefix(own, _) => vec![true; own.len()],
            Self::Template(own, _) => own.iter().map(Option::is_some).collect(),
        };
        // Without segments there is only the slash.
        let slash = slash || texts.is_empty();
        let is_for = match self {
            Self::All => true,
            Self::Exact(own, own_slash) => texts == *own && slash == (*own_slash || own.is_empty()),
            Self::Prefix(own, _) => texts.starts_with(own),
            Self::Template(own, own_slash) => {
                let mut pairs = own.iter().zip(&texts);
                own.len() == texts.len()
                    && slash == (*own_slash || own.is_empty())
                    && pairs.all(|(own, text)| own.is_none_or(|own| own == *text))
            }
        };
        let named = (0..are_named.len()).filter(|position| are_named[*position]);
        is_for.then(|| named.collect())
    }
}

fn hosts() -> impl Strategy<Value = Vec<HostPattern>> {
    let host = prop::sample::select(["x", "a.x", "*.x", "*.a.x", "y"].as_slice());
    let host = host.prop_map(|text| HostPattern::parse(text).unwrap());
    prop_oneof![Just(Vec::new()), prop::collection::vec(host, 1..3)]
}

fn escape_all(bytes: impl Iterator<Item = u8>, is_escaped: fn(u8) -> bool) -> String {
    bytes.fold(String::new(), |text, byte| {
        if is_escaped(byte) {
            format!("{text}%{byte:02X}")
        } else {
            text + &char::from(byte).to_string()
        }
    })
}

/// The canonical spelling.
fn escaped(segment: &str) -> String {
    escape_all(segment.bytes(), |b| !matches!(b, b'a'..=b'z' | b':' | b'&'))
}

fn joined(segments: &[String], slash: bool) -> String {
    let path: String = segments.iter().flat_map(|s| ["/", s]).collect();
    if slash || path.is_empty() {
        path + "/"
    } else {
        path
    }
}

/// A segment of a request: what it means and how it is spelled.
#[derive(Clone, Debug)]
struct Spelled {
    text: &'static str,
    spelled: String,
}

fn spelled() -> impl Strategy<Value = Spelled> {
    let text = prop_oneof![
        6 => prop::sample::select(SEGMENTS.as_slice()),
        1 => Just("other"),
    ];
    (text, 0..8).prop_map(|(text, style)| Spelled {
        text,
        spelled: match style {
            0 => escape_all(text.bytes(), |_| true),
            1 => escaped(text).to_lowercase(),
            2 => text.to_owned(),
            _ => escaped(text),
        },
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever the rules are, the first that matches is the one that is found, if no rule
    /// names a segment that is spelled otherwise.
    #[test]
    fn the_index_and_a_look_at_all_rules_agree(
        conditions in prop::collection::vec((written(), hosts()), 1..12),
        (segments, slash) in (prop::collection::vec(spelled(), 0..5), any::<bool>()),
        authority in prop::sample::select(["x", "a.x", "b.a.x:80", "A.X", "y"].as_slice()),
    ) {
        let rules = conditions.iter().map(|(path, hosts)| Rule {
            name: String::new(),
            matches: Match {
                path: path.condition(),
                hosts: hosts.clone(),
                ..Match::default()
            },
            access: Access::Anonymous,
            shadow: false,
        });
        let rules = Rules::new(rules.collect()).unwrap();
        let target: Vec<_> = segments.iter().map(|s| s.spelled.clone()).collect();
        let target = joined(&target, slash);
        let head = [(":path", target.as_bytes()), (":authority", authority.as_bytes())];
        let found = rules.select(&FakeHead::of(&head)).map(|(id, _)| id.0);

        let host = Host::parse(authority.as_bytes()).unwrap();
        let named = conditions.iter().filter_map(|(path, _)| path.named(&segments, slash));
        let is_misspelled = |position: usize| {
            segments[position].spelled != escaped(segments[position].text)
        };
        let goes_by_paths = conditions.iter().any(|(path, _)| !matches!(path, Written::All));
        let expected = if goes_by_paths && named.flatten().any(is_misspelled) {
            Err(NoRule::AmbiguousPath)
        } else {
            let mut all = conditions.iter();
            let first = all.position(|(path, hosts)| {
                path.named(&segments, slash).is_some()
                    && (hosts.is_empty() || hosts.iter().any(|h| h.matches(&host)))
            });
            first.ok_or(NoRule::NoMatch)
        };
        prop_assert_eq!(found, expected, "{}", target);
    }
}

#[test]
fn only_what_may_match_is_looked_at() {
    let prefix = |n: usize| format!("/api/{n}");
    let all = (0..1000).map(|n| Match {
        path: Some(PathMatch::Prefix(
            Path::parse(prefix(n / 2).as_bytes()).unwrap().into_owned(),
        )),
        hosts: vec![HostPattern::parse(&format!("h{}.x", n % 100)).unwrap()],
        ..Match::default()
    });
    let all: Vec<_> = all.chain([Match::default()]).collect();
    let index = Index::new(all.iter()).unwrap();
    for (path, host, expected) in [
        ("/api/7/x", "h1.x", &[14, 15, 1000][..]),
        ("/api/499", "other", &[1000]),
        ("/api/500", "h1.x", &[1000]),
        ("/api", "h1.x", &[1000]),
    ] {
        let path = Path::parse(path.as_bytes()).unwrap();
        let host = Host::parse(host.as_bytes()).unwrap();
        let found = index.candidates(Some(&path), Some(&host)).concat();
        assert_eq!(found, expected, "{path:?} {host:?}");
    }
}
