//! Arbitrary bytes from a camera, a program or a file must not make the daemon panic.

use affectd::{
    capture::{
        Decoder, Frame, Orientation, PixelFormat, jpeg,
        split::{Progress, Split, Splitter, StreamBuffer},
    },
    picture::Picture,
};
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};

fn jpeg() -> Vec<u8> {
    let rgb: Vec<u8> = (0..48 * 40 * 3).map(|i| ((i * i) >> 4) as u8).collect();
    let mut out = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut out, 80).encode(&rgb, 48, 40, ExtendedColorType::Rgb8);
    assert!(encoded.is_ok());
    out
}

fn decode(frame: &Frame) {
    let mut picture = Picture::default();
    if Decoder::new().decode(frame, &mut picture).is_ok() {
        assert!(picture.width() > 0 && picture.height() > 0);
        assert_eq!(
            picture.rgb().len(),
            picture.width() as usize * picture.height() as usize * 3
        );
    }
}

#[test]
fn mjpeg_frames() {
    bolero::check!().for_each(|bytes: &[u8]| {
        decode(&Frame {
            data: [&[0xFF, 0xD8], bytes].concat(),
            format: PixelFormat::Mjpeg,
            ..Frame::default()
        });
    });
}

/// Damaged real pictures reach more of the decoder than random bytes.
#[test]
fn damaged_mjpeg_frames() {
    let whole = jpeg();
    bolero::check!().with_type::<Vec<(u16, u8)>>().for_each(|damage| {
        let mut data = whole.clone();
        for (at, value) in damage {
            let at = usize::from(*at) % data.len();
            data[at] = *value;
        }
        if let Some((cut, _)) = damage.first().filter(|(_, value)| value % 4 == 0) {
            data.truncate(usize::from(*cut) % whole.len());
        }
        decode(&Frame {
            data,
            format: PixelFormat::Mjpeg,
            ..Frame::default()
        });
    });
}

#[test]
fn raw_frames() {
    bolero::check!()
        .with_type::<(u8, u16, u16, u32, Vec<u8>)>()
        .for_each(|(format, width, height, stride, data)| {
            let format = PixelFormat::ALL[usize::from(*format) % PixelFormat::ALL.len()];
            decode(&Frame {
                data: data.clone(),
                format,
                width: u32::from(*width) % 64,
                height: u32::from(*height) % 64,
                stride: if stride % 2 == 0 { *stride } else { stride % 256 },
                ..Frame::default()
            });
        });
}

/// Splits `bytes` as a stream; every step must advance without passing the end.
fn split(mut splitter: Splitter, bytes: &[u8]) {
    let mut start = 0;
    for _ in 0..=bytes.len() {
        let rest = &bytes[start..];
        start += match splitter.find(rest) {
            Err(_) | Ok(Split::More) => return,
            Ok(Split::Skip(count) | Split::Damaged(count, _)) => count,
            Ok(Split::Frame { body, end }) => {
                assert!(body.start <= body.end && body.end <= end);
                end
            }
        };
        assert!(start <= bytes.len());
    }
    panic!("the splitter does not move on");
}

#[test]
fn mjpeg_streams() {
    bolero::check!().for_each(|bytes: &[u8]| {
        // Markers are rare in random bytes.
        let dense: Vec<u8> = bytes
            .iter()
            .map(|byte| match byte % 8 {
                0 | 1 => 0xFF,
                2 => 0xD8,
                3 => 0xD9,
                4 => 0xDA,
                5 => 0,
                _ => *byte,
            })
            .collect();
        for bytes in [bytes, &dense] {
            if let Ok(splitter) = Splitter::by_name("mjpeg", 0, 0, 0) {
                split(splitter, bytes);
            }
        }
    });
}

#[test]
fn y4m_streams() {
    bolero::check!().for_each(|bytes: &[u8]| {
        for start in [
            &b""[..],
            b"YUV4MPEG2 ",
            b"YUV4MPEG2 W2 H2 F",
            b"YUV4MPEG2 W2 H2 Cmono\nFRAME",
        ] {
            split(Splitter::Detect, &[start, bytes].concat());
        }
    });
}

/// The frames must not depend on how the stream is divided into reads.
#[test]
fn arrival_does_not_matter() {
    let picture = jpeg();
    bolero::check!()
        .with_type::<(Vec<u8>, u16)>()
        .for_each(|(junk, piece)| {
            let stream = [junk.as_slice(), &picture, &picture, junk].concat();
            let count = |piece: usize| {
                let mut intake = StreamBuffer::new(match Splitter::by_name("mjpeg", 0, 0, 0) {
                    Ok(splitter) => splitter,
                    Err(why) => panic!("{why}"),
                });
                let (mut rest, mut frames) = (stream.as_slice(), 0);
                loop {
                    match intake.step() {
                        Ok(Progress::Frame) => frames += 1,
                        Ok(Progress::Damaged(_)) => {}
                        Ok(Progress::More) if rest.is_empty() => return frames,
                        Ok(Progress::More) => {
                            let (now, later) = rest.split_at(piece.min(rest.len()));
                            rest = later;
                            let filled = intake.fill(|buffer| {
                                buffer[..now.len()].copy_from_slice(now);
                                Ok(now.len())
                            });
                            assert!(filled.is_ok());
                        }
                        Err(why) => panic!("{why}"),
                    }
                }
            };
            let piece = usize::from(*piece) % 1000 + 1;
            assert_eq!(count(piece), count(stream.len().min(60_000)));
        });
}

/// Photographs may be progressive JPEG, which reaches other parts of the decoder.
#[test]
fn damaged_photographs() {
    let pictures: [&[u8]; 3] = [
        include_bytes!("../data/jpeg/progressive-420.jpg"),
        include_bytes!("../data/jpeg/progressive-restart-444.jpg"),
        include_bytes!("../data/jpeg/restart-422.jpg"),
    ];
    bolero::check!()
        .with_type::<(u8, Vec<(u16, u8)>)>()
        .for_each(|(index, damage)| {
            let mut data = pictures[usize::from(*index) % pictures.len()].to_vec();
            for (at, value) in damage {
                let at = usize::from(*at) % data.len();
                data[at] = *value;
            }
            let mut picture = Picture::default();
            let decoded = jpeg::Decoder::default().decode(&data, jpeg::Coding::Any, &mut picture);
            if decoded.is_ok() {
                assert_eq!(picture.rgb().len() as u32, picture.width() * picture.height() * 3);
            }
        });
}

#[test]
fn exif() {
    bolero::check!().for_each(|bytes: &[u8]| {
        for start in [&b"II\x2A\0\x08\0\0\0"[..], b"MM\0\x2A", b""] {
            let _ = Orientation::from_exif(&[start, bytes].concat());
        }
    });
}
