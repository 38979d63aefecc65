//! How long each stage took since the start: cumulative histograms with few, fixed buckets, from which a
//! monitoring system computes rates and percentiles over any period.

use std::time::Duration;

use super::Stage;

/// Upper bounds of the buckets, in microseconds. The last bucket has none.
const BOUNDS_US: [u64; 13] = [
    100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
];

/// The durations of one stage since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct StageTotal {
    /// Durations that are longer than the previous bound and at most as long as this one.
    counts: [u64; BOUNDS_US.len()],
    /// All durations.
    count: u64,
    sum: Duration,
}

impl StageTotal {
    fn record(&mut self, elapsed: Duration) {
        let within = |bound: &u64| elapsed <= Duration::from_micros(*bound);
        if let Some(bucket) = BOUNDS_US.iter().position(within) {
            self.counts[bucket] += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(elapsed);
    }

    /// Each bound, and how many durations were at most as long.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut below = 0;
        BOUNDS_US.iter().zip(self.counts).map(move |(bound, count)| {
            below += count;
            (Duration::from_micros(*bound), below)
        })
    }

    /// Number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

/// The durations of all stages since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct StageTotals([StageTotal; Stage::ALL.len()]);

impl StageTotals {
    /// Records that `stage` took `elapsed`.
    pub fn record(&mut self, stage: Stage, elapsed: Duration) {
        self.0[stage as usize].record(elapsed);
    }

    /// The durations of one stage.
    #[must_use]
    pub fn of(&self, stage: Stage) -> &StageTotal {
        &self.0[stage as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_include_their_bound() {
        let mut totals = StageTotals::default();
        for us in [50, 100, 101, 2_500, 9_000_000] {
            totals.record(Stage::Detect, Duration::from_micros(us));
        }
        let total = totals.of(Stage::Detect);
        let at_most = |us| {
            total
                .buckets()
                .find(|(bound, _)| *bound == Duration::from_micros(us))
        };
        let counts = [100, 500, 1_000, 2_500, 5_000_000].map(|us| at_most(us).map(|(_, count)| count));
        assert_eq!(counts, [2, 3, 3, 4, 4].map(Some));
        assert_eq!(
            (total.count(), total.sum()),
            (5, Duration::from_micros(9_002_751))
        );
        assert_eq!(totals.of(Stage::Decode).count(), 0);
    }
}
