//! Measures the peak arithmetic throughput, as a roofline for a profile.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use super::{
    activate::Activation,
    isa::{Isa, LANES, SimdOp},
    pack::{ActivationView, Layout, PackedActivations, Prologue, pack},
    qgemm::{Epilogue, qgemm},
    simd_level::SimdLevel,
    weights::PackedWeights,
};

/// Multiply-accumulates per second, in one thread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Of floats, in registers.
    pub floats: f64,
    /// Of integers, by the int8 matrix product on a layer that fits the L1 and L2 caches.
    pub integers: f64,
}

/// Independent chains of multiply-adds, enough to hide the latency of one.
const CHAINS: usize = 6;

/// Multiply-adds of each chain in one measurement.
const LENGTH: usize = 1 << 14;

/// Number of measurements. The fastest counts, because the machine may be busy with other work.
const RUNS: usize = 40;

/// Tokens, input and output channels of the layer.
const LAYER: [usize; 3] = [60, 512, 64];

impl SimdLevel {
    /// Measures the peak throughput, which takes some milliseconds.
    #[must_use]
    pub fn peak(self) -> Peak {
        let floats = self.dispatch(Chains);
        let [tokens, channels, outputs] = LAYER;
        let bytes = vec![1; channels * outputs];
        let ones = vec![1.0; outputs];
        let weights = PackedWeights::new(self, Layout::ChannelsLast, &bytes, &ones, &ones);
        let values = vec![1.0; tokens * channels];
        let view = ActivationView {
            values: &values,
            layout: Layout::ChannelsLast,
            tokens,
            channels,
            prologue: Prologue::None,
        };
        let mut packed = PackedActivations::default();
        pack(self, view, weights.activation_operand(), &mut packed);
        let epilogue = Epilogue::Activation(Activation::Identity);
        let mut results = vec![0.0; tokens * outputs];
        let integers = fastest(|| qgemm(&weights, &mut packed, tokens, epilogue, &mut results));
        Peak {
            floats: (CHAINS * LENGTH * LANES) as f64 / floats.as_secs_f64(),
            integers: (tokens * channels * outputs) as f64 / integers.as_secs_f64(),
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

impl SimdOp for Chains {
    type Output = Duration;

    // Does not use `fastest`: a closure that is not inlined is not compiled for the instruction set.
    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> Duration {
        let mut fastest = Duration::MAX;
        for _ in 0..RUNS {
            let start = Instant::now();
            let mut sums = [isa.splat(black_box(1.0)); CHAINS];
            let factor = isa.splat(black_box(0.5));
            for _ in 0..LENGTH {
                for sum in &mut sums {
                    *sum = isa.mul_add(*sum, factor, factor);
                }
            }
            for sum in sums {
                let mut last = [0.0; LANES];
                isa.store(sum, &mut last);
                black_box(last);
            }
            fastest = fastest.min(start.elapsed());
        }
        fastest
    }
}
