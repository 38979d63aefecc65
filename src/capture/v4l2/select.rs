//! Selects one of a camera's modes, independently of any device.
//!
//! 1. Only pixel formats that can be decoded, and only the requested one if the settings name it.
//! 2. The smallest size that covers the requested one in both directions; if none does, the largest.
//! 3. Among those of that size, one that reaches the requested rate; if none does, the fastest.
//! 4. Among those, the pixel format that costs least to decode, in the order of [`PREFERENCE`].

use std::cmp::Reverse;

use crate::{capture::frame::PixelFormat, text};

/// Pixel formats from the cheapest to decode to the most expensive; grey is last because the networks were
/// trained on colour.
pub const PREFERENCE: [PixelFormat; 7] = [
    PixelFormat::Yuyv,
    PixelFormat::Nv12,
    PixelFormat::Yu12,
    PixelFormat::Rgb3,
    PixelFormat::Bgr3,
    PixelFormat::Mjpeg,
    PixelFormat::Grey,
];

/// One mode that a camera offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Mode {
    /// V4L2 four-character code.
    pub fourcc: [u8; 4],
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second, in any order; empty if the driver does not list them.
    pub rates: Vec<f32>,
}

/// A four-character code as shown in messages: a driver may choose any bytes.
#[must_use]
pub fn code(fourcc: [u8; 4]) -> String {
    text::sanitized(String::from_utf8_lossy(&fourcc).trim(), fourcc.len())
}

/// What the settings ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request {
    /// `None` for any.
    pub format: Option<PixelFormat>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub rate: f32,
}

/// What the driver is asked for, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Pixel format.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second; `None` if the driver lists no rates.
    pub rate: Option<f32>,
    /// Why the rule selected it.
    pub reason: String,
}

/// Why no mode was selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMode {
    /// The camera offers nothing at all.
    Nothing,
    /// Only raw sensor data, before demosaicing.
    BayerOnly,
    /// No pixel format that can be decoded.
    Undecodable,
    /// Not the pixel format that the settings name.
    NotOffered,
}

/// A slightly lower rate than requested is accepted: 29.97 for 30, 14.98 for 15.
const RATE_TOLERANCE: f32 = 0.98;

/// Applies the rule.
///
/// # Errors
/// [`NoMode`] if no mode fits.
pub fn select(modes: &[Mode], request: &Request) -> Result<Selection, NoMode> {
    let decodable: Vec<(&Mode, PixelFormat)> = modes
        .iter()
        .filter_map(|mode| Some((mode, PixelFormat::from_fourcc(mode.fourcc)?)))
        .filter(|(mode, _)| mode.width > 0 && mode.height > 0)
        .collect();
    if decodable.is_empty() {
        return Err(match modes {
            [] => NoMode::Nothing,
            _ if modes.iter().all(|mode| is_bayer(mode.fourcc)) => NoMode::BayerOnly,
            _ => NoMode::Undecodable,
        });
    }
    let wanted = decodable
        .iter()
        .filter(|(_, format)| request.format.is_none_or(|requested| requested == *format));
    let &(mode, format) = wanted
        .clone()
        .min_by_key(|(mode, format)| {
            let rate = best_rate(mode, request.rate).unwrap_or(0.0);
            let shortfall = (request.rate * RATE_TOLERANCE - rate).max(0.0);
            let order = PREFERENCE.iter().position(|known| known == format);
            // Rates in millihertz: floating-point numbers have no total order.
            (size_order(mode, request), (shortfall * 1000.0) as u64, order)
        })
        .ok_or(NoMode::NotOffered)?;
    let rate = best_rate(mode, request.rate);
    let rivals = wanted
        .filter(|(other, _)| (other.width, other.height) == (mode.width, mode.height))
        .count()
        - 1;
    Ok(Selection {
        format,
        width: mode.width,
        height: mode.height,
        rate,
        reason: reason(mode, request, rate, rivals),
    })
}

/// Sizes that cover the request come first, smallest first; then the others, largest first.
fn size_order(mode: &Mode, request: &Request) -> (bool, u64, Reverse<u64>) {
    let area = u64::from(mode.width) * u64::from(mode.height);
    if covers(mode, request) {
        (false, area, Reverse(0))
    } else {
        (true, 0, Reverse(area))
    }
}

fn covers(mode: &Mode, request: &Request) -> bool {
    mode.width >= request.width && mode.height >= request.height
}

/// The slowest rate that reaches the requested one, or else the fastest.
fn best_rate(mode: &Mode, requested: f32) -> Option<f32> {
    let usable = mode
        .rates
        .iter()
        .copied()
        .filter(|rate| rate.is_finite() && *rate > 0.0);
    usable
        .clone()
        .filter(|rate| *rate >= requested * RATE_TOLERANCE)
        .min_by(f32::total_cmp)
        .or_else(|| usable.max_by(f32::total_cmp))
}

fn reason(mode: &Mode, request: &Request, rate: Option<f32>, rivals: usize) -> String {
    let (width, height) = (request.width, request.height);
    let size = if (mode.width, mode.height) == (width, height) {
        "the requested size".to_string()
    } else if covers(mode, request) {
        format!("the smallest size that covers {width}x{height}")
    } else {
        format!("the largest size, none covers {width}x{height}")
    };
    let speed = match rate {
        None => "the driver lists no rates".to_string(),
        Some(rate) if rate >= request.rate * RATE_TOLERANCE => format!("reaches {} fps", request.rate),
        Some(_) => format!("the fastest available, none reaches {} fps", request.rate),
    };
    let format = match (request.format, rivals) {
        (Some(_), _) => "the pixel format that camera.format names",
        (None, 0) => "the only pixel format available",
        (None, _) => "the cheapest of these to decode",
    };
    format!("{size}; {speed}; {format}")
}

/// Sizes that a driver offers as a range with steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeRange {
    /// Smallest width and height, pixels.
    pub min: (u32, u32),
    /// Largest width and height, pixels.
    pub max: (u32, u32),
    /// Steps of width and height, pixels.
    pub step: (u32, u32),
}

impl SizeRange {
    /// The smallest size of the range that covers the requested one, or the largest.
    #[must_use]
    pub fn fit(&self, width: u32, height: u32) -> (u32, u32) {
        let side = |requested: u32, min: u32, max: u32, step: u32| {
            let steps = requested.saturating_sub(min).div_ceil(step.max(1));
            min.saturating_add(steps.saturating_mul(step.max(1))).min(max)
        };
        (
            side(width, self.min.0, self.max.0, self.step.0),
            side(height, self.min.1, self.max.1, self.step.1),
        )
    }
}

/// Whether a code names raw sensor data. The Bayer codes of videodev2.h begin with the order of the colour
/// filters (`BA81`, `GBRG`, `GRBG`, `RGGB` for 8 bits; `BG10`, `GB12`, `RG16`, ...), the packed ones with
/// `p`, the compressed ones with `a` or `b`; `PC1?` and `PC2?` are the Raspberry Pi's compressed ones.
#[must_use]
pub fn is_bayer(fourcc: [u8; 4]) -> bool {
    let [a, b, c, d] = fourcc;
    let order = |pair: [u8; 2]| matches!(&pair, b"BG" | b"GB" | b"RG" | b"GR" | b"BA");
    let digits = |pair: [u8; 2]| matches!(&pair, b"10" | b"12" | b"14" | b"16");
    matches!(&fourcc, b"BA81" | b"GBRG" | b"GRBG" | b"RGGB" | b"BYR2")
        || (order([a, b]) && digits([c, d]))
        // Packed (pBAA, pgCC, pREE, ...) and compressed to 8 bits (aBA8, bRA8, ...).
        || (matches!(a, b'p' | b'a' | b'b') && matches!(b, b'B' | b'G' | b'g' | b'R') && is_packed([c, d]))
        || (matches!([a, b], [b'P', b'C']) && matches!(c, b'1' | b'2') && matches!(d, b'b' | b'B' | b'g' | b'G' | b'r' | b'R'))
}

fn is_packed(pair: [u8; 2]) -> bool {
    matches!(&pair, b"AA" | b"CC" | b"EE" | b"FF" | b"A8")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::capture::v4l2::testing::{REQUEST, mode};

    fn selected(modes: &[Mode], request: &Request) -> (PixelFormat, u32, u32, Option<f32>) {
        let selection = select(modes, request).unwrap();
        assert!(!selection.reason.is_empty());
        (
            selection.format,
            selection.width,
            selection.height,
            selection.rate,
        )
    }

    /// What a USB 2 webcam offers: uncompressed formats are slow at large sizes.
    fn webcam() -> Vec<Mode> {
        vec![
            mode(b"MJPG", 640, 480, &[30.0, 15.0]),
            mode(b"MJPG", 1280, 720, &[30.0]),
            mode(b"YUYV", 320, 240, &[30.0]),
            mode(b"YUYV", 640, 480, &[30.0, 15.0]),
            mode(b"YUYV", 1280, 720, &[10.0, 5.0]),
            mode(b"H264", 640, 480, &[60.0]),
        ]
    }

    #[test]
    fn uncompressed_is_preferred_where_it_is_fast_enough() {
        assert_eq!(
            selected(&webcam(), &REQUEST),
            (PixelFormat::Yuyv, 640, 480, Some(30.0))
        );
        let slow = Request {
            rate: 15.0,
            ..REQUEST
        };
        assert_eq!(
            selected(&webcam(), &slow),
            (PixelFormat::Yuyv, 640, 480, Some(15.0))
        );
    }

    #[test]
    fn rate_beats_the_cost_of_decoding() {
        let request = Request {
            width: 1280,
            height: 720,
            ..REQUEST
        };
        assert_eq!(
            selected(&webcam(), &request),
            (PixelFormat::Mjpeg, 1280, 720, Some(30.0))
        );
        let request = Request {
            rate: 10.0,
            ..request
        };
        assert_eq!(
            selected(&webcam(), &request),
            (PixelFormat::Yuyv, 1280, 720, Some(10.0))
        );
    }

    #[test]
    fn the_smallest_size_that_covers_or_the_largest() {
        let request = Request {
            width: 641,
            height: 1,
            ..REQUEST
        };
        assert_eq!(selected(&webcam(), &request).1, 1280);
        let request = Request {
            width: 4000,
            height: 3000,
            ..REQUEST
        };
        assert_eq!(
            selected(&webcam(), &request),
            (PixelFormat::Mjpeg, 1280, 720, Some(30.0))
        );
    }

    #[test]
    fn a_named_format_is_kept() {
        let request = Request {
            format: Some(PixelFormat::Mjpeg),
            ..REQUEST
        };
        assert_eq!(selected(&webcam(), &request).0, PixelFormat::Mjpeg);
        let request = Request {
            format: Some(PixelFormat::Nv12),
            ..REQUEST
        };
        assert_eq!(select(&webcam(), &request), Err(NoMode::NotOffered));
    }

    #[test]
    fn ntsc_and_unknown_rates_are_accepted() {
        let modes = [
            mode(b"YUYV", 640, 480, &[29.97]),
            mode(b"MJPG", 640, 480, &[60.0]),
        ];
        assert_eq!(selected(&modes, &REQUEST).0, PixelFormat::Yuyv);
        let modes = [mode(b"NV12", 640, 480, &[])];
        assert_eq!(selected(&modes, &REQUEST), (PixelFormat::Nv12, 640, 480, None));
        let modes = [mode(b"NV12", 640, 480, &[f32::NAN, 0.0, f32::INFINITY])];
        assert_eq!(selected(&modes, &REQUEST).3, None);
    }

    #[test]
    fn grey_is_the_last_resort() {
        let modes = [mode(b"GREY", 640, 480, &[30.0]), mode(b"MJPG", 640, 480, &[30.0])];
        assert_eq!(selected(&modes, &REQUEST).0, PixelFormat::Mjpeg);
        assert_eq!(selected(&modes[..1], &REQUEST).0, PixelFormat::Grey);
    }

    #[test]
    fn reports_why_nothing_fits() {
        assert_eq!(select(&[], &REQUEST), Err(NoMode::Nothing));
        let sensor = [mode(b"pRAA", 3280, 2464, &[]), mode(b"RG10", 3280, 2464, &[])];
        assert_eq!(select(&sensor, &REQUEST), Err(NoMode::BayerOnly));
        assert_eq!(
            select(&[mode(b"H264", 640, 480, &[])], &REQUEST),
            Err(NoMode::Undecodable)
        );
    }

    #[test]
    fn recognises_bayer_formats() {
        for code in [
            b"BA81", b"GBRG", b"GRBG", b"RGGB", b"BG10", b"GB10", b"BA10", b"RG10", b"pBAA", b"pGAA",
            b"pgAA", b"pRAA", b"BG12", b"GR12", b"pRCC", b"pgEE", b"BYR2", b"GB16", b"RG16", b"aBA8",
            b"bRA8", b"PC1R",
        ] {
            assert!(is_bayer(*code), "{}", String::from_utf8_lossy(code));
        }
        for code in [
            b"YUYV", b"MJPG", b"NV12", b"YU12", b"GREY", b"RGB3", b"BGR3", b"H264", b"RGBP", b"BGR4",
            b"Y10 ", b"UYVY", b"YV12", b"BA24", b"RGB4", b"Z16 ",
        ] {
            assert!(!is_bayer(*code), "{}", String::from_utf8_lossy(code));
        }
    }

    #[test]
    fn stepwise_sizes_are_fitted() {
        let range = SizeRange {
            min: (32, 32),
            max: (4056, 3040),
            step: (2, 2),
        };
        assert_eq!(range.fit(640, 480), (640, 480));
        assert_eq!(range.fit(641, 481), (642, 482));
        assert_eq!(range.fit(1, 1), (32, 32));
        assert_eq!(range.fit(u32::MAX, u32::MAX), (4056, 3040));
        let broken = SizeRange {
            step: (0, 0),
            ..range
        };
        assert_eq!(broken.fit(640, 480), (640, 480));
    }
}
