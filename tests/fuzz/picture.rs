//! Frames and photographs.

use affectd::{
    capture::{ColorEncoding, Decoder, Frame, Orientation, PixelFormat, jpeg, jpeg::Coding, read_picture},
    picture::Picture,
};

use crate::{memory_file::MemoryFile, target::fuzz};

/// A decoded picture has as many bytes as its size says.
pub fn assert_whole(picture: &Picture) {
    assert!(picture.width() > 0 && picture.height() > 0);
    assert_eq!(
        picture.rgb().len(),
        picture.width() as usize * picture.height() as usize * 3
    );
}

/// A JPEG picture of a camera or a file. What is accepted from a camera is also accepted from a file, and
/// decodes to the same picture.
#[test]
fn jpeg() {
    fuzz("picture__jpeg", |bytes| {
        let (mut frame, mut photograph) = (Picture::default(), Picture::default());
        let mut decoder = jpeg::Decoder::default();
        let sequential = decoder.decode(bytes, Coding::Sequential, &mut frame);
        let any = decoder.decode(bytes, Coding::Any, &mut photograph);
        if sequential.is_ok() {
            assert_whole(&frame);
            assert!(any.is_ok());
            assert_eq!(frame, photograph);
            assert_eq!(jpeg::size(bytes), Some((frame.width(), frame.height())));
        } else if any.is_ok() {
            assert_whole(&photograph);
        }
    });
}

/// A photograph in any format: JPEG, PNG, WebP, BMP, PNM, with EXIF.
#[test]
fn photograph() {
    fuzz("picture__photograph", |bytes| {
        let file = MemoryFile::new(bytes);
        let mut picture = Picture::default();
        if read_picture(file.path(), &mut picture).is_ok() {
            assert_whole(&picture);
        }
    });
}

#[test]
fn exif() {
    fuzz("picture__exif", |bytes| {
        let _ = Orientation::from_exif(bytes);
    });
}

/// An uncompressed frame: 16 bytes of description, then its data.
#[test]
fn raw_frame() {
    fuzz("picture__raw_frame", |bytes| {
        let Some((description, data)) = bytes.split_first_chunk::<16>() else {
            return;
        };
        let number = |at: usize| u32::from(u16::from_le_bytes([description[at], description[at + 1]]));
        let frame = Frame {
            data: data.to_vec(),
            format: PixelFormat::ALL[usize::from(description[0]) % PixelFormat::ALL.len()],
            orientation: Orientation::new(90 * u32::from(description[1] % 4), description[1] & 4 != 0),
            // Mostly small sizes, which few bytes can fill.
            width: number(2) % if description[1] & 8 == 0 { 64 } else { 65_536 },
            height: number(4) % if description[1] & 16 == 0 { 64 } else { 65_536 },
            stride: number(6) << (description[1] >> 5),
            color: ColorEncoding::from_v4l2(number(8), number(10), number(12)),
            ..Frame::default()
        };
        let mut picture = Picture::default();
        if Decoder::new().decode(&frame, &mut picture).is_ok() {
            assert_whole(&picture);
        }
    });
}
