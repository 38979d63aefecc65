//! What a node offers, and agreeing with its driver on a mode.

use std::io;

use v4l::{v4l_sys as sys, v4l2::vidioc};

use super::{
    choose::{Choice, Mode, SizeRange, Wish},
    device::{CAPTURE, Device, failure, zeroed},
};
use crate::capture::{
    frame::PixelFormat,
    source::{CaptureError, CaptureKind},
};

/// Formats, sizes and rates that are asked for at most: a driver that never says it is done must not hang us.
const MAX_LISTED: u32 = 256;

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Agreed {
    pub(super) format: PixelFormat,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) stride: u32,
    pub(super) rate: Option<f32>,
}

impl Device {
    /// What it offers. A range of sizes is represented by the size that fits `wish`.
    pub(super) fn modes(&self, wish: &Wish) -> Vec<Mode> {
        let mut modes = Vec::new();
        for index in 0..MAX_LISTED {
            let mut format = sys::v4l2_fmtdesc {
                index,
                type_: CAPTURE,
                ..zeroed()
            };
            if self.ioctl(vidioc::VIDIOC_ENUM_FMT, &mut format).is_err() {
                break;
            }
            let sizes = self.sizes(format.pixelformat, wish);
            modes.extend(sizes.into_iter().map(|(width, height)| Mode {
                fourcc: format.pixelformat.to_le_bytes(),
                width,
                height,
                rates: self.rates(format.pixelformat, width, height, wish.rate),
            }));
        }
        modes
    }

    fn sizes(&self, pixel_format: u32, wish: &Wish) -> Vec<(u32, u32)> {
        let mut sizes = Vec::new();
        for index in 0..MAX_LISTED {
            let mut size = sys::v4l2_frmsizeenum {
                index,
                pixel_format,
                ..zeroed()
            };
            if self.ioctl(vidioc::VIDIOC_ENUM_FRAMESIZES, &mut size).is_err() {
                break;
            }
            if size.type_ == sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                // SAFETY: the driver says which member of the union it filled; both are plain numbers.
                let discrete = unsafe { size.__bindgen_anon_1.discrete };
                sizes.push((discrete.width, discrete.height));
            } else {
                // SAFETY: as above.
                let steps = unsafe { size.__bindgen_anon_1.stepwise };
                let range = SizeRange {
                    min: (steps.min_width, steps.min_height),
                    max: (steps.max_width, steps.max_height),
                    step: (steps.step_width, steps.step_height),
                };
                sizes.push(range.fit(wish.width, wish.height));
                break;
            }
        }
        if sizes.is_empty() {
            // The driver lists no sizes: what is set now can be had.
            sizes.extend(self.format().ok().map(|format| (format.width, format.height)));
        }
        sizes
    }

    fn rates(&self, pixel_format: u32, width: u32, height: u32, wished: f32) -> Vec<f32> {
        let mut rates = Vec::new();
        for index in 0..MAX_LISTED {
            let mut interval = sys::v4l2_frmivalenum {
                index,
                pixel_format,
                width,
                height,
                ..zeroed()
            };
            if self
                .ioctl(vidioc::VIDIOC_ENUM_FRAMEINTERVALS, &mut interval)
                .is_err()
            {
                break;
            }
            if interval.type_ == sys::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
                // SAFETY: the driver says which member of the union it filled; both are plain numbers.
                rates.extend(rate(unsafe { interval.__bindgen_anon_1.discrete }));
            } else {
                // SAFETY: as above.
                let range = unsafe { interval.__bindgen_anon_1.stepwise };
                // The shortest interval is the fastest rate.
                let (slowest, fastest) = (rate(range.max), rate(range.min));
                let within = slowest.is_none_or(|s| s < wished) && fastest.is_none_or(|f| f > wished);
                rates.extend(slowest.into_iter().chain(within.then_some(wished)).chain(fastest));
                break;
            }
        }
        rates
    }

    fn format(&self) -> io::Result<sys::v4l2_pix_format> {
        let mut format = sys::v4l2_format {
            type_: CAPTURE,
            ..zeroed()
        };
        self.ioctl(vidioc::VIDIOC_G_FMT, &mut format)?;
        // SAFETY: this is the member that belongs to the type that was asked for; it is plain numbers.
        Ok(unsafe { format.fmt.pix })
    }

    /// Asks for `choice`, at `rate` frames a second where the driver lists no rates, and reads back what the
    /// driver made of it.
    pub(super) fn agree(&self, choice: &Choice, rate: f32) -> Result<Agreed, CaptureError> {
        let failed = |error: io::Error| failure(self.path(), "refuses its format", &error);
        let mut format = sys::v4l2_format {
            type_: CAPTURE,
            fmt: sys::v4l2_format__bindgen_ty_1 {
                pix: sys::v4l2_pix_format {
                    width: choice.width,
                    height: choice.height,
                    pixelformat: u32::from_le_bytes(self.code_for(choice.format)),
                    field: sys::v4l2_field_V4L2_FIELD_NONE,
                    ..zeroed()
                },
            },
        };
        self.ioctl(vidioc::VIDIOC_S_FMT, &mut format).map_err(failed)?;
        let rate = self.agree_on_rate(choice.rate.unwrap_or(rate));
        // Read after the rate was set: some drivers change the size with it.
        let got = self.format().map_err(failed)?;
        let Some(format) = PixelFormat::from_fourcc(got.pixelformat.to_le_bytes()) else {
            return Err(CaptureError::new(
                CaptureKind::Unsupported,
                format!(
                    "{} was asked for {} and gives {}, which cannot be decoded",
                    self.path().display(),
                    choice.format,
                    String::from_utf8_lossy(&got.pixelformat.to_le_bytes())
                ),
            ));
        };
        // Old drivers leave the stride empty when rows have no padding.
        let stride = match got.bytesperline {
            _ if format == PixelFormat::Mjpeg => 0,
            0 => u32::try_from(format.row_bytes(got.width)).unwrap_or(u32::MAX),
            stride => stride,
        };
        Ok(Agreed {
            format,
            width: got.width,
            height: got.height,
            stride,
            rate,
        })
    }

    /// `MJPG`, or `JPEG` where the driver calls it so.
    fn code_for(&self, format: PixelFormat) -> [u8; 4] {
        let offered = (0..MAX_LISTED).map_while(|index| {
            let mut description = sys::v4l2_fmtdesc {
                index,
                type_: CAPTURE,
                ..zeroed()
            };
            let listed = self.ioctl(vidioc::VIDIOC_ENUM_FMT, &mut description);
            listed.ok().map(|()| description.pixelformat.to_le_bytes())
        });
        let mut known = offered.filter(|code| PixelFormat::from_fourcc(*code) == Some(format));
        known.next().unwrap_or(format.fourcc())
    }

    /// Sets the rate if the driver lets it be set, and reads it back if it says.
    fn agree_on_rate(&self, wished: f32) -> Option<f32> {
        let mut parameters = sys::v4l2_streamparm {
            type_: CAPTURE,
            ..zeroed()
        };
        let mut set = parameters;
        set.parm.capture = sys::v4l2_captureparm {
            timeperframe: interval(wished),
            ..zeroed()
        };
        // A camera whose rate cannot be set is still a camera.
        if let Err(error) = self.ioctl(vidioc::VIDIOC_S_PARM, &mut set) {
            tracing::debug!(device = %self.path().display(), %error, "the rate cannot be set");
        }
        self.ioctl(vidioc::VIDIOC_G_PARM, &mut parameters).ok()?;
        // SAFETY: this is the member that belongs to the type that was asked for; it is plain numbers.
        rate(unsafe { parameters.parm.capture.timeperframe })
    }
}

fn rate(interval: sys::v4l2_fract) -> Option<f32> {
    let rate = interval.denominator as f32 / interval.numerator as f32;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// The interval of a rate: exact for whole rates and for those of NTSC, which end in 1000 / 1001.
fn interval(rate: f32) -> sys::v4l2_fract {
    let (numerator, denominator) = if (rate - rate.round()).abs() < 1e-3 {
        (1, rate.round() as u32)
    } else if (rate * 1.001 - (rate * 1.001).round()).abs() < 1e-2 {
        (1001, (rate * 1.001).round() as u32 * 1000)
    } else {
        (1000, (rate * 1000.0).round() as u32)
    };
    sys::v4l2_fract {
        numerator,
        denominator: denominator.max(1),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn intervals_survive_the_way_there_and_back() {
        for wished in [1.0, 5.0, 7.5, 14.985, 15.0, 29.97, 30.0, 59.94, 60.0, 12.34] {
            let got = rate(interval(wished)).unwrap();
            assert!((got - wished).abs() < 0.01, "{wished}: {got}");
        }
        let ntsc = interval(29.97);
        assert_eq!((ntsc.numerator, ntsc.denominator), (1001, 30_000));
        assert_eq!(
            rate(sys::v4l2_fract {
                numerator: 0,
                denominator: 0
            }),
            None
        );
        assert_eq!(
            rate(sys::v4l2_fract {
                numerator: 0,
                denominator: 1
            }),
            None
        );
    }
}
