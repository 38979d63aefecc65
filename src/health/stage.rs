//! How long each stage takes for a frame: histograms of fixed size, recorded without allocation.
//!
//! # Buckets
//! Log-linear: one bucket below 512 ns, then 32 equal buckets for each power of two up to 2^36 ns (68 s), and
//! one bucket above. A value is reported as the middle of its bucket, so its error is at most half a bucket,
//! 1.6 %, from 1 µs to 60 s. This is the layout of HDR histograms (G. Tene, hdrhistogram.org) with a fixed
//! range.
//!
//! # Window
//! Summaries describe the last minutes. There are two windows, the current and the previous one, and a
//! summary is over both. When the current window has passed, it becomes the previous one. A summary therefore
//! covers between one and two windows of time, each measurement counts fully until it is dropped, and the
//! histograms never grow.

use std::time::Duration;

/// Powers of two that are divided into buckets: from 2^9 ns (0.5 µs) to 2^36 ns (68 s).
const FIRST_POWER: u32 = 9;
const LAST_POWER: u32 = 36;

/// Base-2 logarithm of the number of buckets for each power of two.
const PART_BITS: u32 = 5;

/// All durations below this many nanoseconds share one bucket.
const LOW: u64 = 1 << FIRST_POWER;

/// One bucket below the range, 32 for each power of two, one above.
const BUCKETS: usize = (((LAST_POWER - FIRST_POWER) << PART_BITS) + 2) as usize;

/// The stages that a frame passes through, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From the capture of a frame until sensing starts on it.
    Wait,
    /// The camera's format to RGB.
    Decode,
    /// Detecting faces in the whole picture.
    Detect,
    /// Detecting each tracked face in its surroundings.
    Follow,
    /// Cropping a face and running the expression network on it.
    Classify,
    /// Assigning faces to tracks.
    Track,
    /// Smoothing over time and choosing labels.
    Smooth,
    /// Handing the report to the sink.
    Publish,
    /// From the capture of a frame until its report has been handed to the sink.
    Total,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Wait,
        Self::Decode,
        Self::Detect,
        Self::Follow,
        Self::Classify,
        Self::Track,
        Self::Smooth,
        Self::Publish,
        Self::Total,
    ];

    /// The published name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Decode => "decode",
            Self::Detect => "detect",
            Self::Follow => "follow",
            Self::Classify => "classify",
            Self::Track => "track",
            Self::Smooth => "smooth",
            Self::Publish => "publish",
            Self::Total => "total",
        }
    }
}

/// The durations of one stage over the last one to two windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Measurements.
    pub count: u64,
    /// Their sum, exact.
    pub total: Duration,
    /// Half of them took at most this long (within 1.6 %).
    pub p50: Duration,
    /// 95 % took at most this long (within 1.6 %).
    pub p95: Duration,
    /// 99 % took at most this long (within 1.6 %).
    pub p99: Duration,
    /// The longest, exact.
    pub max: Duration,
}

/// The latency histograms of all stages, about 64 KiB that never grow.
#[derive(Debug, Clone)]
pub struct StageTimes {
    window: Duration,
    started: Duration,
    current: Box<[Histogram]>,
    previous: Box<[Histogram]>,
}

impl StageTimes {
    /// Empty histograms whose summaries cover the last one to two `window`s; [`Duration::MAX`] keeps
    /// everything.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            started: Duration::ZERO,
            current: empty(),
            previous: empty(),
        }
    }

    /// Records that `stage` took `elapsed`, at the monotonic time `now`.
    pub fn record(&mut self, now: Duration, stage: Stage, elapsed: Duration) {
        self.rotate(now);
        self.current[stage as usize].record(elapsed);
    }

    /// The summary of `stage`, or `None` if nothing was recorded in the last one to two windows before `now`.
    pub fn summary(&mut self, now: Duration, stage: Stage) -> Option<Summary> {
        self.rotate(now);
        summarize(&self.current[stage as usize], &self.previous[stage as usize])
    }

    /// Drops measurements that are too old for a summary at `now`.
    fn rotate(&mut self, now: Duration) {
        let age = now.saturating_sub(self.started);
        if age < self.window {
            return;
        }
        std::mem::swap(&mut self.current, &mut self.previous);
        self.current.fill(Histogram::EMPTY);
        if age >= self.window.saturating_mul(2) {
            self.previous.fill(Histogram::EMPTY);
        }
        self.started = now;
    }
}

/// A histogram for each stage.
fn empty() -> Box<[Histogram]> {
    vec![Histogram::EMPTY; Stage::ALL.len()].into_boxed_slice()
}

/// Counts of durations by bucket.
#[derive(Debug, Clone, Copy)]
struct Histogram {
    counts: [u32; BUCKETS],
    total: Duration,
    max: Duration,
}

impl Histogram {
    /// Nothing recorded.
    const EMPTY: Self = Self {
        counts: [0; BUCKETS],
        total: Duration::ZERO,
        max: Duration::ZERO,
    };

    fn record(&mut self, elapsed: Duration) {
        let count = &mut self.counts[bucket(elapsed)];
        *count = count.saturating_add(1);
        self.total = self.total.saturating_add(elapsed);
        self.max = self.max.max(elapsed);
    }
}

/// The bucket in which a duration is counted.
fn bucket(elapsed: Duration) -> usize {
    let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    if nanos < LOW {
        return 0;
    }
    let power = nanos.ilog2();
    if power >= LAST_POWER {
        return BUCKETS - 1;
    }
    let part = (nanos >> (power - PART_BITS)) - (1 << PART_BITS);
    let powers = u64::from(power - FIRST_POWER);
    1 + ((powers << PART_BITS) + part) as usize
}

/// The middle of a bucket.
fn middle(bucket: usize) -> Duration {
    let Some(place) = (bucket as u64).checked_sub(1) else {
        return Duration::from_nanos(LOW / 2);
    };
    let shift = FIRST_POWER - PART_BITS + (place >> PART_BITS) as u32;
    let part = (1 << PART_BITS) + (place & ((1 << PART_BITS) - 1));
    Duration::from_nanos((part << shift) + (1 << shift) / 2)
}

/// The summary over two histograms.
fn summarize(a: &Histogram, b: &Histogram) -> Option<Summary> {
    let counts = || {
        a.counts
            .iter()
            .zip(&b.counts)
            .map(|(a, b)| u64::from(*a) + u64::from(*b))
    };
    let count: u64 = counts().sum();
    if count == 0 {
        return None;
    }
    let max = a.max.max(b.max);
    // Nearest rank: the smallest value that at least `percent` % of the values do not exceed.
    let percentile = |percent: u64| {
        let rank = (count * percent).div_ceil(100);
        let mut below = 0;
        let at = counts().position(|n| {
            below += n;
            below >= rank
        });
        // The last bucket has no upper end, and no value exceeds the maximum.
        match at {
            Some(bucket) if bucket + 1 < BUCKETS => middle(bucket).min(max),
            _ => max,
        }
    };
    Some(Summary {
        count,
        total: a.total.saturating_add(b.total),
        p50: percentile(50),
        p95: percentile(95),
        p99: percentile(99),
        max,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// The nearest-rank percentile of a sorted list.
    fn nearest_rank(sorted: &[u64], percent: usize) -> u64 {
        sorted[(sorted.len() * percent).div_ceil(100) - 1]
    }

    fn close(found: Duration, nanos: u64) -> bool {
        (found.as_nanos() as f64 / nanos as f64 - 1.0).abs() <= 0.016
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_samples(
            // Uniform over the powers of ten from 1 µs to 60 s.
            exponents in prop::collection::vec(3.0..10.778_f64, 1..400),
        ) {
            let mut nanos: Vec<u64> = exponents.iter().map(|e| 10_f64.powf(*e) as u64).collect();
            let mut times = StageTimes::new(Duration::MAX);
            for nanos in &nanos {
                times.record(Duration::ZERO, Stage::Detect, Duration::from_nanos(*nanos));
            }
            nanos.sort_unstable();
            let summary = times.summary(Duration::ZERO, Stage::Detect).unwrap();
            prop_assert_eq!(summary.count, nanos.len() as u64);
            prop_assert_eq!(summary.total, Duration::from_nanos(nanos.iter().sum()));
            prop_assert_eq!(summary.max, Duration::from_nanos(*nanos.last().unwrap()));
            for (found, percent) in [(summary.p50, 50), (summary.p95, 95), (summary.p99, 99)] {
                let expected = nearest_rank(&nanos, percent);
                prop_assert!(close(found, expected), "p{percent}: {found:?} instead of {expected} ns");
            }
        }

        #[test]
        fn every_duration_has_a_bucket(seconds in any::<u64>(), nanos in 0..1_000_000_000_u32) {
            prop_assert!(bucket(Duration::new(seconds, nanos)) < BUCKETS);
        }
    }

    #[test]
    fn buckets_are_contiguous() {
        assert_eq!(bucket(Duration::from_nanos(LOW - 1)), 0);
        assert_eq!(bucket(Duration::from_nanos(LOW)), 1);
        for i in 1..BUCKETS - 1 {
            assert_eq!(bucket(middle(i)), i);
            assert!(middle(i - 1) < middle(i));
        }
        assert_eq!(bucket(Duration::from_nanos((1 << LAST_POWER) - 1)), BUCKETS - 2);
        assert_eq!(bucket(Duration::from_nanos(1 << LAST_POWER)), BUCKETS - 1);
    }

    #[test]
    fn old_measurements_are_dropped_after_two_windows() {
        let mut times = StageTimes::new(WINDOW);
        let count = |times: &mut StageTimes, now: u64| {
            times
                .summary(Duration::from_secs(now), Stage::Decode)
                .map_or(0, |s| s.count)
        };
        times.record(Duration::from_secs(1), Stage::Decode, ms(5));
        assert_eq!(count(&mut times, 59), 1);
        times.record(Duration::from_secs(61), Stage::Decode, ms(7));
        assert_eq!(count(&mut times, 119), 2);
        assert_eq!(count(&mut times, 125), 1);
        let summary = times.summary(Duration::from_secs(125), Stage::Decode).unwrap();
        assert_eq!(summary.max, ms(7));
        assert_eq!(count(&mut times, 500), 0);
    }

    #[test]
    fn stages_are_counted_separately() {
        let mut times = StageTimes::new(WINDOW);
        for (i, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, i);
            for _ in 0..=i {
                times.record(Duration::ZERO, stage, ms(1 + i as u64));
            }
        }
        for (i, stage) in Stage::ALL.into_iter().enumerate() {
            let summary = times.summary(Duration::ZERO, stage).unwrap();
            assert_eq!(summary.count, 1 + i as u64);
            assert_eq!(summary.max, ms(1 + i as u64));
        }
    }

    #[test]
    fn durations_beyond_the_range_are_reported_as_the_maximum() {
        let mut times = StageTimes::new(WINDOW);
        times.record(Duration::ZERO, Stage::Publish, Duration::from_secs(100));
        let summary = times.summary(Duration::ZERO, Stage::Publish).unwrap();
        assert_eq!(
            (summary.p50, summary.max),
            (Duration::from_secs(100), Duration::from_secs(100))
        );
    }
}
