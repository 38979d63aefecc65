//! Quantized weights, laid out for products.

use tract_onnx::prelude::DatumType;

#[cfg(target_arch = "x86_64")]
use super::x86::MOST_OF_PAIR;
use super::{
    isa::{Best, DEPTH, LANES},
    pack::{Order, groups},
};

/// The weights of a linear layer, quantized and laid out for one order of the result.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    /// Of the result. With channels inner the weights are lanes, `[output / 16][group of inputs][16
    /// outputs][4]` (or `[2][16 outputs][2]` where an activation has two bytes), otherwise rows,
    /// `[output][group][4]`.
    pub(super) order: Order,
    pub(super) bytes: Vec<u8>,
    /// From here on one for each output, filled up to whole sixteens.
    pub(super) scales: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// The sum of the weights, which the offsets of activations are multiplied with.
    pub(super) sums: Vec<f32>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) isa: Best,
}

impl Weights {
    /// From `[output][input]` bytes, none of them -128, and a scale and a bias for each output.
    pub(crate) fn new(isa: Best, order: Order, bytes: &[i8], scales: &[f32], bias: &[f32]) -> Self {
        let outputs = scales.len();
        let inputs = bytes.len() / outputs;
        let isa = isa.for_weights(bytes, inputs);
        let (groups, padded) = (groups(inputs), outputs.next_multiple_of(LANES));
        let mut packed = vec![0; padded * groups * DEPTH];
        let mut sums = vec![0.0; padded];
        for (output, row) in bytes.chunks_exact(inputs).enumerate() {
            sums[output] = scales[output] * row.iter().map(|byte| i32::from(*byte)).sum::<i32>() as f32;
        }
        match order {
            Order::ChannelsInner => {
                let panels = packed.chunks_exact_mut(groups * LANES * DEPTH);
                for (panel, rows) in panels.zip(bytes.chunks(LANES * inputs)) {
                    for (lane, row) in rows.chunks_exact(inputs).enumerate() {
                        match isa.activation_bytes() {
                            1 => fill_lane::<DEPTH>(row, lane, panel),
                            _ => fill_lane::<{ DEPTH / 2 }>(row, lane, panel),
                        }
                    }
                }
            }
            Order::PositionsInner => {
                let rows = bytes.chunks_exact(inputs);
                for (to, row) in packed.chunks_exact_mut(groups * DEPTH).zip(rows) {
                    for (to, byte) in to.iter_mut().zip(row) {
                        *to = byte.cast_unsigned();
                    }
                }
            }
        }
        let fill = |numbers: &[f32]| {
            let mut numbers = numbers.to_vec();
            numbers.resize(padded, 0.0);
            numbers
        };
        Self {
            order,
            bytes: packed,
            scales: fill(scales),
            bias: fill(bias),
            sums,
            inputs,
            outputs,
            isa,
        }
    }

    /// The same for results with the other order, the channels innermost.
    pub(crate) fn channels_inner(&self) -> Self {
        let rows = self.bytes.chunks_exact(groups(self.inputs) * DEPTH);
        let bytes: Vec<i8> = rows
            .take(self.outputs)
            .flat_map(|row| row[..self.inputs].iter().map(|byte| byte.cast_signed()))
            .collect();
        let (scales, bias) = (&self.scales[..self.outputs], &self.bias[..self.outputs]);
        Self::new(self.isa, Order::ChannelsInner, &bytes, scales, bias)
    }

    /// Of the result.
    pub(crate) fn order(&self) -> Order {
        self.order
    }

    /// Whether activations are to be packed as lanes.
    pub(crate) fn wants_lanes(&self) -> bool {
        self.order == Order::PositionsInner
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.inputs * self.outputs
    }

    /// What they and the activations are when they are multiplied.
    pub(crate) fn factors(&self) -> DatumType {
        match self.isa.activation_bytes() {
            1 => DatumType::I8,
            _ => DatumType::I16,
        }
    }

    pub(crate) fn isa(&self) -> Best {
        self.isa
    }
}

impl Best {
    /// The instructions for these weights, `inputs` of each output, where this would be the best for others.
    pub(super) fn for_weights(self, bytes: &[i8], inputs: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Avx2Bytes && !bytes.chunks_exact(inputs).all(pairs_fit) {
            return Self::Avx2;
        }
        let _ = (bytes, inputs);
        self
    }
}

/// Whether the products of the weights of an output with the largest activations can be added in pairs in sixteen bits.
#[cfg(target_arch = "x86_64")]
fn pairs_fit(row: &[i8]) -> bool {
    // Without a way out, so that the compiler vectorises it.
    row.as_chunks::<2>().0.iter().fold(true, |fit, [a, b]| {
        let sum = i16::from(*a) + i16::from(*b);
        fit & ((*a ^ *b < 0) | (sum.unsigned_abs() <= MOST_OF_PAIR))
    })
}

/// Writes the weights of one output into its lane of a panel, so many side by side.
fn fill_lane<const SIDE: usize>(row: &[i8], lane: usize, panel: &mut [u8]) {
    let (whole, rest) = row.as_chunks::<SIDE>();
    let (places, _) = panel.as_chunks_mut::<SIDE>();
    let mut places = places.iter_mut().skip(lane).step_by(LANES);
    // In this order: `zip` takes one more of the first.
    for (weights, to) in whole.iter().zip(places.by_ref()) {
        *to = weights.map(i8::cast_unsigned);
    }
    for (to, weight) in places.next().into_iter().flatten().zip(rest) {
        *to = weight.cast_unsigned();
    }
}
