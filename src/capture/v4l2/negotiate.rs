//! What a node offers, and negotiating a mode with its driver.

use std::io;

use affectd_sys::v4l2::{FourCc, Fraction, FrameIntervals, FrameSizes};

use super::{
    device::{Device, failure},
    select::{Mode, Request, Selection, SizeRange, code},
};
use crate::{
    capture::{
        color::ColorEncoding,
        frame::PixelFormat,
        source::{CaptureError, CaptureKind},
    },
    text,
};

/// Longest list of formats, sizes or rates that is read: a driver whose list never ends must not block us.
const MAX_LISTED: u32 = 256;

/// What the driver agreed to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Negotiated {
    pub(super) format: PixelFormat,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) stride: u32,
    pub(super) color: ColorEncoding,
    pub(super) rate: Option<f32>,
}

impl Device {
    /// The modes that it offers. A range of sizes is represented by the size that fits `request`.
    pub(super) fn modes(&self, request: &Request) -> Vec<Mode> {
        let mut modes = Vec::new();
        for fourcc in self.pixel_formats() {
            let sizes = self.sizes(fourcc, request);
            modes.extend(sizes.into_iter().map(|(width, height)| Mode {
                fourcc,
                width,
                height,
                rates: self.rates(fourcc, width, height, request.rate),
            }));
        }
        modes
    }

    fn pixel_formats(&self) -> impl Iterator<Item = FourCc> {
        (0..MAX_LISTED).map_while(|index| self.node.pixel_format(index).ok())
    }

    fn sizes(&self, fourcc: FourCc, request: &Request) -> Vec<(u32, u32)> {
        let mut sizes = Vec::new();
        for index in 0..MAX_LISTED {
            match self.node.frame_sizes(fourcc, index) {
                Ok(FrameSizes::Discrete { width, height }) => sizes.push((width, height)),
                Ok(FrameSizes::Stepwise { min, max, step }) => {
                    sizes.push(SizeRange { min, max, step }.fit(request.width, request.height));
                    break;
                }
                Err(_) => break,
            }
        }
        if sizes.is_empty() {
            // The driver lists no sizes: the current one is available.
            sizes.extend(
                self.node
                    .format()
                    .ok()
                    .map(|format| (format.width, format.height)),
            );
        }
        sizes
    }

    fn rates(&self, fourcc: FourCc, width: u32, height: u32, requested: f32) -> Vec<f32> {
        let mut rates = Vec::new();
        for index in 0..MAX_LISTED {
            match self.node.frame_intervals(fourcc, width, height, index) {
                Ok(FrameIntervals::Discrete(interval)) => rates.extend(rate(interval)),
                Ok(FrameIntervals::Range { min, max }) => {
                    // The shortest interval is the fastest rate.
                    let (slowest, fastest) = (rate(max), rate(min));
                    let within =
                        slowest.is_none_or(|s| s < requested) && fastest.is_none_or(|f| f > requested);
                    rates.extend(
                        slowest
                            .into_iter()
                            .chain(within.then_some(requested))
                            .chain(fastest),
                    );
                    break;
                }
                Err(_) => break,
            }
        }
        rates
    }

    /// Requests `selection`, at `rate` frames per second if the driver lists no rates, and reads back what
    /// the driver set.
    pub(super) fn negotiate(&self, selection: &Selection, rate: f32) -> Result<Negotiated, CaptureError> {
        let failed = |error: io::Error| failure(&self.path, "does not accept the format", error);
        let fourcc = self.fourcc_of(selection.format);
        self.node
            .set_format(fourcc, selection.width, selection.height)
            .map_err(failed)?;
        let rate = self.negotiate_rate(selection.rate.unwrap_or(rate));
        // Read after the rate was set: some drivers change the size with it.
        let got = self.node.format().map_err(failed)?;
        let Some(format) = PixelFormat::from_fourcc(got.fourcc) else {
            return Err(CaptureError::new(
                CaptureKind::Unsupported,
                format!(
                    "{} was asked for {} and set {}, which cannot be decoded",
                    text::path(&self.path),
                    selection.format,
                    code(got.fourcc)
                ),
            ));
        };
        // Old drivers report a stride of 0 when rows have no padding.
        let stride = match got.bytes_per_line {
            _ if format == PixelFormat::Mjpeg => 0,
            0 => u32::try_from(format.row_bytes(got.width)).unwrap_or(u32::MAX),
            stride => stride,
        };
        Ok(Negotiated {
            format,
            width: got.width,
            height: got.height,
            stride,
            color: ColorEncoding::from_v4l2(got.colorspace, got.ycbcr_encoding, got.quantization),
            rate,
        })
    }

    /// The driver's code for a pixel format: for MJPEG some use `JPEG` instead of `MJPG`.
    fn fourcc_of(&self, format: PixelFormat) -> FourCc {
        self.pixel_formats()
            .find(|code| PixelFormat::from_fourcc(*code) == Some(format))
            .unwrap_or(format.fourcc())
    }

    /// Sets the rate if the driver lets it be set, and reads it back if the driver reports it.
    fn negotiate_rate(&self, requested: f32) -> Option<f32> {
        // A camera whose rate cannot be set is still usable.
        if let Err(error) = self.node.set_frame_interval(interval(requested)) {
            tracing::debug!(device = %text::path(&self.path), %error, "the frame rate cannot be set");
        }
        rate(self.node.frame_interval().ok()?)
    }
}

fn rate(interval: Fraction) -> Option<f32> {
    let rate = interval.denominator as f32 / interval.numerator as f32;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// The interval of a rate: exact for whole rates and for those of NTSC (a whole rate times 1000 / 1001).
fn interval(rate: f32) -> Fraction {
    let (numerator, denominator) = if (rate - rate.round()).abs() < 1e-3 {
        (1, rate.round() as u32)
    } else if (rate * 1.001 - (rate * 1.001).round()).abs() < 1e-2 {
        (1001, (rate * 1.001).round() as u32 * 1000)
    } else {
        (1000, (rate * 1000.0).round() as u32)
    };
    Fraction {
        numerator,
        denominator: denominator.max(1),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rates_survive_conversion_to_intervals() {
        for requested in [1.0, 5.0, 7.5, 14.985, 15.0, 29.97, 30.0, 59.94, 60.0, 12.34] {
            let got = rate(interval(requested)).unwrap();
            assert!((got - requested).abs() < 0.01, "{requested}: {got}");
        }
        let ntsc = interval(29.97);
        assert_eq!((ntsc.numerator, ntsc.denominator), (1001, 30_000));
        for denominator in [0, 1] {
            assert_eq!(
                rate(Fraction {
                    numerator: 0,
                    denominator
                }),
                None
            );
        }
    }
}
