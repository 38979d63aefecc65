//! The Prometheus text exposition format, version 0.0.4.

use std::fmt::Write as _;

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only increases, until a restart. Its name ends in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Cumulative counts by upper bound, with sum and count.
    Histogram,
}

/// A label's name and value.
pub type Label<'a> = (&'a str, &'a str);

/// Builds the text metric by metric.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    /// The metric whose samples follow.
    name: &'static str,
}

impl Exposition {
    /// Begins a metric: its samples follow. Names end in the unit (`_seconds`, `_bytes`, `_celsius`,
    /// `_ratio`).
    pub fn metric(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.name = name;
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample to the current metric.
    pub fn sample(&mut self, labels: &[Label<'_>], value: f64) {
        self.line("", labels, value);
    }

    /// Adds a metric with a single sample without labels. A metric without a known value is omitted rather
    /// than reported as 0.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into() {
            self.metric(name, kind, help);
            self.sample(&[], value);
        }
    }

    /// Adds a histogram with this label to the current metric. `buckets` are upper bounds in ascending order
    /// with the number of values up to each.
    pub fn histogram(
        &mut self,
        label: Label<'_>,
        buckets: impl Iterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        for (bound, below) in buckets {
            let bound = bound.to_string();
            self.line("_bucket", &[label, ("le", &bound)], below as f64);
        }
        self.line("_bucket", &[label, ("le", "+Inf")], count as f64);
        self.line("_sum", &[label], sum);
        self.line("_count", &[label], count as f64);
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], value: f64) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            let separator = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{separator}{name}=\"");
            self.push_escaped(value);
            self.text.push('"');
        }
        let end = if labels.is_empty() { " " } else { "} " };
        let _ = writeln!(self.text, "{end}{value}");
    }

    /// Backslash, quote and line end are escaped in a label's value.
    fn push_escaped(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_their_metric() {
        let mut text = Exposition::default();
        text.metric("affectd_x_total", Kind::Counter, "Things.");
        text.sample(&[("a", "1"), ("b", "say \"\\\n\"")], 3.0);
        text.single("affectd_y_ratio", Kind::Gauge, "A share.", 0.25);
        text.single("affectd_z", Kind::Gauge, "Not known.", None);
        text.metric("affectd_t_seconds", Kind::Histogram, "Times.");
        text.histogram(("stage", "detect"), [(0.001, 1), (0.5, 3)].into_iter(), 4, 9.5);
        assert_eq!(
            text.finish(),
            "# HELP affectd_x_total Things.\n\
             # TYPE affectd_x_total counter\n\
             affectd_x_total{a=\"1\",b=\"say \\\"\\\\\\n\\\"\"} 3\n\
             # HELP affectd_y_ratio A share.\n\
             # TYPE affectd_y_ratio gauge\n\
             affectd_y_ratio 0.25\n\
             # HELP affectd_t_seconds Times.\n\
             # TYPE affectd_t_seconds histogram\n\
             affectd_t_seconds_bucket{stage=\"detect\",le=\"0.001\"} 1\n\
             affectd_t_seconds_bucket{stage=\"detect\",le=\"0.5\"} 3\n\
             affectd_t_seconds_bucket{stage=\"detect\",le=\"+Inf\"} 4\n\
             affectd_t_seconds_sum{stage=\"detect\"} 9.5\n\
             affectd_t_seconds_count{stage=\"detect\"} 4\n"
        );
    }
}
