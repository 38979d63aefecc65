//! Decodes frames to the RGB pictures that sensing works on.

mod luma;
mod yuv;

use super::{
    color::Range,
    frame::{Frame, PixelFormat},
    jpeg::{self, Coding, JpegError},
    limits::MAX_SIDE,
    source::{CaptureError, CaptureKind},
};
use crate::{luma::LumaGrid, picture::Picture};
use yuv::Factors;

/// Converts frames of every [`PixelFormat`] to RGB. It keeps scratch buffers, so the uncompressed formats
/// allocate nothing in steady state.
#[derive(Debug, Default)]
pub struct Decoder {
    jpeg: jpeg::Decoder,
    turned: Vec<u8>,
    turned_cells: Vec<i16>,
}

/// A frame that is known to be complete and can be decoded.
#[derive(Debug)]
struct CheckedFrame<'a> {
    frame: &'a Frame,
    /// `None` unless the frame is a JPEG picture.
    complete: Option<jpeg::Complete>,
}

impl Decoder {
    /// A decoder with empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes `frame` into `picture`, reusing the picture's buffer, and applies the frame's orientation. YUV
    /// is converted according to the frame's colour encoding, JPEG in full range as JFIF specifies.
    ///
    /// # Errors
    /// [`CaptureKind::Corrupt`] if the frame has no size, is larger than [`MAX_SIDE`], is shorter than its
    /// size requires, or is not a complete JPEG picture. The content of `picture` is then unspecified.
    pub fn decode(&mut self, frame: &Frame, picture: &mut Picture) -> Result<(), CaptureError> {
        if frame.format == PixelFormat::Mjpeg {
            self.jpeg
                .decode(&frame.data, Coding::Sequential, picture)
                .map_err(|error| undecodable(frame, error))?;
        } else {
            check(frame)?;
            convert(frame, picture);
        }
        frame.orientation.apply(picture, &mut self.turned);
        Ok(())
    }

    /// Checks a frame and measures its luma, turned like the picture, at a fraction of the cost of decoding.
    /// Decodes the frame into `picture` and returns it only if `is_needed` returns true for its luma.
    ///
    /// # Errors
    /// As [`Decoder::decode`]; the content of `luma` is then unspecified too.
    pub fn decode_if<'p>(
        &mut self,
        frame: &Frame,
        luma: &mut LumaGrid,
        picture: &'p mut Picture,
        is_needed: impl FnOnce(&mut LumaGrid) -> bool,
    ) -> Result<Option<&'p Picture>, CaptureError> {
        let checked = self.measure(frame, luma)?;
        if !is_needed(luma) {
            return Ok(None);
        }
        self.decode_checked(&checked, picture)?;
        Ok(Some(picture))
    }

    fn measure<'a>(
        &mut self,
        frame: &'a Frame,
        luma: &mut LumaGrid,
    ) -> Result<CheckedFrame<'a>, CaptureError> {
        let complete = if frame.format == PixelFormat::Mjpeg {
            let complete = jpeg::measure(&frame.data, Coding::Sequential, luma)
                .map_err(|error| undecodable(frame, error))?;
            Some(complete)
        } else {
            check(frame)?;
            luma::measure(frame, luma);
            None
        };
        frame.orientation.apply_to_luma(luma, &mut self.turned_cells);
        Ok(CheckedFrame { frame, complete })
    }

    /// Like [`Decoder::decode`], for a frame that was already checked. Fails only if a JPEG picture is
    /// complete but still cannot be decoded.
    fn decode_checked(
        &mut self,
        checked: &CheckedFrame<'_>,
        picture: &mut Picture,
    ) -> Result<(), CaptureError> {
        let CheckedFrame { frame, complete } = checked;
        match complete {
            Some(complete) => self
                .jpeg
                .decode_complete(&frame.data, complete, picture)
                .map_err(|error| undecodable(frame, error))?,
            None => convert(frame, picture),
        }
        frame.orientation.apply(picture, &mut self.turned);
        Ok(())
    }

    /// Overwrites all data kept from the last frame with zeros.
    pub fn clear(&mut self) {
        self.jpeg.clear();
        crate::picture::wipe(&mut self.turned);
        crate::picture::wipe(&mut self.turned_cells);
    }
}

fn undecodable(frame: &Frame, error: JpegError) -> CaptureError {
    let reason = format!("a MJPG frame of {} bytes cannot be decoded", frame.data.len());
    CaptureError::caused_by(CaptureKind::Corrupt, reason, error)
}

/// Checks that an uncompressed frame has the bytes that its description requires.
fn check(frame: &Frame) -> Result<(), CaptureError> {
    let Frame {
        format,
        width,
        height,
        ..
    } = *frame;
    let refuse = |why: String| {
        let reason = format!("{format} frame of {width}x{height} pixels: {why}");
        Err(CaptureError::new(CaptureKind::Corrupt, reason))
    };
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return refuse(format!("1x1 to {MAX_SIDE}x{MAX_SIDE} are allowed"));
    }
    let (row, stride) = (format.row_bytes(width), frame.stride as usize);
    // A stride of more than four of the widest rows is implausible, and the limit bounds the arithmetic
    // below.
    if stride < row || stride > 4 * 4 * MAX_SIDE as usize {
        return refuse(format!("its rows are {stride} bytes apart, but hold {row}"));
    }
    let needed = format.frame_bytes(width, height, stride);
    if frame.data.len() < needed {
        return refuse(format!(
            "it is cut off: {} bytes are there, {needed} are needed",
            frame.data.len()
        ));
    }
    Ok(())
}

/// Converts an uncompressed frame that was checked.
fn convert(frame: &Frame, picture: &mut Picture) {
    let Frame {
        data,
        format,
        width,
        height,
        stride,
        ..
    } = frame;
    let (w, h, stride) = (*width as usize, *height as usize, *stride as usize);
    let row = format.row_bytes(*width);
    let chroma = format.chroma_stride(stride);
    let rows = picture.reset(*width, *height).chunks_exact_mut(w * 3).enumerate();
    let factors = Factors::new(
        frame.color,
        match format {
            PixelFormat::Grey => Range::Full,
            _ => Range::Limited,
        },
    );
    match format {
        PixelFormat::Yuyv => {
            for (y, out) in rows {
                yuv::yuyv_row(&data[y * stride..][..row], &factors, out);
            }
        }
        PixelFormat::Nv12 => {
            let (luma, uv) = data.split_at(stride * h);
            for (y, out) in rows {
                let uv = &uv[y / 2 * chroma..][..w.next_multiple_of(2)];
                yuv::nv12_row(&luma[y * stride..][..w], uv, &factors, out);
            }
        }
        PixelFormat::Yu12 => {
            let (luma, planes) = data.split_at(stride * h);
            let (u, v) = planes.split_at(chroma * h.div_ceil(2));
            let half = w.div_ceil(2);
            for (y, out) in rows {
                let (u, v) = (&u[y / 2 * chroma..][..half], &v[y / 2 * chroma..][..half]);
                yuv::yu12_row(&luma[y * stride..][..w], u, v, &factors, out);
            }
        }
        PixelFormat::Grey => {
            for (y, out) in rows {
                yuv::grey_row(&data[y * stride..][..w], &factors, out);
            }
        }
        PixelFormat::Rgb3 => {
            for (y, out) in rows {
                out.copy_from_slice(&data[y * stride..][..row]);
            }
        }
        PixelFormat::Bgr3 => {
            for (y, out) in rows {
                let bgr = data[y * stride..][..row].chunks_exact(3);
                for (out, bgr) in out.chunks_exact_mut(3).zip(bgr) {
                    out.copy_from_slice(&[bgr[2], bgr[1], bgr[0]]);
                }
            }
        }
        // Decoded by its own decoder.
        PixelFormat::Mjpeg => {}
    }
}

#[cfg(test)]
mod tests;
