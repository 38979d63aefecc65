//! Decodes frames to the RGB pictures that sensing works on.

mod jpeg;
mod yuv;

use super::{
    frame::{Frame, MAX_SIDE, PixelFormat},
    source::{CaptureError, CaptureKind},
};
use crate::picture::Picture;

pub(super) use jpeg::size as jpeg_size;

/// Converts frames of every [`PixelFormat`] to RGB. It keeps a scratch buffer, so that in steady state the
/// uncompressed formats allocate nothing.
#[derive(Debug, Default)]
pub struct Decoder {
    jpeg: jpeg::Scratch,
}

impl Decoder {
    /// A decoder with empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes `frame` into `picture`, reusing the picture's buffer. YUV is read as BT.601 in limited
    /// range (Y 16 to 235, U and V 16 to 240), what cameras send; JPEG as JFIF says, in full range.
    ///
    /// # Errors
    /// [`CaptureKind::Corrupt`] if the frame has no size, is larger than [`MAX_SIDE`], is shorter than its
    /// size asks for, or is no JPEG picture. The picture's content is then unspecified.
    pub fn decode(&mut self, frame: &Frame, picture: &mut Picture) -> Result<(), CaptureError> {
        let Frame {
            data,
            format,
            width,
            height,
            stride,
            ..
        } = frame;
        if *format == PixelFormat::Mjpeg {
            return self
                .jpeg
                .decode(data, picture)
                .map_err(|why| corrupt(format!("MJPG frame of {} bytes: {why}", data.len())));
        }
        let (width, height, stride) = (*width, *height, *stride as usize);
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(corrupt(format!(
                "{format} frame of {width}x{height} pixels: 1x1 to {MAX_SIDE}x{MAX_SIDE} are allowed"
            )));
        }
        let row = format.row_bytes(width);
        // A row longer than four of the widest pixels is nonsense, and bounds the arithmetic below.
        if stride < row || stride > 4 * 4 * MAX_SIDE as usize {
            return Err(corrupt(format!(
                "{format} frame of {width}x{height} pixels: rows lie {stride} bytes apart, but hold {row}"
            )));
        }
        let needed = format.frame_bytes(width, height, stride);
        if data.len() < needed {
            return Err(corrupt(format!(
                "{format} frame of {width}x{height} pixels is cut off: {} bytes came, {needed} are needed",
                data.len()
            )));
        }
        let rgb = picture.reset(width, height);
        let (w, h) = (width as usize, height as usize);
        let chroma = format.chroma_stride(stride);
        match format {
            PixelFormat::Yuyv => {
                for (y, out) in rgb.chunks_exact_mut(w * 3).enumerate() {
                    yuv::yuyv_row(&data[y * stride..][..row], out);
                }
            }
            PixelFormat::Nv12 => {
                let (luma, uv) = data.split_at(stride * h);
                for (y, out) in rgb.chunks_exact_mut(w * 3).enumerate() {
                    let uv = &uv[y / 2 * chroma..][..w.next_multiple_of(2)];
                    yuv::nv12_row(&luma[y * stride..][..w], uv, out);
                }
            }
            PixelFormat::Yu12 => {
                let (luma, planes) = data.split_at(stride * h);
                let (u, v) = planes.split_at(chroma * h.div_ceil(2));
                let half = w.div_ceil(2);
                for (y, out) in rgb.chunks_exact_mut(w * 3).enumerate() {
                    let (u, v) = (&u[y / 2 * chroma..][..half], &v[y / 2 * chroma..][..half]);
                    yuv::yu12_row(&luma[y * stride..][..w], u, v, out);
                }
            }
            PixelFormat::Grey => {
                for (y, out) in rgb.chunks_exact_mut(w * 3).enumerate() {
                    for (out, &grey) in out.chunks_exact_mut(3).zip(&data[y * stride..][..w]) {
                        out.fill(grey);
                    }
                }
            }
            PixelFormat::Rgb3 => {
                for (y, out) in rgb.chunks_exact_mut(w * 3).enumerate() {
                    out.copy_from_slice(&data[y * stride..][..row]);
                }
            }
            PixelFormat::Bgr3 => {
                for (y, out) in rgb.chunks_exact_mut(w * 3).enumerate() {
                    for (out, bgr) in out
                        .chunks_exact_mut(3)
                        .zip(data[y * stride..][..row].chunks_exact(3))
                    {
                        out.copy_from_slice(&[bgr[2], bgr[1], bgr[0]]);
                    }
                }
            }
            // Returned above.
            PixelFormat::Mjpeg => {}
        }
        Ok(())
    }
}

fn corrupt(reason: String) -> CaptureError {
    CaptureError::new(CaptureKind::Corrupt, reason)
}

#[cfg(test)]
mod tests;
