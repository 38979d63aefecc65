//! A recording, played in an endless loop as the frames of a camera with a given pixel format.

use std::{borrow::Cow, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;

use super::clip;
use crate::{
    capture::{Decoder, Frame, PixelFormat, jpeg, split::jpeg_pictures},
    file,
    picture::Picture,
    text,
};

/// Maximum size of a recording in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The JPEG pictures of a recording.
#[derive(Debug, Clone)]
pub struct Recording(Arc<[Cow<'static, [u8]>]>);

impl Recording {
    /// The bundled clip.
    #[must_use]
    pub fn bundled() -> Self {
        Self(clip::pictures().map(Cow::Borrowed).collect())
    }

    /// Reads a file of concatenated JPEG pictures.
    ///
    /// # Errors
    /// If the file cannot be read, or contains no complete JPEG picture.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let data = file::read(path, MAX_BYTES).with_context(|| text::path(path))?;
        let pictures: Vec<_> = jpeg_pictures(&data)
            .map(|picture| Cow::Owned(picture.to_vec()))
            .collect();
        anyhow::ensure!(
            !pictures.is_empty(),
            "{}: found no JPEG picture; allowed: concatenated JPEG pictures",
            text::path(path)
        );
        Ok(Self(pictures.into()))
    }
}

/// Makes one frame at a time, because all frames at once would dominate the memory that `bench` reports.
pub struct Player {
    format: PixelFormat,
    recording: Recording,
    played: usize,
    decoder: Decoder,
    picture: Picture,
    frame: Frame,
}

impl Player {
    /// A camera that delivers [`PixelFormat::Yuyv`], or MJPEG for any other `format`.
    pub fn new(format: PixelFormat, recording: Recording) -> Self {
        Self {
            format,
            recording,
            played: 0,
            decoder: Decoder::default(),
            picture: Picture::default(),
            frame: Frame::default(),
        }
    }

    /// The pixel format of the frames.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Number of pictures in one pass of the recording.
    pub fn pictures(&self) -> usize {
        self.recording.0.len()
    }

    /// The next frame.
    ///
    /// # Errors
    /// If a picture cannot be decoded.
    pub fn next_frame(&mut self) -> anyhow::Result<&Frame> {
        let jpeg = &self.recording.0[self.played % self.recording.0.len()];
        let (width, height) = jpeg::size(jpeg).unwrap_or_default();
        self.frame.data.clear();
        self.frame.data.extend_from_slice(jpeg);
        self.frame.format = PixelFormat::Mjpeg;
        (self.frame.width, self.frame.height, self.frame.stride) = (width, height, 0);
        (self.frame.sequence, self.frame.captured) = (self.played as u64, Duration::ZERO);
        self.played += 1;
        if self.format == PixelFormat::Yuyv {
            self.decoder.decode(&self.frame, &mut self.picture)?;
            self.frame.data = yuyv(&self.picture);
            self.frame.format = self.format;
            self.frame.stride = self.frame.width.div_ceil(2) * 4;
        }
        Ok(&self.frame)
    }
}

/// Converts RGB to packed 4:2:2 YUV: ITU-R BT.601, limited range. The last pixel of a row of odd length is
/// repeated.
fn yuyv(picture: &Picture) -> Vec<u8> {
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    picture
        .rgb()
        .chunks_exact(picture.width() as usize * 3)
        .flat_map(|row| row.chunks(6))
        .flat_map(|pair| {
            let [r0, g0, b0, r1, g1, b1] = std::array::from_fn(|i| f32::from(pair[i % pair.len()]));
            let luma = |r: f32, g: f32, b: f32| 16.0 + 0.257 * r + 0.504 * g + 0.098 * b;
            let (r, g, b) = ((r0 + r1) / 2.0, (g0 + g1) / 2.0, (b0 + b1) / 2.0);
            let u = 128.0 - 0.148 * r - 0.291 * g + 0.439 * b;
            let v = 128.0 + 0.439 * r - 0.368 * g - 0.071 * b;
            [byte(luma(r0, g0, b0)), byte(u), byte(luma(r1, g1, b1)), byte(v)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_odd_length_end_with_a_repeated_pixel() {
        let mut picture = Picture::default();
        let grey = [0, 100, 200, 50, 150, 250];
        for (rgb, value) in picture.reset(3, 2).chunks_exact_mut(3).zip(grey) {
            rgb.fill(value);
        }
        let luma: Vec<u8> = yuyv(&picture).iter().step_by(2).copied().collect();
        assert_eq!(luma, [16, 102, 188, 188, 59, 145, 231, 231]);
    }
}
