//! Runs depthwise convolutions of three by three pixels, and means of as many, with the channels of a pixel side by
//! side: a vector is some channels of one pixel, whatever the picture's size.

use tract_onnx::{
    prelude::{Datum, DatumType, TypedModel, TypedNode},
    tract_core::ops::{
        cnn::{Conv, KernelFormat, PoolSpec, SumPool},
        nn::DataFormat,
    },
};

use crate::{
    kernel::{Activation, Best, Isa, LANES, Work, activate, sixteen},
    ops::operator::{Compute, Scratch, constant, shape},
    passes::patterns::activation_behind,
};

/// Pixels of a row that are computed together: each weight is read once for all.
const PIXELS: usize = 4;

/// A depthwise convolution, three by three, with one pixel of zeros around the picture:
/// `[row][column][channel]` to the same.
#[derive(Debug)]
pub(crate) struct Depthwise {
    isa: Best,
    /// `[tap][channel]`, then the bias.
    weights: Vec<f32>,
    activation: Activation,
    /// At least [`LANES`].
    channels: usize,
    height: usize,
    width: usize,
    /// One or two.
    stride: usize,
}

impl Depthwise {
    /// The convolution of this node, or the mean, and the last node that it stands for.
    pub(crate) fn find(model: &TypedModel, node: &TypedNode, isa: Best) -> Option<(Self, usize)> {
        let (spec, weights, bias);
        if let Some(conv) = node.op_as::<Conv>() {
            spec = &conv.pool_spec;
            weights = constant(model, *node.inputs.get(1)?)?;
            bias = constant(model, *node.inputs.get(2)?)?;
            if conv.group != spec.input_channels
                || conv.q_params.is_some()
                || conv.kernel_fmt != KernelFormat::OIHW
            {
                return None;
            }
        } else {
            let pool = node.op_as::<SumPool>()?;
            spec = &pool.pool_spec;
            // Sums of what lies inside the picture have other divisors along its edge.
            let weight = match (pool.normalize, pool.count_include_pad) {
                (false, _) => 1.0,
                (true, true) => 1.0 / 9.0,
                (true, false) => return None,
            };
            weights = vec![weight; 9 * spec.input_channels];
            bias = vec![0.0];
        }
        let (channels, height, width) = picture(model, node, spec)?;
        let strides = spec.strides();
        let [stride @ (1 | 2), other] = strides[..] else {
            return None;
        };
        let padding = spec.computed_padding(&[height, width]);
        let outputs = shape(model, node.id.into())?.iter().product::<usize>();
        if other != stride
            || spec.kernel_shape[..] != [3, 3]
            || spec.dilations().iter().any(|dilation| *dilation != 1)
            || padding.iter().any(|axis| axis.pad_before != 1)
            || outputs != channels * height.div_ceil(stride) * width.div_ceil(stride)
            || channels < LANES
            || weights.len() != 9 * channels
            || ![1, channels].contains(&bias.len())
        {
            return None;
        }
        let mut by_tap = vec![0.0; 10 * channels];
        for (tap, row) in by_tap.chunks_exact_mut(channels).enumerate() {
            for (channel, to) in row.iter_mut().enumerate() {
                *to = match tap {
                    9 => bias[channel % bias.len()],
                    _ => weights[channel * 9 + tap],
                };
            }
        }
        let (activation, last) = activation_behind(model, node.id);
        let convolution = Self {
            isa,
            weights: by_tap,
            activation,
            channels,
            height,
            width,
            stride,
        };
        Some((convolution, last))
    }

    /// Height, width and channels of what it reads.
    pub(crate) fn picture(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// Pixels from one that it computes to the next.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Computes some rows, from the one at `first` on. `from` holds those that they need, or all: the picture's row
    /// `y` stands where `y & mask` says.
    pub(crate) fn rows(&self, from: &[f32], mask: usize, first: usize, to: &mut [f32]) {
        self.isa.run(Convolve {
            convolution: self,
            from,
            mask,
            first,
            to,
        });
    }

    /// Height, width and channels of the result.
    pub(crate) fn result(&self) -> [usize; 3] {
        let side = |length: usize| length.div_ceil(self.stride);
        [side(self.height), side(self.width), self.channels]
    }
}

/// Channels, height and width of the one f32 picture that a node reads.
pub(crate) fn picture(
    model: &TypedModel,
    node: &TypedNode,
    spec: &PoolSpec,
) -> Option<(usize, usize, usize)> {
    let from = shape(model, node.inputs[0])?;
    // On ARM tract itself puts the channels of some last.
    let (channels, height, width) = match (spec.data_format, &from[..]) {
        (DataFormat::NCHW, &[1, channels, height, width])
        | (DataFormat::CHW, &[channels, height, width])
        | (DataFormat::NHWC, &[1, height, width, channels])
        | (DataFormat::HWC, &[height, width, channels]) => (channels, height, width),
        _ => return None,
    };
    (model.outlet_fact(node.inputs[0]).ok()?.datum_type == f32::datum_type())
        .then_some((channels, height, width))
}

impl Compute for Depthwise {
    const NAME: &'static str = "Depthwise";

    fn products(&self) -> (DatumType, usize) {
        (f32::datum_type(), 9 * self.result().iter().product::<usize>())
    }

    fn compute(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        self.rows(inputs[0], usize::MAX, 0, to);
    }
}

struct Convolve<'a> {
    convolution: &'a Depthwise,
    from: &'a [f32],
    mask: usize,
    first: usize,
    to: &'a mut [f32],
}

/// Which taps of a pixel lie inside the picture.
#[derive(Clone, Copy)]
struct Taps {
    first: usize,
    end: usize,
}

impl Taps {
    /// Of a row or column in the middle of which the picture's one at `at` stands, of so many.
    #[inline(always)]
    fn around(at: usize, length: usize) -> Self {
        Self {
            first: usize::from(at == 0),
            end: if at + 1 == length { 2 } else { 3 },
        }
    }
}

impl Work for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(mut self) {
        let Depthwise { stride, width, .. } = *self.convolution;
        let [_, out_width, channels] = self.convolution.result();
        for y in self.first..self.first + self.to.len() / (out_width * channels) {
            let mut x = 0;
            while x < out_width {
                // A block has all of its columns inside the picture.
                if x > 0 && x + PIXELS <= out_width && (x + PIXELS - 1) * stride + 1 < width {
                    self.pixels::<I, PIXELS>(y, x);
                    x += PIXELS;
                } else {
                    self.pixels::<I, 1>(y, x);
                    x += 1;
                }
            }
        }
    }
}

impl Convolve<'_> {
    /// Some neighbours of one row.
    #[inline(always)]
    fn pixels<I: Isa, const COUNT: usize>(&mut self, y: usize, x: usize) {
        let Depthwise {
            channels,
            height,
            width,
            stride,
            activation,
            ..
        } = *self.convolution;
        let rows = Taps::around(y * stride, height);
        let columns = if COUNT == 1 {
            Taps::around(x * stride, width)
        } else {
            Taps { first: 0, end: 3 }
        };
        let [_, out_width, _] = self.convolution.result();
        let to = &mut self.to[((y - self.first) * out_width + x) * channels..][..COUNT * channels];
        for vector in 0..channels.div_ceil(LANES) {
            // The last vector repeats some of the one before.
            let channel = (vector * LANES).min(channels - LANES);
            let weights = &self.convolution.weights[channel..];
            let mut sums = [I::load(sixteen(&weights[9 * channels..])); COUNT];
            for row in rows.first..rows.end {
                // One check for all pixels of a row: there are few products in it.
                let line = (y * stride + row - 1) & self.mask;
                let start = line * width + x * stride + columns.first - 1;
                let pixels = columns.end - columns.first + (COUNT - 1) * stride;
                let from = &self.from[start * channels..][..pixels * channels];
                let taps = &weights[(row * 3 + columns.first) * channels..];
                for column in 0..columns.end - columns.first {
                    let weight = I::load(sixteen(&taps[column * channels..]));
                    for (pixel, sum) in sums.iter_mut().enumerate() {
                        let at = (column.wrapping_add(pixel.wrapping_mul(stride))).wrapping_mul(channels);
                        // SAFETY: `from` has all channels of this pixel, and `channel` is at least LANES before their end.
                        let from = unsafe { &*from.as_ptr().add(at.wrapping_add(channel)).cast() };
                        *sum = I::multiply_add(I::load(from), weight, *sum);
                    }
                }
            }
            for (sum, to) in sums.iter().zip(to.chunks_exact_mut(channels)) {
                if let Some(to) = to[channel..].first_chunk_mut() {
                    I::store(*sum, to);
                }
            }
        }
        activate::<I>(activation, to);
    }
}
