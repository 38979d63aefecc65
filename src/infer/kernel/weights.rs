//! Int8 weights, packed for the matrix product.

use tract_onnx::prelude::DatumType;

#[cfg(target_arch = "x86_64")]
use super::avx2::MAX_PAIR;
use super::{
    isa::{K_PACK, LANES},
    pack::{Layout, Operand, groups},
    simd_level::SimdLevel,
};

/// The weights of a linear layer, quantized per output channel and packed for one layout of the result.
#[derive(Debug, Clone)]
pub(crate) struct PackedWeights {
    /// Layout of the result. If channels are last, the weights are panels,
    /// `[output / 16][K group][16 outputs][4]` (or `[2][16 outputs][2]` with two-byte activations), otherwise
    /// rows, `[output][K group][4]`.
    pub(super) layout: Layout,
    pub(super) bytes: Vec<u8>,
    /// One for each output, padded to a multiple of [`LANES`], like the next two.
    pub(super) scales: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// The sum of the dequantized weights, by which the offsets of activations are multiplied.
    pub(super) sums: Vec<f32>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) level: SimdLevel,
}

impl PackedWeights {
    /// From `[output][input]` bytes, none of them -128, and a scale and a bias for each output.
    pub(crate) fn new(level: SimdLevel, layout: Layout, bytes: &[i8], scales: &[f32], bias: &[f32]) -> Self {
        let outputs = scales.len();
        let inputs = bytes.len() / outputs;
        let level = level.for_weights(|| saturates(bytes, inputs));
        let (groups, padded) = (groups(inputs), outputs.next_multiple_of(LANES));
        let mut packed = vec![0; padded * groups * K_PACK];
        let mut sums = vec![0.0; padded];
        for (output, row) in bytes.chunks_exact(inputs).enumerate() {
            sums[output] = scales[output] * row.iter().map(|byte| i32::from(*byte)).sum::<i32>() as f32;
        }
        match layout {
            Layout::ChannelsLast => {
                let panels = packed.chunks_exact_mut(groups * LANES * K_PACK);
                for (panel, rows) in panels.zip(bytes.chunks(LANES * inputs)) {
                    for (lane, row) in rows.chunks_exact(inputs).enumerate() {
                        match level.activation_bytes() {
                            1 => fill_lane::<K_PACK>(row, lane, panel),
                            _ => fill_lane::<{ K_PACK / 2 }>(row, lane, panel),
                        }
                    }
                }
            }
            Layout::ChannelsFirst => {
                let rows = bytes.chunks_exact(inputs);
                for (to, row) in packed.chunks_exact_mut(groups * K_PACK).zip(rows) {
                    for (to, byte) in to.iter_mut().zip(row) {
                        *to = byte.cast_unsigned();
                    }
                }
            }
        }
        let pad = |values: &[f32]| {
            let mut values = values.to_vec();
            values.resize(padded, 0.0);
            values
        };
        Self {
            layout,
            bytes: packed,
            scales: pad(scales),
            bias: pad(bias),
            sums,
            inputs,
            outputs,
            level,
        }
    }

    /// The same weights, repacked from a channels-first result to a channels-last one.
    pub(crate) fn to_channels_last(&self) -> Self {
        let rows = self.bytes.chunks_exact(groups(self.inputs) * K_PACK);
        let bytes: Vec<i8> = rows
            .take(self.outputs)
            .flat_map(|row| row[..self.inputs].iter().map(|byte| byte.cast_signed()))
            .collect();
        let (scales, bias) = (&self.scales[..self.outputs], &self.bias[..self.outputs]);
        Self::new(self.level, Layout::ChannelsLast, &bytes, scales, bias)
    }

    /// Layout of the result.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Which operand of the product the activations are.
    pub(crate) fn activation_operand(&self) -> Operand {
        match self.layout {
            Layout::ChannelsLast => Operand::Rows,
            Layout::ChannelsFirst => Operand::Panels,
        }
    }

    /// Number of weights.
    pub(crate) fn count(&self) -> usize {
        self.inputs * self.outputs
    }

    /// The type in which weights and activations are multiplied.
    pub(crate) fn operand_type(&self) -> DatumType {
        match self.level.activation_bytes() {
            1 => DatumType::I8,
            _ => DatumType::I16,
        }
    }

    /// The level that the weights are packed for.
    pub(crate) fn level(&self) -> SimdLevel {
        self.level
    }
}

/// Whether the products of two adjacent weights with the largest activations can overflow the 16 bits in
/// which AVX2 adds them.
fn saturates(bytes: &[i8], inputs: usize) -> bool {
    #[cfg(target_arch = "x86_64")]
    return !bytes.chunks_exact(inputs).all(pairs_fit);
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (bytes, inputs);
        false
    }
}

#[cfg(target_arch = "x86_64")]
fn pairs_fit(row: &[i8]) -> bool {
    // No early exit, so that LLVM vectorizes the loop.
    row.as_chunks::<2>().0.iter().fold(true, |fit, [a, b]| {
        let sum = i16::from(*a) + i16::from(*b);
        fit & ((*a ^ *b < 0) | (sum.unsigned_abs() <= MAX_PAIR))
    })
}

/// Writes the weights of one output into its lane of a panel, `RUN` of them side by side.
fn fill_lane<const RUN: usize>(row: &[i8], lane: usize, panel: &mut [u8]) {
    let (whole, rest) = row.as_chunks::<RUN>();
    let (runs, _) = panel.as_chunks_mut::<RUN>();
    let mut runs = runs.iter_mut().skip(lane).step_by(LANES);
    // In this order: `zip` advances its first iterator once more than its second.
    for (weights, to) in whole.iter().zip(runs.by_ref()) {
        *to = weights.map(i8::cast_unsigned);
    }
    for (to, weight) in runs.next().into_iter().flatten().zip(rest) {
        *to = weight.cast_unsigned();
    }
}
