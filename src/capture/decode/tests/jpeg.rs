//! MJPEG frames.

use super::*;

/// A JPEG picture without its Huffman tables, as many cameras send it; `avi` adds the APP0 segment that some
/// cameras send instead of JFIF's.
fn without_tables(jpeg: &[u8], avi: bool) -> Vec<u8> {
    let mut out = vec![0xFF, 0xD8];
    if avi {
        out.extend_from_slice(b"\xFF\xE0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0");
    }
    let mut at = 2;
    loop {
        let length = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        match jpeg[at + 1] {
            0xC4 | 0xE0 => {}
            0xDA => {
                out.extend_from_slice(&jpeg[at..]);
                return out;
            }
            _ => out.extend_from_slice(&jpeg[at..at + length]),
        }
        at += length;
    }
}

pub(super) fn mjpeg(data: Vec<u8>) -> Frame {
    Frame {
        data,
        format: PixelFormat::Mjpeg,
        ..Frame::default()
    }
}

#[test]
fn mjpeg_with_and_without_huffman_tables() {
    let whole = jpeg(16, 50);
    let expected = decode(&mjpeg(whole.clone())).unwrap();
    assert_eq!((expected.width(), expected.height()), (128, 50));
    assert_bars(&expected, 16, 12, "MJPG");
    for avi in [false, true] {
        let bare = without_tables(&whole, avi);
        assert!(
            !bare.windows(2).any(|pair| pair == [0xFF, 0xC4]),
            "the tables are still there"
        );
        assert_eq!(decode(&mjpeg(bare)).unwrap(), expected, "avi: {avi}");
    }
}

#[test]
fn mjpeg_with_padding_or_without_its_end() {
    let whole = jpeg(16, 50);
    let expected = decode(&mjpeg(whole.clone())).unwrap();
    for padding in [
        vec![0; 1],
        vec![0; 4096],
        vec![0xFF; 33],
        b"\xFF\xD8garbage".to_vec(),
    ] {
        let padded = [whole.clone(), padding].concat();
        assert_eq!(decode(&mjpeg(padded)).unwrap(), expected);
    }
    let mut unended = whole;
    unended.truncate(unended.len() - 2);
    assert_eq!(decode(&mjpeg(unended)).unwrap(), expected);
}

#[test]
fn damaged_mjpeg_is_refused() {
    let whole = jpeg(16, 64);
    let reason = |data: &[u8]| {
        let error = decode(&mjpeg(data.to_vec())).unwrap_err();
        assert_eq!(error.kind, CaptureKind::Corrupt);
        error.message()
    };
    assert!(reason(&[]).contains("0 bytes cannot be decoded: it is empty"));
    assert!(reason(&[0; 100]).contains("begins with 0000"));
    for length in 2..whole.len() * 3 / 4 {
        reason(&whole[..length]);
    }
    // A frame header that promises 65535 x 65535 pixels, and one that promises 8192 x 8192 in two kilobytes.
    let frame_header = whole.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let mut huge = whole.clone();
    huge[frame_header + 5..frame_header + 9].fill(0xFF);
    assert!(reason(&huge).contains("65535x65535"));
    huge[frame_header + 5..frame_header + 9].copy_from_slice(&[0x20, 0, 0x20, 0]);
    assert!(reason(&huge).contains("cannot hold a picture of 8192x8192"));
    huge[frame_header + 5..frame_header + 9].fill(0);
    assert!(reason(&huge).contains("0x0"));
    let mut progressive = whole;
    progressive[frame_header + 1] = 0xC2;
    assert!(reason(&progressive).contains("progressive"));
}

#[test]
fn grey_jpeg_becomes_rgb() {
    let mut data = Vec::new();
    JpegEncoder::new_with_quality(&mut data, 95)
        .encode(&[77; 24 * 24], 24, 24, ExtendedColorType::L8)
        .unwrap();
    let picture = decode(&mjpeg(data)).unwrap();
    assert!(picture.rgb().iter().all(|value| value.abs_diff(77) <= 2));
}

#[test]
fn the_luma_predicate_decides_on_decoding() {
    for frame in [mjpeg(jpeg(16, 24)), bars(PixelFormat::Yuyv, 16, 24, 0)] {
        let turned = Frame {
            orientation: Orientation::new(90, true),
            ..frame
        };
        let mut decoder = Decoder::new();
        let mut luma = LumaGrid::default();
        let mut picture = Picture::default();
        let left_out = decoder
            .decode_if(&turned, &mut luma, &mut picture, |_| false)
            .unwrap();
        assert!(left_out.is_none());
        assert_eq!(picture, Picture::default());
        let decoded = decoder
            .decode_if(&turned, &mut luma, &mut picture, |luma| {
                assert_eq!((luma.width(), luma.height()), (24, 128));
                true
            })
            .unwrap();
        assert_eq!(*decoded.unwrap(), decode(&turned).unwrap());
    }
}

#[test]
fn a_damaged_frame_is_refused_before_it_is_decoded() {
    let mut luma = LumaGrid::default();
    let whole = jpeg(16, 24);
    let half = mjpeg(whole[..whole.len() / 2].to_vec());
    let error = Decoder::new().measure(&half, &mut luma).unwrap_err();
    assert_eq!(error.kind, CaptureKind::Corrupt);
    let mut short = bars(PixelFormat::Yuyv, 16, 24, 0);
    short.data.pop();
    assert!(Decoder::new().measure(&short, &mut luma).is_err());
}
