//! Writes pixels into a network's input tensor, in the layout, colours and range that its manifest specifies.

use crate::model::{Colour, Input, Layout};

/// Weights of red, green and blue in luma (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// The luma of a pixel, in the range of its channels.
#[must_use]
pub fn luma([r, g, b]: [f32; 3]) -> f32 {
    LUMA[0] * r + LUMA[1] * g + LUMA[2] * b
}

/// Layout, colours and normalization of an input tensor of one picture.
#[derive(Debug, Clone)]
pub struct InputTensor {
    width: usize,
    height: usize,
    colour: Colour,
    /// Elements from one pixel to the next, from one row to the next, and from one channel to the next.
    pixel_stride: usize,
    row_stride: usize,
    channel_stride: usize,
    /// For each channel: 8-bit values are multiplied by `scale`, then `offset` is added.
    scale: [f32; 3],
    offset: [f32; 3],
}

impl InputTensor {
    /// The input that a manifest describes.
    #[must_use]
    pub fn new(input: &Input) -> Self {
        let mut scale = [0.0; 3];
        let mut offset = [0.0; 3];
        for (channel, (mean, std)) in input.mean.iter().zip(&input.std).enumerate().take(3) {
            scale[channel] = 1.0 / (255.0 * std);
            offset[channel] = -mean / std;
        }
        let channels = input.colour.channels();
        let (pixel_stride, row_stride, channel_stride) = match input.layout {
            Layout::Nchw => (1, input.width, input.width * input.height),
            Layout::Nhwc => (channels, input.width * channels, 1),
        };
        Self {
            width: input.width,
            height: input.height,
            colour: input.colour,
            pixel_stride,
            row_stride,
            channel_stride,
            scale,
            offset,
        }
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Number of elements of the tensor.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.width * self.height * self.colour.channels()
    }

    /// Writes one pixel, whose red, green and blue are 0 to 255.
    pub fn put(&self, tensor: &mut [f32], row: usize, column: usize, [r, g, b]: [f32; 3]) {
        match self.colour {
            Colour::Rgb => self.put_channels(tensor, row, column, &[r, g, b]),
            Colour::Bgr => self.put_channels(tensor, row, column, &[b, g, r]),
            Colour::Gray => self.put_channels(tensor, row, column, &[luma([r, g, b])]),
        }
    }

    /// Writes a row of pixels, whose red, green and blue are 0 to 255; the fourth values are ignored.
    pub fn put_row(&self, tensor: &mut [f32], row: usize, pixels: &[[f32; 4]]) {
        match self.colour {
            Colour::Rgb => self.put_plane_rows(tensor, row, pixels, [0, 1, 2]),
            Colour::Bgr => self.put_plane_rows(tensor, row, pixels, [2, 1, 0]),
            Colour::Gray => {
                for (column, [r, g, b, _]) in pixels.iter().enumerate() {
                    self.put_channels(tensor, row, column, &[luma([*r, *g, *b])]);
                }
            }
        }
    }

    /// Writes a row of each channel; `order` gives the index of each channel's value in a pixel.
    fn put_plane_rows(&self, tensor: &mut [f32], row: usize, pixels: &[[f32; 4]], order: [usize; 3]) {
        for (channel, from) in order.into_iter().enumerate() {
            let (scale, offset) = (self.scale[channel], self.offset[channel]);
            let start = row * self.row_stride + channel * self.channel_stride;
            let values = pixels.iter().map(|pixel| pixel[from] * scale + offset);
            // A separate loop, because the compiler vectorizes it only without a stride.
            if self.pixel_stride == 1 {
                for (to, value) in tensor[start..].iter_mut().zip(values) {
                    *to = value;
                }
            } else {
                for (to, value) in tensor[start..].iter_mut().step_by(self.pixel_stride).zip(values) {
                    *to = value;
                }
            }
        }
    }

    #[inline]
    fn put_channels(&self, tensor: &mut [f32], row: usize, column: usize, channels: &[f32]) {
        let pixel = row * self.row_stride + column * self.pixel_stride;
        for (channel, value) in channels.iter().enumerate() {
            tensor[pixel + channel * self.channel_stride] =
                value * self.scale[channel] + self.offset[channel];
        }
    }

    /// Mirrors what has been written, left to right.
    pub fn mirror(&self, tensor: &mut [f32]) {
        let pixel = self.pixel_stride;
        for row in tensor.chunks_exact_mut(self.row_stride) {
            let (left, right) = row.split_at_mut(self.width / 2 * pixel);
            let opposite = right.rchunks_exact_mut(pixel);
            for (one, other) in left.chunks_exact_mut(pixel).zip(opposite) {
                one.swap_with_slice(other);
            }
        }
    }
}
