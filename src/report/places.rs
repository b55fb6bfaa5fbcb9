//! The cards of zones and lines.

use super::bars;
use super::charts::Layer;
use super::sections::{View, card};
use super::text::{count, duration, escape, of};

impl View<'_> {
    /// Each zone: how many were in it over time, and for how long they stayed.
    pub(super) fn zones(&self) -> String {
        let zones = self.part.zones.list().iter().enumerate();
        let cards: String = zones.map(|(number, name)| self.zone(number, name)).collect();
        cards + &left_out(self.part.zones.refused, "zones")
    }

    fn zone(&self, number: usize, name: &str) -> String {
        let entered = self.part.entered.get(number).copied().unwrap_or(0);
        let hint =
            if entered > 0 { format!("Entered {}.", of(entered, "time")) } else { String::new() };
        let mut html = String::new();
        if !self.part.flat {
            let chart = self.occupancy(number, name);
            html.push_str(&card(&format!("Zone {}", escape(name)), &hint, &chart));
        }
        if let Some(stays) = self.part.dwell.get(number).filter(|stays| stays.count > 0) {
            let hint = format!(
                "{} ended: median about {}, mean {}, longest {}.",
                of(stays.count, "stay"),
                duration(stays.median_s().unwrap_or(0.0)),
                duration(stays.mean_s().unwrap_or(0.0)),
                duration(stays.max_s),
            );
            let title = format!("Stays in zone {}", escape(name));
            html.push_str(&card(&title, &hint, &bars::dwell(stays, name)));
        }
        html
    }

    fn occupancy(&self, number: usize, name: &str) -> String {
        let tally = |bin: &super::tally::Bin| bin.zones.get(number).copied().unwrap_or_default();
        let most: Vec<u64> = self.cells().iter().map(|bin| tally(bin).max).collect();
        let means = self.cells().iter().map(|bin| (bin.frames > 0).then(|| bin.mean(tally(bin))));
        let values = means.collect();
        let layer = Layer { name: "mean".into(), paint: "zone".into(), values };
        let label = format!("Tracks in zone {name} over time");
        self.time.areas(&label, &[layer], &most, "tracks in the zone", 150)
    }

    /// Each line: how often it was crossed until then.
    pub(super) fn lines(&self) -> String {
        let lines = self.part.lines.list().iter().enumerate();
        let cards: String = lines.map(|(number, name)| self.line(number, name)).collect();
        cards + &left_out(self.part.lines.refused, "lines")
    }

    fn line(&self, number: usize, name: &str) -> String {
        let until = |value: fn(&super::tally::Passed) -> u64| {
            let mut so_far = 0;
            let values = self.cells().iter().map(|bin| {
                so_far = so_far.max(bin.lines.get(number).map_or(0, value));
                Some(so_far as f64)
            });
            values.collect()
        };
        let layers = [
            Layer { name: "in".into(), paint: "in".into(), values: until(|line| line.count_in) },
            Layer { name: "out".into(), paint: "out".into(), values: until(|line| line.count_out) },
        ];
        let label = format!("Crossings of line {name} until then");
        let chart = self.time.lines(&label, &layers, "crossings until then", 200);
        let passed = self.part.passed.get(number).copied().unwrap_or_default();
        let keys = format!(
            "<p class=\"keys\"><span><i class=\"in\"></i>in <b>{}</b></span><span><i class=\"out\"></i>\
             out <b>{}</b></span></p>",
            count(passed.count_in),
            count(passed.count_out)
        );
        card(&format!("Line {}", escape(name)), "", &(keys + &chart))
    }
}

/// Says that there were more than are shown.
fn left_out(refused: u64, what: &str) -> String {
    if refused == 0 {
        return String::new();
    }
    card(&format!("More {what}"), "There are more than fit here.", "")
}
