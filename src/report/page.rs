//! The page: one file of HTML with its style and drawings inside, which loads nothing and runs
//! nothing. Its security policy has the browser enforce that.

use super::about::Summary;
use super::gather::Gathered;
use super::part::Part;
use super::sections::{self, View};
use super::text::{bytes, count, duration, escape, number, of};

const STYLE: &str = include_str!("style.css");

/// The page about what was gathered, with a JPEG for the first heat map.
pub(super) fn page(gathered: &Gathered, frame: Option<&[u8]>) -> String {
    let mut names: Vec<String> = gathered.parts.iter().map(Part::source).collect();
    names.dedup();
    let title = match names.as_slice() {
        [name] => escape(name),
        _ => of(gathered.parts.len() as u64, "run"),
    };
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; img-src data:\">\n\
         <title>{title} - vision-pipe</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n"
    );
    html.push_str(&general_notes(gathered));
    if gathered.parts.len() > 1 {
        let link = |(index, part): (usize, &Part)| {
            format!(
                "<li><a href=\"#run{index}\">{}</a> {}</li>",
                escape(&part.source()),
                pill(part)
            )
        };
        let links: String = gathered.parts.iter().enumerate().map(link).collect();
        html.push_str(&format!("<nav><ul>{links}</ul></nav>\n"));
    }
    for (index, part) in gathered.parts.iter().enumerate() {
        html.push_str(&run(part, index, frame.filter(|_| index == 0)));
    }
    html.push_str(&format!(
        "<footer>Made by <code>vision-pipe report</code> {} of {}. Hover over a chart for its \
         numbers.</footer>\n</main></body></html>\n",
        env!("CARGO_PKG_VERSION"),
        of(gathered.lines, "record"),
    ));
    html
}

fn general_notes(gathered: &Gathered) -> String {
    let mut notes = String::new();
    if gathered.cut {
        notes.push_str(&note("bad", "The last record is cut off in the middle of its line."));
    }
    if gathered.unknown > 0 {
        let text = format!(
            "{} of types that this version does not know are left out.",
            of(gathered.unknown, "record")
        );
        notes.push_str(&note("", &text));
    }
    if gathered.crowded_out > 0 {
        let text = format!(
            "The file holds more runs than fit here: {} of later ones are left out.",
            of(gathered.crowded_out, "record")
        );
        notes.push_str(&note("", &text));
    }
    notes
}

/// A remark; `text` is escaped.
fn note(kind: &str, text: &str) -> String {
    format!("<p class=\"note {kind}\">{text}</p>\n")
}

/// All about one run of a source.
fn run(part: &Part, index: usize, frame: Option<&[u8]>) -> String {
    let mut html = format!(
        "<section class=\"run\" id=\"run{index}\"><header><h1>{} {}</h1>\n{}</header>\n",
        escape(&part.source()),
        pill(part),
        origin(part)
    );
    html.push_str(&notes(part));
    let view = View::new(part);
    html.push_str(&tiles(part, view.as_ref()));
    if let Some(view) = &view {
        html.push_str(&view.classes());
        html.push_str("<div class=\"pair\">\n");
        html.push_str(&view.heat(frame, index));
        html.push_str(&view.zones());
        html.push_str(&view.lines());
        html.push_str(&view.events());
        html.push_str("</div>\n");
        html.push_str(&view.tracks());
        html.push_str(&sections::stages(part));
    }
    html.push_str("</section>\n");
    html
}

/// How it ended, in a word.
fn pill(part: &Part) -> String {
    let (kind, text) = match &part.summary {
        None => ("bad", "no end".to_owned()),
        Some(summary) => match (summary.exit.as_str(), summary.exit_code) {
            ("error", code) => ("bad", format!("failed, exit code {}", code.unwrap_or(1))),
            (exit, Some(0) | None) => ("good", exit.replace('_', " ")),
            (exit, Some(code)) => ("odd", format!("{}, exit code {code}", exit.replace('_', " "))),
        },
    };
    format!("<span class=\"pill {kind}\">{}</span>", escape(&text))
}

/// What was run on what.
fn origin(part: &Part) -> String {
    let Some(run) = &part.run else { return String::new() };
    let mut facts = Vec::new();
    if let Some(input) = &run.input {
        if input.uri != part.source() {
            facts.push(format!("<code>{}</code>", escape(&input.uri)));
        }
        facts.push(format!("{} × {} px", input.width, input.height));
        facts.extend(input.fps.map(|fps| format!("{} frames a second", number(fps))));
        facts.extend(input.live.then(|| "live".to_owned()));
    }
    if let Some(model) = &run.model {
        facts.push(format!("model {} ({})", escape(&model.name), escape(&model.task)));
    }
    facts.push(format!("{}, {}", escape(&run.engine), of(run.workers, "worker")));
    let started = run.started_at.replace('T', " ");
    let started = started.split('.').next().unwrap_or_default().trim_end_matches('Z');
    facts.push(format!("started {} UTC", escape(started)));
    facts.push(format!("version {}", escape(&run.version)));
    let items: String = facts.iter().map(|fact| format!("<li>{fact}</li>")).collect();
    format!("<ul class=\"facts\">{items}</ul>\n")
}

/// What one must know before one believes the charts.
fn notes(part: &Part) -> String {
    let mut html = String::new();
    match &part.summary {
        None => html.push_str(&note(
            "bad",
            "<b>There is no summary record: this run died, or it is not over yet.</b> What follows \
             is what it had written by then.",
        )),
        Some(summary) => html.push_str(&summary_notes(part, summary)),
    }
    if part.gaps.count > 0 {
        let (gaps, seconds) = (of(part.gaps.count, "time"), duration(part.gaps.seconds));
        html.push_str(&note("odd", &format!("The source was away {gaps}, {seconds} in all.")));
    }
    if part.flat {
        html.push_str(&note(
            "",
            "These records are a box a line, so frames without any are missing: means are those of \
             the frames with detections.",
        ));
    }
    html
}

/// What the summary says went wrong.
fn summary_notes(part: &Part, summary: &Summary) -> String {
    let mut html = String::new();
    if let Some(error) = &summary.error {
        html.push_str(&note("bad", &format!("<b>It failed:</b> {}", escape(error))));
    }
    if !part.flat && summary.frames != part.frames {
        let (said, held) = (of(summary.frames, "frame"), count(part.frames));
        let text = format!("The summary speaks of {said}, the file holds {held}.");
        html.push_str(&note("odd", &text));
    }
    if summary.dropped > 0 {
        let text = format!("{} were dropped.", of(summary.dropped, "frame"));
        html.push_str(&note("odd", &text));
    }
    if !summary.failed_outputs.is_empty() {
        let names = escape(&summary.failed_outputs.join(", "));
        html.push_str(&note("odd", &format!("Outputs failed or lost records: {names}.")));
    }
    if !summary.drained {
        html.push_str(&note("odd", "Outputs were still busy when it ended."));
    }
    html
}

/// The numbers that come first.
fn tiles(part: &Part, view: Option<&View<'_>>) -> String {
    let tile = |value: String, name: &str| {
        format!("<div class=\"tile\"><b>{value}</b><span>{name}</span></div>")
    };
    let mut html = String::new();
    if let Some(length) = view.and_then(View::length) {
        html.push_str(&tile(length, "of video"));
    }
    let plural = |count: u64, one, many| if count == 1 { one } else { many };
    html.push_str(&tile(count(part.frames), plural(part.frames, "frame", "frames")));
    html.push_str(&tile(
        count(part.detections),
        plural(part.detections, "detection", "detections"),
    ));
    if let Some(view) = view {
        html.push_str(&tile(count(view.peak()), "most in a frame"));
    }
    if part.tracks.total > 0 {
        html.push_str(&tile(
            count(part.tracks.total),
            plural(part.tracks.total, "track", "tracks"),
        ));
    }
    if part.events.total > 0 {
        html.push_str(&tile(
            count(part.events.total),
            plural(part.events.total, "event", "events"),
        ));
    }
    if let Some(summary) = &part.summary {
        html.push_str(&tile(duration(summary.elapsed_s), "to compute"));
        html.push_str(&tile(number(summary.fps), "frames a second"));
        if let Some(memory) = summary.peak_memory_bytes {
            html.push_str(&tile(bytes(memory), "of memory at most"));
        }
    }
    format!("<div class=\"tiles\">{html}</div>\n")
}
