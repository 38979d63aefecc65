//! The bundled clip, repeated without end as the frames of a camera with a given pixel format.

use std::time::Duration;

use super::clip;
use crate::{
    capture::{Decoder, Frame, PixelFormat},
    picture::Picture,
};

/// Makes one frame at a time, because all frames at once would dominate the memory that `bench` reports.
pub struct Player {
    format: PixelFormat,
    pictures: Vec<&'static [u8]>,
    played: usize,
    decoder: Decoder,
    picture: Picture,
    frame: Frame,
}

impl Player {
    /// A camera that delivers [`PixelFormat::Yuyv`], or MJPEG for any other `format`.
    pub fn new(format: PixelFormat) -> Self {
        Self {
            format,
            pictures: clip::pictures().collect(),
            played: 0,
            decoder: Decoder::default(),
            picture: Picture::default(),
            frame: Frame::default(),
        }
    }

    /// Number of pictures in one pass of the clip.
    pub fn pictures(&self) -> usize {
        self.pictures.len()
    }

    /// The next frame.
    ///
    /// # Errors
    /// If a picture cannot be decoded.
    pub fn next(&mut self) -> anyhow::Result<&Frame> {
        let jpeg = self.pictures[self.played % self.pictures.len()];
        self.frame = clip::frame(jpeg, self.played as u64, Duration::ZERO);
        self.played += 1;
        if self.format == PixelFormat::Yuyv {
            self.decoder.decode(&self.frame, &mut self.picture)?;
            self.frame.data = yuyv(&self.picture);
            self.frame.format = self.format;
            self.frame.stride = self.frame.width * 2;
        }
        Ok(&self.frame)
    }
}

/// Converts RGB to packed 4:2:2 YUV: ITU-R BT.601, limited range.
fn yuyv(picture: &Picture) -> Vec<u8> {
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    picture
        .rgb()
        .chunks_exact(6)
        .flat_map(|pair| {
            let [r0, g0, b0, r1, g1, b1] = std::array::from_fn(|i| f32::from(pair[i]));
            let luma = |r: f32, g: f32, b: f32| 16.0 + 0.257 * r + 0.504 * g + 0.098 * b;
            let (r, g, b) = ((r0 + r1) / 2.0, (g0 + g1) / 2.0, (b0 + b1) / 2.0);
            let u = 128.0 - 0.148 * r - 0.291 * g + 0.439 * b;
            let v = 128.0 + 0.439 * r - 0.368 * g - 0.071 * b;
            [byte(luma(r0, g0, b0)), byte(u), byte(luma(r1, g1, b1)), byte(v)]
        })
        .collect()
}
