#![allow(clippy::unwrap_used)]
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
use proptest::prelude::*;

mod jpeg;
mod luma;

use self::jpeg::mjpeg;
use super::*;
use crate::capture::{ColorEncoding, Orientation, color::Matrix};

/// The eight bars of 100 % colour, R G B, and the same in BT.601 limited range, Y U V (ITU-R BT.601 and
/// BT.1729).
const BARS: [([u8; 3], [u8; 3]); 8] = [
    ([255, 255, 255], [235, 128, 128]),
    ([255, 255, 0], [210, 16, 146]),
    ([0, 255, 255], [170, 166, 16]),
    ([0, 255, 0], [145, 54, 34]),
    ([255, 0, 255], [106, 202, 222]),
    ([255, 0, 0], [81, 90, 240]),
    ([0, 0, 255], [41, 240, 110]),
    ([0, 0, 0], [16, 128, 128]),
];

/// Bars that are `bar` pixels wide, as a frame with `padding` extra bytes a row.
fn bars(format: PixelFormat, bar: u32, height: u32, padding: usize) -> Frame {
    let width = bar * 8;
    let stride = format.row_bytes(width) + padding;
    let colour = |x: u32| BARS[(x.min(width - 1) / bar) as usize];
    let mut data = vec![0xA5; format.frame_bytes(width, height, stride)];
    let mut put = |at: usize, value: u8| data[at] = value;
    let chroma = format.chroma_stride(stride);
    let luma = stride * height as usize;
    for y in 0..height {
        let (row, half) = (y as usize * stride, luma + y as usize / 2 * chroma);
        for x in 0..width {
            let ([r, g, b], [luma_value, u, v]) = colour(x);
            let at = x as usize;
            match format {
                PixelFormat::Rgb3 | PixelFormat::Bgr3 => {
                    let (first, last) = if format == PixelFormat::Rgb3 {
                        (r, b)
                    } else {
                        (b, r)
                    };
                    put(row + 3 * at, first);
                    put(row + 3 * at + 1, g);
                    put(row + 3 * at + 2, last);
                }
                PixelFormat::Grey => put(row + at, luma_value),
                PixelFormat::Yuyv => {
                    put(row + 2 * at, luma_value);
                    put(row + at / 2 * 4 + 1, u);
                    put(row + at / 2 * 4 + 3, v);
                }
                PixelFormat::Nv12 => {
                    put(row + at, luma_value);
                    put(half + at / 2 * 2, u);
                    put(half + at / 2 * 2 + 1, v);
                }
                PixelFormat::Yu12 => {
                    put(row + at, luma_value);
                    put(half + at / 2, u);
                    put(half + chroma * height.div_ceil(2) as usize + at / 2, v);
                }
                PixelFormat::Mjpeg => unreachable!(),
            }
        }
    }
    Frame {
        data,
        format,
        width,
        height,
        stride: stride as u32,
        ..Frame::default()
    }
}

fn decode(frame: &Frame) -> Result<Picture, CaptureError> {
    let mut picture = Picture::default();
    Decoder::new().decode(frame, &mut picture).map(|()| picture)
}

fn assert_bars(picture: &Picture, bar: u32, tolerance: u8, what: &str) {
    let width = picture.width();
    for (index, pixel) in picture.rgb().chunks_exact(3).enumerate() {
        let (expected, _) = BARS[(index as u32 % width / bar) as usize];
        for (got, expected) in pixel.iter().zip(expected) {
            assert!(
                got.abs_diff(expected) <= tolerance,
                "{what}, pixel {index}: {pixel:?}, not {expected:?}"
            );
        }
    }
}

#[test]
fn colour_bars_in_every_format() {
    for format in PixelFormat::ALL {
        if matches!(format, PixelFormat::Grey | PixelFormat::Mjpeg) {
            continue;
        }
        // Wider and narrower than one block, odd heights, padded rows.
        for (bar, height, padding) in [(2, 1, 0), (4, 3, 0), (10, 7, 12), (80, 480, 0)] {
            let picture = decode(&bars(format, bar, height, padding)).unwrap();
            assert_eq!((picture.width(), picture.height()), (bar * 8, height));
            assert_bars(&picture, bar, 2, &format!("{format} {bar} {height} {padding}"));
        }
    }
}

#[test]
fn grey_keeps_its_values() {
    let frame = Frame {
        data: vec![0, 128, 255, 9, 1, 2, 3],
        width: 3,
        height: 2,
        stride: 4,
        ..Frame::default()
    };
    let picture = decode(&frame).unwrap();
    assert_eq!(
        picture.rgb(),
        [0, 0, 0, 128, 128, 128, 255, 255, 255, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    );
}

/// The weights of red and blue in luma, as the recommendations state them.
fn weights(matrix: Matrix) -> (f32, f32) {
    match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
    }
}

/// Every Y, and U and V in steps, in every encoding, against the definitions in floating point.
#[test]
fn fixed_point_follows_the_definitions() {
    for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
        for range in [Range::Limited, Range::Full] {
            let worst = worst_difference(matrix, range);
            assert!(worst <= 2.3, "{matrix:?} {range:?}: {worst}");
        }
    }
}

fn worst_difference(matrix: Matrix, range: Range) -> f32 {
    let encoding = ColorEncoding {
        matrix: Some(matrix),
        range: Some(range),
    };
    let factors = Factors::new(encoding, Range::Limited);
    let (kr, kb) = weights(matrix);
    let kg = 1.0 - kr - kb;
    let (black, white, chroma) = match range {
        Range::Limited => (16.0, 219.0, 224.0),
        Range::Full => (0.0, 255.0, 255.0),
    };
    let mut worst = 0.0_f32;
    for u in (0..=255_u8).step_by(5) {
        for v in (0..=255_u8).step_by(5) {
            let data: Vec<u8> = (0..=255_u8)
                .step_by(2)
                .flat_map(|y| [y, u, y.saturating_add(1), v])
                .collect();
            let mut out = [0; 256 * 3];
            yuv::yuyv_row(&data, &factors, &mut out);
            for (y, rgb) in out.chunks_exact(3).enumerate() {
                let luma = 255.0 * (y as f32 - black) / white;
                let (u, v) = (f32::from(u) - 128.0, f32::from(v) - 128.0);
                let (cb, cr) = (255.0 * u / chroma, 255.0 * v / chroma);
                let (red, blue) = (2.0 * (1.0 - kr) * cr, 2.0 * (1.0 - kb) * cb);
                let exact = [luma + red, luma - (kr * red + kb * blue) / kg, luma + blue];
                for (got, exact) in rgb.iter().zip(exact) {
                    worst = worst.max((f32::from(*got) - exact.clamp(0.0, 255.0)).abs());
                }
            }
        }
    }
    worst
}

/// The same picture in both ranges decodes to the same colours; without a stated range, YUV is limited and
/// grey is full.
#[test]
fn the_stated_range_is_used() {
    let frame = |format: PixelFormat, sample: u8, range: Option<Range>| Frame {
        data: vec![sample, 128, sample, 128],
        format,
        width: 2,
        height: 1,
        stride: 4,
        color: ColorEncoding { matrix: None, range },
        ..Frame::default()
    };
    for (format, sample, range, value) in [
        (PixelFormat::Yuyv, 16, Some(Range::Limited), 0),
        (PixelFormat::Yuyv, 235, Some(Range::Limited), 255),
        (PixelFormat::Yuyv, 16, None, 0),
        (PixelFormat::Yuyv, 16, Some(Range::Full), 16),
        (PixelFormat::Yuyv, 100, Some(Range::Full), 100),
        (PixelFormat::Yuyv, 255, Some(Range::Full), 255),
        (PixelFormat::Grey, 16, None, 16),
        (PixelFormat::Grey, 16, Some(Range::Full), 16),
        (PixelFormat::Grey, 16, Some(Range::Limited), 0),
        (PixelFormat::Grey, 235, Some(Range::Limited), 255),
    ] {
        let picture = decode(&frame(format, sample, range)).unwrap();
        assert_eq!(picture.rgb()[0], value, "{format} {sample} {range:?}");
    }
}

#[test]
fn pictures_are_turned_as_the_frame_says() {
    let frame = Frame {
        data: vec![1, 2, 3, 4, 5, 6],
        width: 3,
        height: 2,
        stride: 3,
        orientation: Orientation::new(90, false),
        ..Frame::default()
    };
    let picture = decode(&frame).unwrap();
    assert_eq!((picture.width(), picture.height()), (2, 3));
    let values: Vec<u8> = picture.rgb().iter().step_by(3).copied().collect();
    assert_eq!(values, [4, 1, 5, 2, 6, 3]);
}

#[test]
fn odd_sizes_use_the_last_chroma_sample() {
    // 3x3 pixels, rows without padding: one luma plane, chroma planes of 2x2.
    let frame = Frame {
        data: [vec![81; 9], vec![90, 90, 90, 90], vec![240, 240, 240, 240]].concat(),
        format: PixelFormat::Yu12,
        width: 3,
        height: 3,
        stride: 3,
        ..Frame::default()
    };
    let picture = decode(&frame).unwrap();
    assert!(
        picture
            .rgb()
            .chunks_exact(3)
            .all(|rgb| rgb[0] >= 253 && rgb[1] <= 2 && rgb[2] <= 2)
    );
    let frame = Frame {
        data: [vec![81; 9], [90, 240].repeat(4)].concat(),
        format: PixelFormat::Nv12,
        ..frame
    };
    assert_eq!(decode(&frame).unwrap(), picture);
    let frame = Frame {
        data: [81, 90, 81, 240].repeat(6),
        format: PixelFormat::Yuyv,
        stride: 8,
        ..frame
    };
    assert_eq!(decode(&frame).unwrap(), picture);
}

#[test]
fn wrong_sizes_are_refused() {
    let good = bars(PixelFormat::Yuyv, 8, 4, 0);
    let error = |frame: Frame| {
        let error = decode(&frame).unwrap_err();
        assert_eq!(error.kind, CaptureKind::Corrupt);
        error.message()
    };
    let mut cut_off = good.clone();
    cut_off.data.pop();
    assert!(error(cut_off).contains("cut off: 511 bytes are there, 512 are needed"));
    let empty = Frame {
        data: Vec::new(),
        ..good
    };
    assert!(error(empty).contains("0 bytes are there"));
    for (width, height) in [(0, 4), (64, 0), (8193, 4), (64, 8193), (u32::MAX, u32::MAX)] {
        assert!(
            error(Frame {
                width,
                height,
                ..good.clone()
            })
            .contains("are allowed")
        );
    }
    for stride in [0, 127, u32::MAX] {
        assert!(
            error(Frame {
                stride,
                ..good.clone()
            })
            .contains("rows are")
        );
    }
    // Bytes after the frame are the driver's padding.
    let mut padded = good.clone();
    padded.data.extend_from_slice(&[0; 1000]);
    assert_eq!(decode(&padded).unwrap(), decode(&good).unwrap());
}

#[test]
fn buffers_are_kept() {
    let (mut decoder, mut picture) = (Decoder::new(), Picture::default());
    decoder
        .decode(&bars(PixelFormat::Yuyv, 80, 480, 0), &mut picture)
        .unwrap();
    let at = picture.rgb().as_ptr();
    decoder
        .decode(&bars(PixelFormat::Nv12, 40, 240, 0), &mut picture)
        .unwrap();
    decoder
        .decode(&bars(PixelFormat::Yu12, 80, 480, 0), &mut picture)
        .unwrap();
    assert_eq!(picture.rgb().as_ptr(), at);
}

/// The bars as a JPEG picture from the image crate's encoder, which uses the standard Huffman tables.
fn jpeg(bar: u32, height: u32) -> Vec<u8> {
    let rgb: Vec<u8> = (0..height)
        .flat_map(|_| (0..bar * 8).flat_map(move |x| BARS[(x / bar) as usize].0))
        .collect();
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 95)
        .encode(&rgb, bar * 8, height, ExtendedColorType::Rgb8)
        .unwrap();
    out
}

proptest! {
    /// Whatever a driver claims, decoding yields a whole picture or an error.
    #[test]
    fn any_frame_decodes_fully_or_fails(
        format in 0..PixelFormat::ALL.len(),
        width in 0_u32..70,
        height in 0_u32..9,
        padding in 0_u32..9,
        missing in 0_usize..3,
        seed in any::<u8>(),
    ) {
        let format = PixelFormat::ALL[format];
        let stride = (format.row_bytes(width) as u32 + padding).saturating_sub(2);
        let length = format.frame_bytes(width, height, stride as usize).saturating_sub(missing);
        let data = (0..length).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect();
        let frame = Frame { data, format, width, height, stride, ..Frame::default() };
        match decode(&frame) {
            Ok(picture) => {
                prop_assert!(missing == 0 && padding >= 2);
                prop_assert_eq!((picture.width(), picture.height()), (width, height));
                prop_assert_eq!(picture.rgb().len(), (width * height * 3) as usize);
            }
            Err(error) => prop_assert_eq!(error.kind, CaptureKind::Corrupt),
        }
    }
}
