//! What a camera program writes.

use affectd::{
    capture::{
        Decoder, Frame,
        split::{Progress, Splitter, StreamBuffer},
    },
    config::CameraFormat,
    picture::Picture,
};

use crate::{picture::assert_whole, target::fuzz};

/// The format in the settings, by the first byte.
const FORMATS: [CameraFormat; 6] = [
    CameraFormat::Auto,
    CameraFormat::Mjpeg,
    CameraFormat::Y4m,
    CameraFormat::Yuyv,
    CameraFormat::Nv12,
    CameraFormat::Rgb3,
];

/// A stream of frames. Its first byte selects the format, the second how many bytes arrive at a time, on
/// which the result must not depend.
#[test]
fn frames() {
    fuzz("stream__frames", |bytes| {
        let Some((&[format, piece], stream)) = bytes.split_first_chunk::<2>() else {
            return;
        };
        let format = FORMATS[usize::from(format) % FORMATS.len()];
        assert_eq!(
            split(format, stream, 1 + usize::from(piece)),
            split(format, stream, 60_000)
        );
    });
}

/// Sizes of the frames that can be decoded, how many cannot, and why the stream ended.
fn split(format: CameraFormat, mut rest: &[u8], piece: usize) -> (Vec<(u32, u32)>, usize, Option<String>) {
    let mut buffer = StreamBuffer::new(Splitter::new(format, 6, 4, 0).unwrap());
    let (mut decoder, mut frame, mut picture) = (Decoder::new(), Frame::default(), Picture::default());
    let (mut sizes, mut undecodable) = (Vec::new(), 0);
    loop {
        match buffer.step() {
            Ok(Progress::Frame) => {
                assert!(buffer.take(&mut frame));
                if decoder.decode(&frame, &mut picture).is_ok() {
                    assert_whole(&picture);
                    sizes.push((picture.width(), picture.height()));
                } else {
                    undecodable += 1;
                }
            }
            Ok(Progress::Damaged(_)) => {}
            Ok(Progress::More) if rest.is_empty() => return (sizes, undecodable, None),
            Ok(Progress::More) => {
                let (now, later) = rest.split_at(piece.min(rest.len()));
                rest = later;
                let filled = buffer.fill(|room| {
                    room[..now.len()].copy_from_slice(now);
                    Ok(now.len())
                });
                assert_eq!(filled.unwrap(), now.len());
            }
            Err(why) => return (sizes, undecodable, Some(why)),
        }
    }
}
