//! A finding as people read it.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::finding::{Finding, Severity};
use crate::source::Source;

/// A finding, with its line of the file and a mark under it, unless the line may hold a secret.
pub(crate) fn render(source: &Source, finding: &Finding, secrets: &[Range<usize>]) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning(_) => Level::WARNING,
    };
    let position = source.position(finding.span.start);
    let line = source.line(finding.span.start);
    let title = level.no_name().primary_title(finding.line.as_str());
    let is_secret = secrets
        .iter()
        .any(|secret| secret.start < line.end && line.start < secret.end);
    let group = if is_secret {
        title
            .element(
                Origin::path(source.name.as_str())
                    .line(position.line)
                    .char_column(position.column),
            )
            .element(Level::NOTE.message("the line may hold a secret, and is not shown"))
    } else {
        let text = source.slice(&line).trim_end_matches(['\n', '\r']);
        // Controls of two bytes speak to some terminals; the mark's place stays.
        let text = text.replace(|c: char| ('\u{80}'..='\u{9f}').contains(&c), "\u{b7}");
        let inside = |offset: usize| offset.saturating_sub(line.start).min(text.len());
        let (start, end) = (inside(finding.span.start), inside(finding.span.end));
        let mark = AnnotationKind::Primary.span(start..end.max(start));
        title.element(
            Snippet::source(text)
                .line_start(position.line)
                .path(source.name.as_str())
                .annotation(mark),
        )
    };
    let help = finding
        .help
        .as_deref()
        .map(|help| Level::HELP.message(help));
    let group = match help {
        Some(help) => group.element(help),
        None => group,
    };
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    renderer.render(&[group])
}
