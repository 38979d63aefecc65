//! Runs depthwise convolutions of three by three pixels row by row.
//!
//! tract walks them pixel by pixel, and the activation behind once more. Here a plane is copied into a frame of
//! zeros, its columns parted where every second one is left out, so that each output row is nine scaled rows.

use tract_onnx::{
    prelude::{Datum, DatumType, OutletId, TVec, TractResult, TypedModel, TypedModelPatch, TypedNode},
    tract_core::ops::{cnn::Conv, nn::DataFormat},
};

use super::{
    kernel::{Activation, Best, Isa, LANES, Work, activate, sixteen},
    linear::activation_behind,
    operator::{Compute, Operator, Scratch},
};

/// Numbers that are activated together: they are still in the nearest cache.
const BLOCK: usize = 1024;

/// A depthwise convolution, three by three, with one pixel of zeros around the picture.
#[derive(Debug)]
struct Depthwise {
    isa: Best,
    /// Nine weights and the bias of each channel.
    kernels: Box<[[f32; 10]]>,
    activation: Activation,
    height: usize,
    width: usize,
    /// One or two.
    stride: usize,
}

/// Replaces every convolution of this kind of a decluttered model; returns how many.
pub(super) fn convolve_by_rows(model: &mut TypedModel, isa: Best) -> TractResult<usize> {
    let mut replaced = 0;
    // A patch leaves the ids of other nodes as they are, and adds new ones at the end.
    for node in 0..model.nodes().len() {
        if let Some((convolution, last)) = find(model, model.node(node), isa) {
            let mut patch = TypedModelPatch::default();
            let input = patch.tap_model(model, model.node(node).inputs[0])?;
            let name = format!("{}.depthwise", model.node(last).name);
            let output = patch.wire_node(name, convolution, &[input])?;
            patch.shunt_outside(model, last.into(), output[0])?;
            patch.apply(model)?;
            replaced += 1;
        }
    }
    Ok(replaced)
}

/// The convolution of this node, and the last node that it stands for.
fn find(model: &TypedModel, node: &TypedNode, isa: Best) -> Option<(Operator<Depthwise>, usize)> {
    let conv = node.op_as::<Conv>()?;
    let shape = |outlet: OutletId| {
        model
            .outlet_fact(outlet)
            .ok()?
            .shape
            .as_concrete()
            .map(TVec::from)
    };
    let (from, to) = (shape(node.inputs[0])?, shape(node.id.into())?);
    let from = match (conv.pool_spec.data_format, &from[..]) {
        (DataFormat::NCHW, [1, rest @ ..]) | (DataFormat::CHW, rest) => rest,
        _ => return None,
    };
    let [channels, height, width] = *from else {
        return None;
    };
    let strides = conv.pool_spec.strides();
    let [stride @ (1 | 2), other] = strides[..] else {
        return None;
    };
    let padding = conv.pool_spec.computed_padding(&[height, width]);
    let outputs = to.iter().product::<usize>();
    if other != stride
        || conv.group != channels
        || conv.q_params.is_some()
        || conv.pool_spec.kernel_shape[..] != [3, 3]
        || conv.pool_spec.dilations().iter().any(|dilation| *dilation != 1)
        || padding.iter().any(|axis| axis.pad_before != 1)
        || outputs != channels * height.div_ceil(stride) * width.div_ceil(stride)
        || model.outlet_fact(node.inputs[0]).ok()?.datum_type != f32::datum_type()
    {
        return None;
    }
    let constant = |input: usize| {
        let constant = model.outlet_fact(*node.inputs.get(input)?).ok()?.konst.clone()?;
        Some(constant.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec())
    };
    let weights = constant(1)?;
    let bias = match constant(2)? {
        bias if bias.len() == 1 => vec![bias[0]; channels],
        bias => bias,
    };
    if weights.len() != 9 * channels || bias.len() != channels {
        return None;
    }
    let kernel = |(weights, bias): (&[f32; 9], &f32)| {
        let mut kernel = [*bias; 10];
        kernel[..9].copy_from_slice(weights);
        kernel
    };
    let (activation, last) = activation_behind(model, node.id);
    let convolution = Depthwise {
        isa,
        kernels: weights.as_chunks().0.iter().zip(&bias).map(kernel).collect(),
        activation,
        height,
        width,
        stride,
    };
    Some((Operator::new(convolution, to), last))
}

impl Compute for Depthwise {
    const NAME: &'static str = "Depthwise";

    fn products(&self) -> (DatumType, usize) {
        let pixels = self.height.div_ceil(self.stride) * self.width.div_ceil(self.stride);
        (f32::datum_type(), 9 * pixels * self.kernels.len())
    }

    fn compute(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        // The frame must be zero, whatever stood there.
        scratch.numbers.clear();
        let size = (self.height + 2) * self.stride * self.row();
        scratch.numbers.resize(size, 0.0);
        self.isa.run(Convolve {
            convolution: self,
            from: inputs[0],
            to,
            scratch: &mut scratch.numbers,
        });
    }
}

impl Depthwise {
    /// Numbers of a row of the frame that are one column apart in the output.
    fn row(&self) -> usize {
        self.width.div_ceil(self.stride).next_multiple_of(LANES) + 2
    }
}

struct Convolve<'a> {
    convolution: &'a Depthwise,
    from: &'a [f32],
    to: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Work for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        if self.convolution.stride == 1 {
            self.planes::<I, 1>();
        } else {
            self.planes::<I, 2>();
        }
    }
}

impl Convolve<'_> {
    #[inline(always)]
    fn planes<I: Isa, const STRIDE: usize>(self) {
        let Depthwise { height, width, .. } = *self.convolution;
        let row = self.convolution.row();
        let out_width = width.div_ceil(STRIDE);
        let plane = height.div_ceil(STRIDE) * out_width;
        // Several planes at once, so that hardly a vector of the activation stays empty.
        let together = (BLOCK / plane).max(1);
        let blocks = self
            .from
            .chunks(together * height * width)
            .zip(self.to.chunks_mut(together * plane));
        for ((from, to), kernels) in blocks.zip(self.convolution.kernels.chunks(together)) {
            let planes = from.chunks_exact(height * width).zip(to.chunks_exact_mut(plane));
            for (kernel, (from, to)) in kernels.iter().zip(planes) {
                let framed = self.scratch[STRIDE * row..].chunks_exact_mut(STRIDE * row);
                for (from, framed) in from.chunks_exact(width).zip(framed) {
                    if STRIDE == 1 {
                        framed[1..=width].copy_from_slice(from);
                    } else {
                        // Column x stands at x + 1: the even ones of the frame first, then the odd ones.
                        let (even, odd) = framed.split_at_mut(row);
                        let (pairs, last) = from.as_chunks::<2>();
                        for (pair, (even, odd)) in pairs.iter().zip(even[1..].iter_mut().zip(odd.iter_mut()))
                        {
                            (*odd, *even) = (pair[0], pair[1]);
                        }
                        if let Some(last) = last.first() {
                            odd[pairs.len()] = *last;
                        }
                    }
                }
                // No closures around vectors: one that is not inlined is not compiled for them.
                let mut weights = [I::splat(0.0); 9];
                for (weight, number) in weights.iter_mut().zip(kernel) {
                    *weight = I::splat(*number);
                }
                for (y, to) in to.chunks_exact_mut(out_width).enumerate() {
                    let mut taps = [&*self.scratch; 9];
                    for (tap, numbers) in taps.iter_mut().enumerate() {
                        let (dy, dx) = (tap / 3, tap % 3);
                        let column = if STRIDE == 1 { dx } else { dx % 2 * row + dx / 2 };
                        let start = (y * STRIDE + dy) * STRIDE * row + column;
                        *numbers = &numbers[start..start + row - 2];
                    }
                    for start in (0..out_width).step_by(LANES) {
                        let mut sum = I::splat(kernel[9]);
                        for (tap, weight) in taps.iter().zip(&weights) {
                            sum = I::multiply_add(I::load(sixteen(&tap[start..])), *weight, sum);
                        }
                        match to[start..].first_chunk_mut() {
                            Some(to) => I::store(sum, to),
                            None => {
                                let mut last = [0.0; LANES];
                                I::store(sum, &mut last);
                                to[start..].copy_from_slice(&last[..out_width - start]);
                            }
                        }
                    }
                }
            }
            activate::<I>(self.convolution.activation, to);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{DatumExt, IntoRunnable, IntoTValue, IntoTensor, Tensor, tvec},
        tract_core::ops::{
            cnn::{KernelFormat, PaddingSpec, PoolSpec},
            nn::gelu_exact::gelu_exact,
        },
        tract_hir::internal::SpecialOps,
    };

    use super::*;

    fn noise(shape: &[usize], step: f32) -> Tensor {
        let numbers: Vec<f32> = (0..shape.iter().product::<usize>())
            .map(|n| (n as f32 * step).sin())
            .collect();
        Tensor::from_shape(shape, &numbers).unwrap()
    }

    fn model([channels, height, width]: [usize; 3], side: usize, stride: usize, pad: usize) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model
            .add_source("source", f32::fact([1, channels, height, width]))
            .unwrap();
        let weights = model
            .add_const("weights", noise(&[channels, 1, side, side], 0.7))
            .unwrap();
        let bias = model.add_const("bias", noise(&[channels], 1.3)).unwrap();
        let conv = Conv {
            pool_spec: PoolSpec::new(
                DataFormat::NCHW,
                tvec!(side, side),
                PaddingSpec::Explicit(tvec!(pad, pad), tvec!(1, 1)),
                None,
                Some(tvec!(stride, stride)),
                channels,
                channels,
            ),
            kernel_fmt: KernelFormat::OIHW,
            group: channels,
            q_params: None,
        };
        let conv = model.wire_node("conv", conv, &[source, weights, bias]).unwrap();
        let last = model.wire_node("gelu", gelu_exact(), &conv).unwrap();
        model.select_output_outlets(&last).unwrap();
        model
    }

    fn run(model: TypedModel, input: &Tensor) -> Tensor {
        let input = tvec!(input.clone().into_tvalue());
        model
            .into_runnable()
            .unwrap()
            .run(input)
            .unwrap()
            .remove(0)
            .into_tensor()
    }

    #[test]
    fn rows_give_the_same_as_pixels() {
        for shape in [
            [5, 3, 3],
            [7, 12, 12],
            [3, 7, 5],
            [2, 17, 33],
            [200, 1, 2],
            [2, 40, 48],
        ] {
            for stride in [1, 2] {
                let input = noise(&[1, shape[0], shape[1], shape[2]], 0.37);
                let expected = run(model(shape, 3, stride, 1), &input);
                for isa in Best::all() {
                    let mut changed = model(shape, 3, stride, 1);
                    assert_eq!(convolve_by_rows(&mut changed, isa).unwrap(), 1, "{shape:?}");
                    assert_eq!(
                        changed.nodes().iter().filter(|node| node.op_is::<Conv>()).count(),
                        0
                    );
                    expected.close_enough(&run(changed, &input), true).unwrap();
                }
            }
        }
    }

    #[test]
    fn other_convolutions_are_left_alone() {
        for (side, stride, pad) in [(5, 1, 1), (3, 3, 1), (3, 1, 0), (3, 2, 0)] {
            let mut same = model([4, 12, 12], side, stride, pad);
            assert_eq!(convolve_by_rows(&mut same, Best::detect()).unwrap(), 0);
        }
    }
}
