//! Which of a camera's modes to use: the rule, apart from any device.
//!
//! 1. Only layouts that can be decoded, and only the wished one if the settings name it.
//! 2. The smallest size that covers the wished one in both directions; if none does, the largest.
//! 3. Among those of that size, one that reaches the wished rate; if none does, the fastest.
//! 4. Among those, the layout that costs least to decode, in the order of [`PREFERENCE`].

use std::cmp::Reverse;

use crate::capture::frame::PixelFormat;

/// Layouts from the cheapest to decode to the dearest; grey comes last because the networks are made for colour.
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
    /// Frames a second, any order; empty: the driver does not say.
    pub rates: Vec<f32>,
}

/// What the settings ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// `None`: any.
    pub format: Option<PixelFormat>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames a second.
    pub rate: f32,
}

/// What is asked of the driver, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Pixel layout.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames a second; `None` where the driver offers no choice.
    pub rate: Option<f32>,
    /// The rule's steps in words.
    pub reason: String,
}

/// Why no mode can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// The camera offers nothing at all.
    Nothing,
    /// Only raw sensor data, before demosaicing.
    BayerOnly,
    /// No layout that can be decoded.
    Undecodable,
    /// Not the layout that the settings name.
    NotOffered,
}

/// A rate that is a little lower than asked for is good enough: 29.97 for 30, 14.98 for 15.
const RATE_TOLERANCE: f32 = 0.98;

/// Applies the rule.
///
/// # Errors
/// [`Unusable`] if no mode fits.
pub fn choose(modes: &[Mode], wish: &Wish) -> Result<Choice, Unusable> {
    let decodable: Vec<(&Mode, PixelFormat)> = modes
        .iter()
        .filter_map(|mode| Some((mode, PixelFormat::from_fourcc(mode.fourcc)?)))
        .filter(|(mode, _)| mode.width > 0 && mode.height > 0)
        .collect();
    if decodable.is_empty() {
        return Err(match modes {
            [] => Unusable::Nothing,
            _ if modes.iter().all(|mode| is_bayer(mode.fourcc)) => Unusable::BayerOnly,
            _ => Unusable::Undecodable,
        });
    }
    let wanted = decodable
        .iter()
        .filter(|(_, format)| wish.format.is_none_or(|wished| wished == *format));
    let &(mode, format) = wanted
        .clone()
        .min_by_key(|(mode, format)| {
            let rate = best_rate(mode, wish.rate).unwrap_or(0.0);
            let shortfall = (wish.rate * RATE_TOLERANCE - rate).max(0.0);
            let order = PREFERENCE.iter().position(|known| known == format);
            // Rates in millihertz: floating point numbers have no order.
            (size_order(mode, wish), (shortfall * 1000.0) as u64, order)
        })
        .ok_or(Unusable::NotOffered)?;
    let rate = best_rate(mode, wish.rate);
    let rivals = wanted
        .filter(|(other, _)| (other.width, other.height) == (mode.width, mode.height))
        .count()
        - 1;
    Ok(Choice {
        format,
        width: mode.width,
        height: mode.height,
        rate,
        reason: reason(mode, wish, rate, rivals),
    })
}

/// Sizes that cover the wish come first, the smallest ahead; then the others, the largest ahead.
fn size_order(mode: &Mode, wish: &Wish) -> (bool, u64, Reverse<u64>) {
    let area = u64::from(mode.width) * u64::from(mode.height);
    if covers(mode, wish) {
        (false, area, Reverse(0))
    } else {
        (true, 0, Reverse(area))
    }
}

fn covers(mode: &Mode, wish: &Wish) -> bool {
    mode.width >= wish.width && mode.height >= wish.height
}

/// The slowest rate that reaches the wished one, or else the fastest.
fn best_rate(mode: &Mode, wished: f32) -> Option<f32> {
    let usable = mode
        .rates
        .iter()
        .copied()
        .filter(|rate| rate.is_finite() && *rate > 0.0);
    usable
        .clone()
        .filter(|rate| *rate >= wished * RATE_TOLERANCE)
        .min_by(f32::total_cmp)
        .or_else(|| usable.max_by(f32::total_cmp))
}

fn reason(mode: &Mode, wish: &Wish, rate: Option<f32>, rivals: usize) -> String {
    let (width, height) = (wish.width, wish.height);
    let size = if (mode.width, mode.height) == (width, height) {
        "the wished size".to_string()
    } else if covers(mode, wish) {
        format!("the smallest size that covers {width}x{height}")
    } else {
        format!("the largest size, none covers {width}x{height}")
    };
    let speed = match rate {
        None => "the driver offers no choice of rate".to_string(),
        Some(rate) if rate >= wish.rate * RATE_TOLERANCE => format!("reaches {} fps", wish.rate),
        Some(_) => format!("the fastest there, none reaches {} fps", wish.rate),
    };
    let layout = match (wish.format, rivals) {
        (Some(_), _) => "the layout that the settings name",
        (None, 0) => "the only layout there",
        (None, _) => "the cheapest to decode of the layouts that do",
    };
    format!("{size}; {speed}; {layout}")
}

/// Sizes that a driver offers from a smallest to a largest, in steps.
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
    /// The smallest size of the range that covers the wished one, or the largest.
    #[must_use]
    pub fn fit(&self, width: u32, height: u32) -> (u32, u32) {
        let side = |wished: u32, min: u32, max: u32, step: u32| {
            let steps = wished.saturating_sub(min).div_ceil(step.max(1));
            min.saturating_add(steps.saturating_mul(step.max(1))).min(max)
        };
        (
            side(width, self.min.0, self.max.0, self.step.0),
            side(height, self.min.1, self.max.1, self.step.1),
        )
    }
}

/// Whether a code names raw sensor data. The Bayer codes of videodev2.h begin with the order of the colour
/// filters (`BA81`, `GBRG`, `GRBG`, `RGGB` for 8 bits; `BG10`, `GB12`, `RG16`, ...), the packed ones with `p`, the
/// compressed ones with `a` or `b`; `PC1?` and `PC2?` are the Raspberry Pi's compressed ones.
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
    use crate::capture::v4l2::samples::{WISH, mode};

    fn chosen(modes: &[Mode], wish: &Wish) -> (PixelFormat, u32, u32, Option<f32>) {
        let choice = choose(modes, wish).unwrap();
        assert!(!choice.reason.is_empty());
        (choice.format, choice.width, choice.height, choice.rate)
    }

    /// What a USB 2 webcam offers: uncompressed is slow at large sizes.
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
            chosen(&webcam(), &WISH),
            (PixelFormat::Yuyv, 640, 480, Some(30.0))
        );
        let slow = Wish { rate: 15.0, ..WISH };
        assert_eq!(
            chosen(&webcam(), &slow),
            (PixelFormat::Yuyv, 640, 480, Some(15.0))
        );
    }

    #[test]
    fn rate_beats_the_cost_of_decoding() {
        let wish = Wish {
            width: 1280,
            height: 720,
            ..WISH
        };
        assert_eq!(
            chosen(&webcam(), &wish),
            (PixelFormat::Mjpeg, 1280, 720, Some(30.0))
        );
        let wish = Wish { rate: 10.0, ..wish };
        assert_eq!(
            chosen(&webcam(), &wish),
            (PixelFormat::Yuyv, 1280, 720, Some(10.0))
        );
    }

    #[test]
    fn the_smallest_size_that_covers_or_the_largest() {
        let wish = Wish {
            width: 641,
            height: 1,
            ..WISH
        };
        assert_eq!(chosen(&webcam(), &wish).1, 1280);
        let wish = Wish {
            width: 4000,
            height: 3000,
            ..WISH
        };
        assert_eq!(
            chosen(&webcam(), &wish),
            (PixelFormat::Mjpeg, 1280, 720, Some(30.0))
        );
    }

    #[test]
    fn a_named_layout_is_kept_to() {
        let wish = Wish {
            format: Some(PixelFormat::Mjpeg),
            ..WISH
        };
        assert_eq!(chosen(&webcam(), &wish).0, PixelFormat::Mjpeg);
        let wish = Wish {
            format: Some(PixelFormat::Nv12),
            ..WISH
        };
        assert_eq!(choose(&webcam(), &wish), Err(Unusable::NotOffered));
    }

    #[test]
    fn ntsc_rates_are_good_enough_and_unknown_ones_do() {
        let modes = [
            mode(b"YUYV", 640, 480, &[29.97]),
            mode(b"MJPG", 640, 480, &[60.0]),
        ];
        assert_eq!(chosen(&modes, &WISH).0, PixelFormat::Yuyv);
        let modes = [mode(b"NV12", 640, 480, &[])];
        assert_eq!(chosen(&modes, &WISH), (PixelFormat::Nv12, 640, 480, None));
        let modes = [mode(b"NV12", 640, 480, &[f32::NAN, 0.0, f32::INFINITY])];
        assert_eq!(chosen(&modes, &WISH).3, None);
    }

    #[test]
    fn grey_is_the_last_resort() {
        let modes = [mode(b"GREY", 640, 480, &[30.0]), mode(b"MJPG", 640, 480, &[30.0])];
        assert_eq!(chosen(&modes, &WISH).0, PixelFormat::Mjpeg);
        assert_eq!(chosen(&modes[..1], &WISH).0, PixelFormat::Grey);
    }

    #[test]
    fn says_why_nothing_fits() {
        assert_eq!(choose(&[], &WISH), Err(Unusable::Nothing));
        let sensor = [mode(b"pRAA", 3280, 2464, &[]), mode(b"RG10", 3280, 2464, &[])];
        assert_eq!(choose(&sensor, &WISH), Err(Unusable::BayerOnly));
        assert_eq!(
            choose(&[mode(b"H264", 640, 480, &[])], &WISH),
            Err(Unusable::Undecodable)
        );
    }

    #[test]
    fn tells_bayer_from_pictures() {
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
