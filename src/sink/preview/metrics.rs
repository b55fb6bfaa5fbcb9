//! Numbers for Prometheus, in its text format 0.0.4.

use std::fmt::Write;

/// Gives the numbers of the pipeline each time that `/metrics` is read.
pub trait Measures: Send + Sync {
    /// Writes them.
    fn write(&self, to: &mut Exposition);
}

/// Labels of a number: names and values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// The text that Prometheus reads. A metric is begun with its kind, then its samples follow.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    name: String,
}

impl Exposition {
    /// Begins a metric that only grows; its name ends with `_total`.
    pub fn counter(&mut self, name: &str, help: &str) -> &mut Self {
        self.begin(name, "counter", help)
    }

    /// Begins a metric that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str) -> &mut Self {
        self.begin(name, "gauge", help)
    }

    /// Begins a metric of [`quantiles`](Self::quantiles).
    pub fn summary(&mut self, name: &str, help: &str) -> &mut Self {
        self.begin(name, "summary", help)
    }

    /// Begins a metric of [`buckets`](Self::buckets).
    pub fn histogram(&mut self, name: &str, help: &str) -> &mut Self {
        self.begin(name, "histogram", help)
    }

    /// Adds a number.
    pub fn sample(&mut self, labels: Labels<'_>, value: f64) -> &mut Self {
        self.line("", labels, None, value)
    }

    /// Adds quantiles, each with its value, of numbers with this sum and count.
    pub fn quantiles(
        &mut self,
        labels: Labels<'_>,
        quantiles: &[(f64, f64)],
        sum: f64,
        count: u64,
    ) -> &mut Self {
        for (quantile, value) in quantiles {
            self.line("", labels, Some(("quantile", *quantile)), *value);
        }
        self.line("_sum", labels, None, sum).line("_count", labels, None, count as f64)
    }

    /// Adds buckets, each an upper bound and how many numbers are not above it, of numbers with
    /// this sum and count. The bucket without a bound follows by itself.
    pub fn buckets(
        &mut self,
        labels: Labels<'_>,
        buckets: &[(f64, u64)],
        sum: f64,
        count: u64,
    ) -> &mut Self {
        for (bound, below) in buckets {
            self.line("_bucket", labels, Some(("le", *bound)), *below as f64);
        }
        self.line("_bucket", labels, Some(("le", f64::INFINITY)), count as f64)
            .line("_sum", labels, None, sum)
            .line("_count", labels, None, count as f64)
    }

    /// The whole text.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn begin(&mut self, name: &str, kind: &str, help: &str) -> &mut Self {
        self.name = name.into();
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        self
    }

    fn line(
        &mut self,
        ending: &str,
        labels: Labels<'_>,
        bound: Option<(&str, f64)>,
        value: f64,
    ) -> &mut Self {
        let label = |(name, value): &(&str, &str)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        };
        let bound = bound.map(|(name, bound)| format!("{name}=\"{}\"", number(bound)));
        let labels: Vec<String> = labels.iter().map(label).chain(bound).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing to a string does not fail.
        writeln!(self.text, "{}{ending}{labels} {}", self.name, number(value)).ok();
        self
    }
}

/// A number in Prometheus's spelling.
fn number(value: f64) -> String {
    match value {
        v if v.is_nan() => "NaN".into(),
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        v => v.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_their_kind_and_labels_are_escaped() {
        let mut out = Exposition::default();
        out.counter("a_total", "Two\nlines.").sample(&[("source", "a\"b\\c\nd")], 2.0);
        out.summary("b_seconds", "B.").quantiles(&[("stage", "x")], &[(0.5, 0.25)], 1.5, 3);
        out.histogram("c_seconds", "C.").buckets(&[], &[(0.1, 2)], 0.3, 4);
        let expected = "# HELP a_total Two\\nlines.\n# TYPE a_total counter\n\
            a_total{source=\"a\\\"b\\\\c\\nd\"} 2\n\
            # HELP b_seconds B.\n# TYPE b_seconds summary\n\
            b_seconds{stage=\"x\",quantile=\"0.5\"} 0.25\n\
            b_seconds_sum{stage=\"x\"} 1.5\nb_seconds_count{stage=\"x\"} 3\n\
            # HELP c_seconds C.\n# TYPE c_seconds histogram\n\
            c_seconds_bucket{le=\"0.1\"} 2\nc_seconds_bucket{le=\"+Inf\"} 4\n\
            c_seconds_sum 0.3\nc_seconds_count 4\n";
        assert_eq!(out.into_text(), expected);
        assert_eq!(number(f64::NAN), "NaN");
    }
}
