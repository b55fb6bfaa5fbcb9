//! The card of events.

use super::about::{Event, MAX_EVENTS};
use super::sections::{View, card, meter};
use super::text::{count, duration, escape, of};

impl View<'_> {
    /// Events by kind, and the last of them.
    pub(super) fn events(&self) -> String {
        let events = &self.part.events;
        if events.total == 0 {
            return String::new();
        }
        let most = events.kinds.values().copied().max().unwrap_or(1).max(1);
        let kind = |(kind, number): (&String, &u64)| {
            format!(
                "<tr><th>{}</th><td class=\"scale\">{}</td><td>{}</td></tr>",
                escape(&kind.replace('_', " ")),
                meter(*number as f64 / most as f64, "zone"),
                count(*number)
            )
        };
        let mut kinds: Vec<_> = events.kinds.iter().collect();
        kinds.sort_by_key(|(_, number)| u64::MAX - **number);
        let kinds: String = kinds.into_iter().map(kind).collect();
        let rows: String = events.last.iter().map(|event| self.event_row(event)).collect();
        let listed = match events.total > MAX_EVENTS as u64 {
            true => format!("The last {MAX_EVENTS} of {}", of(events.total, "event")),
            false => format!("All {}", of(events.total, "event")),
        };
        let body = format!(
            "<table>{kinds}</table><details><summary>{listed}</summary><div class=\"scroll\">\
             <table class=\"list\"><thead><tr><th>when</th><th>what</th><th>where</th><th>who</th>\
             <th></th></tr></thead><tbody>{rows}</tbody></table></div></details>"
        );
        card("Events", "", &body)
    }

    fn event_row(&self, event: &Event) -> String {
        let mut who: Vec<String> = event.class.iter().map(|class| escape(class)).collect();
        who.extend(event.tracker_id.map(|id| format!("#{id}")));
        let mut more: Vec<String> = event.direction.iter().map(|way| escape(way)).collect();
        more.extend(event.seconds.map(duration));
        more.extend(event.count.map(|count| format!("{count} there")));
        more.extend(event.file.iter().map(|file| escape(file)));
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            self.time.span.label(event.position),
            escape(&event.kind.replace('_', " ")),
            event.name.as_deref().map(escape).unwrap_or_default(),
            who.join(" "),
            more.join(", ")
        )
    }
}
