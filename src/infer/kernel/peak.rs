//! What this processor's arithmetic reaches at most, in one thread.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use super::{
    activate::Activation,
    isa::{Best, Isa, LANES, Work},
    pack::{Before, Order, Packed, View, pack},
    qgemm::{Finish, product},
    weights::Weights,
};

/// Products that are added up in a second, in one thread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Of floats, in registers.
    pub floats: f64,
    /// Of integers, by this project's own kernel on a layer that lies in the nearest caches.
    pub integers: f64,
}

/// Chains of sums that do not wait for each other: enough for the latency of an addition.
const CHAINS: usize = 6;

/// Links of each chain that are timed at once.
const LENGTH: usize = 1 << 14;

/// Repetitions, of which the fastest counts: the machine may be busy with other things.
const RUNS: usize = 40;

/// Positions, inputs and outputs of the layer.
const LAYER: [usize; 3] = [60, 512, 64];

impl Best {
    /// Measures; takes some milliseconds.
    pub(crate) fn peak(self) -> Peak {
        let floats = self.run(Chains);
        let [positions, channels, outputs] = LAYER;
        let bytes = vec![1; channels * outputs];
        let ones = vec![1.0; outputs];
        let weights = Weights::new(self, Order::ChannelsInner, &bytes, &ones, &ones);
        let numbers = vec![1.0; positions * channels];
        let view = View {
            numbers: &numbers,
            order: Order::ChannelsInner,
            positions,
            channels,
            before: Before::Nothing,
        };
        let mut packed = Packed::default();
        pack(self, view, weights.wants_lanes(), &mut packed);
        let finish = Finish::Activate(Activation::Identity);
        let mut results = vec![0.0; positions * outputs];
        let integers = fastest(|| product(&weights, &mut packed, positions, finish, &mut results));
        Peak {
            floats: (CHAINS * LENGTH * LANES) as f64 / floats.as_secs_f64(),
            integers: (positions * channels * outputs) as f64 / integers.as_secs_f64(),
        }
    }
}

fn fastest(mut work: impl FnMut()) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        work();
        fastest = fastest.min(start.elapsed());
    }
    fastest
}

struct Chains;

impl Work for Chains {
    type Output = Duration;

    #[inline(always)]
    fn run<I: Isa>(self) -> Duration {
        let mut fastest = Duration::MAX;
        for _ in 0..RUNS {
            let start = Instant::now();
            let mut sums = [I::splat(black_box(1.0)); CHAINS];
            let factor = I::splat(black_box(0.5));
            for _ in 0..LENGTH {
                for sum in &mut sums {
                    *sum = I::multiply_add(*sum, factor, factor);
                }
            }
            for sum in sums {
                let mut last = [0.0; LANES];
                I::store(sum, &mut last);
                black_box(last);
            }
            fastest = fastest.min(start.elapsed());
        }
        fastest
    }
}
