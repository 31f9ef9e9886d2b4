//! An explanation for people: what came first stands first.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use portvakt_core::explain::explanation::{
    Explanation, Field, Introspection, LookedAt, Response, UnmetCondition, Upstream,
};
use portvakt_core::policy::finding::Finding;

use super::request::Target;
use crate::printable::printable;

/// Where what is said of something begins.
const MARGIN: usize = 11;

pub(super) fn write(
    method: &str,
    target: &Target,
    explanation: &Explanation,
    out: &mut impl Write,
) -> io::Result<()> {
    // What the query holds is not looked at, and may be a token.
    let path = target.path.split('?').next().unwrap_or_default();
    writeln!(
        out,
        "{} {}{}",
        printable(method),
        printable(&target.host),
        printable(path)
    )?;
    rules(explanation, out)?;
    if let Some(token) = &explanation.token {
        let assumed = if token.assumed {
            " (made up: the request has none)"
        } else {
            ""
        };
        line(out, "token", &format!("{}{assumed}", token.digest))?;
    }
    if let Some(name) = &explanation.provider {
        line(out, "provider", name)?;
    }
    if let Some(introspection) = &explanation.introspection {
        asked(introspection, out)?;
    }
    if let Some(outcome) = explanation.outcome {
        line(out, "answer", outcome)?;
    }
    if let Some(problem) = &explanation.problem {
        line(out, "", problem)?;
    }
    if let Some(finding) = &explanation.requirement {
        requirement(finding, "requires", 0, out)?;
    }
    decision(explanation, out)?;
    if let Some(response) = &explanation.response {
        client(response, out)?;
    }
    if let Some(seen) = &explanation.upstream {
        upstream(seen, out)?;
    }
    fields("state", "wasm.portvakt.", &explanation.filter_state, out)
}

fn rules(explanation: &Explanation, out: &mut impl Write) -> io::Result<()> {
    if let Some(what) = &explanation.ambiguous {
        line(out, "rule", &format!("none was looked at: {what}"))?;
    }
    for LookedAt { rule, unmet } in &explanation.rules {
        let unmet: Vec<_> = unmet.iter().map(condition).collect();
        let said = match unmet.as_slice() {
            [] => "matches".to_owned(),
            unmet => format!("does not match: {}", unmet.join("; ")),
        };
        line(out, "rule", &format!("{rule}: {said}"))?;
    }
    if explanation.reason == Some("no_rule") {
        line(out, "rule", "none matches")?;
    }
    Ok(())
}

fn condition(unmet: &UnmetCondition) -> String {
    let UnmetCondition {
        condition,
        expected,
        found,
    } = unmet;
    let found = found.as_deref().unwrap_or("nothing");
    format!("{condition} {} is not {found}", expected.join(", "))
}

fn asked(introspection: &Introspection, out: &mut impl Write) -> io::Result<()> {
    let Introspection {
        method,
        url,
        cluster,
        timeout_ms,
        headers,
        body,
    } = introspection;
    let said = format!("{method} {url} (cluster {cluster}, within {timeout_ms} ms)");
    line(out, "asked", &said)?;
    fields("", "", headers, out)?;
    line(out, "", body)
}

fn requirement(
    finding: &Finding,
    label: &str,
    depth: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    let (mark, color) = if finding.met {
        ("met", AnsiColor::Green)
    } else {
        ("not met", AnsiColor::Red)
    };
    let because = finding.because.as_ref();
    let because = because.map(|because| format!(", because {because}"));
    let because = because.unwrap_or_default();
    let mark = colored(mark, color);
    let said = format!("{indent}{}: {}: ", finding.key, finding.expected);
    styled(
        out,
        label,
        &format!("{}{mark}{}", printable(&said), printable(&because)),
    )?;
    let mut nested = finding.of.iter();
    nested.try_for_each(|one| requirement(one, "", depth.saturating_add(1), out))
}

fn decision(explanation: &Explanation, out: &mut impl Write) -> io::Result<()> {
    let Some(decision) = explanation.decision else {
        return line(out, "decision", "the endpoint's answer decides");
    };
    let color = match decision {
        "allow" => AnsiColor::Green,
        "shadow" => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    let reason = explanation.reason.unwrap_or_default();
    let cause = explanation.cause.as_ref();
    let cause = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
    let said = colored(decision, color);
    styled(
        out,
        "decision",
        &format!("{said}: {reason}{}", printable(&cause)),
    )
}

fn client(response: &Response, out: &mut impl Write) -> io::Result<()> {
    let Response {
        status,
        headers,
        body,
    } = response;
    line(out, "client", &status.to_string())?;
    fields("", "", headers, out)?;
    if body.is_empty() {
        return Ok(());
    }
    line(out, "", body)
}

fn upstream(seen: &Upstream, out: &mut impl Write) -> io::Result<()> {
    let Upstream {
        removed,
        headers,
        left_out,
    } = seen;
    let removed = match removed.as_slice() {
        [] => "the request as it is".to_owned(),
        names => format!("the request without the client's {}", names.join(", ")),
    };
    line(out, "upstream", &removed)?;
    fields("", "", headers, out)?;
    if *left_out > 0 {
        let said = format!("claims that cannot arrive as they are, and stay out: {left_out}");
        line(out, "", &said)?;
    }
    Ok(())
}

fn fields(label: &str, prefix: &str, fields: &[Field], out: &mut impl Write) -> io::Result<()> {
    fields.iter().enumerate().try_for_each(|(index, field)| {
        let label = if index == 0 { label } else { "" };
        line(
            out,
            label,
            &format!("{prefix}{}: {}", field.name, field.value),
        )
    })
}

fn line(out: &mut impl Write, label: &str, said: &str) -> io::Result<()> {
    styled(out, label, &printable(said))
}

/// What is said is printable already.
fn styled(out: &mut impl Write, label: &str, said: &str) -> io::Result<()> {
    writeln!(out, "{label:MARGIN$}{said}")
}

fn colored(text: &str, color: AnsiColor) -> String {
    let style = Style::new().fg_color(Some(color.into())).bold();
    format!("{style}{text}{style:#}")
}
