//! The result of one scenario.

use std::fmt;

use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Kept,
    Broken,
    /// The fault cannot be caused on this machine.
    Impossible,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "broken",
            Self::Impossible => "impossible",
        }
    }
}

pub struct Report {
    pub number: usize,
    pub group: &'static str,
    pub name: &'static str,
    pub fault: &'static str,
    pub promise: &'static str,
    pub verdict: Verdict,
    /// What was measured, or what went wrong.
    pub measured: String,
    pub seconds: f32,
}

impl serde::Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({
            "number": self.number,
            "group": self.group,
            "name": self.name,
            "fault": self.fault,
            "promise": self.promise,
            "verdict": self.verdict.name(),
            "measured": self.measured,
            "seconds": (self.seconds * 10.0).round() / 10.0,
        })
        .serialize(serializer)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            group,
            name,
            fault,
            promise,
            measured,
            seconds,
            ..
        } = self;
        write!(
            f,
            "{:10} {number:2} {group} {name}, {seconds:.1} s: {fault} -> {promise}\n              {measured}",
            self.verdict.name()
        )
    }
}
