#![allow(clippy::unwrap_used)]
use std::path::PathBuf;

use image::{ExtendedColorType, RgbImage, codecs::jpeg::JpegEncoder};
use tempfile::TempDir;

mod pictures;

use super::*;
use crate::{
    capture::opener,
    clock::SystemClock,
    config::{Camera, CameraFormat, SourceKind},
    interrupt::Interrupt,
};

fn settings(path: PathBuf, repeat: bool) -> Camera {
    Camera {
        source: SourceKind::Files,
        device: "auto".into(),
        format: CameraFormat::Auto,
        width: 640,
        height: 480,
        rate: 0.0,
        timeout: Duration::from_secs_f32(1.0),
        start_timeout: Duration::ZERO,
        stride: 0,
        rotate: 0,
        mirror: false,
        fov_deg: 65.0,
        command: Vec::new(),
        path,
        repeat,
    }
}

fn open(path: impl Into<PathBuf>, repeat: bool) -> Result<Box<dyn Source>, CaptureError> {
    opener(&settings(path.into(), repeat), Arc::new(SystemClock::new()))
        .unwrap()
        .open(&Interrupt::new().unwrap())
}

fn next(source: &mut Box<dyn Source>, frame: &mut Frame) -> Result<(), CaptureError> {
    source.next(frame, &Interrupt::new().unwrap())
}

fn refusal(path: impl Into<PathBuf>) -> CaptureError {
    open(path, false).err().expect("it was opened")
}

fn picture(colour: [u8; 3], width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, image::Rgb(colour))
}

/// A folder of four pictures, the third of which is cut off.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    picture([255, 0, 0], 8, 6).save(at("a.png")).unwrap();
    picture([0, 255, 0], 4, 2).save(at("b.BMP")).unwrap();
    picture([9, 9, 9], 64, 64).save(at("c.png")).unwrap();
    let whole = fs::read(at("c.png")).unwrap();
    fs::write(at("c.png"), &whole[..whole.len() / 2]).unwrap();
    picture([0, 0, 255], 2, 3).save(at("d.webp")).unwrap();
    fs::write(at("notes.txt"), "no picture").unwrap();
    fs::write(at(".hidden.png"), "no picture").unwrap();
    folder
}

#[test]
fn a_folder_in_the_order_of_its_names() {
    let folder = folder();
    let mut source = open(folder.path(), true).unwrap();
    let stream = source.stream();
    assert_eq!(
        (stream.width, stream.height, stream.format),
        (8, 6, PixelFormat::Rgb3)
    );
    assert_eq!(stream.rate, None);
    let mut frame = Frame::default();
    for round in 0..2 {
        for (index, (size, colour)) in [((8, 6), [255, 0, 0]), ((4, 2), [0, 255, 0])]
            .into_iter()
            .enumerate()
        {
            next(&mut source, &mut frame).unwrap();
            assert_eq!((frame.width, frame.height), size);
            assert_eq!(frame.data[..3], colour);
            assert_eq!(frame.data.len() as u32, frame.stride * frame.height);
            assert_eq!(frame.sequence, round * 3 + index as u64);
        }
        let error = next(&mut source, &mut frame).unwrap_err();
        assert_eq!(error.kind, CaptureKind::Corrupt);
        assert!(error.reason.contains("c.png"), "{}", error.reason);
        next(&mut source, &mut frame).unwrap();
        assert_eq!((frame.width, frame.data[2]), (2, 255));
    }
}

#[test]
fn without_repeat_it_ends() {
    let folder = folder();
    let mut source = open(folder.path().join("a.png"), false).unwrap();
    let mut frame = Frame::default();
    next(&mut source, &mut frame).unwrap();
    for _ in 0..2 {
        assert_eq!(
            next(&mut source, &mut frame).unwrap_err().kind,
            CaptureKind::Ended
        );
    }
}

#[test]
fn unusable_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert_eq!(refusal(at("nothing.png")).kind, CaptureKind::Missing);
    assert_eq!(refusal("").kind, CaptureKind::Missing);
    let empty = refusal(folder.path());
    assert_eq!(empty.kind, CaptureKind::Missing);
    assert!(empty.reason.contains("holds no pictures"));
    fs::write(at("empty.png"), "").unwrap();
    assert!(
        refusal(at("empty.png"))
            .reason
            .contains("empty.png: the file is empty")
    );
    fs::write(at("text.jpg"), "this is text, whatever its name says").unwrap();
    assert_eq!(refusal(at("text.jpg")).kind, CaptureKind::Corrupt);
    assert_eq!(refusal("/dev/null").kind, CaptureKind::Corrupt);
    fs::write(at("empty.y4m"), "").unwrap();
    assert_eq!(refusal(at("empty.y4m")).kind, CaptureKind::Corrupt);
    fs::write(at("other.mjpeg"), "RIFF....AVI ").unwrap();
    assert_eq!(refusal(at("other.mjpeg")).kind, CaptureKind::Unsupported);
}

#[test]
fn clips_are_replayed_frame_by_frame() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.y4m");
    let mut bytes = b"YUV4MPEG2 W2 H2 F25:1 Cmono\n".to_vec();
    for value in 0..5 {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend_from_slice(&[value; 4]);
    }
    fs::write(&clip, &bytes).unwrap();
    let mut source = open(&clip, true).unwrap();
    assert_eq!(
        (source.stream().format, source.stream().width),
        (PixelFormat::Grey, 2)
    );
    let mut frame = Frame::default();
    for index in 0..12 {
        next(&mut source, &mut frame).unwrap();
        assert_eq!(frame.data, [index as u8 % 5; 4]);
        assert_eq!(
            (frame.sequence, frame.width, frame.height, frame.stride),
            (index, 2, 2, 2)
        );
    }
    fs::write(&clip, &bytes[..bytes.len() - 2]).unwrap();
    let mut source = open(&clip, false).unwrap();
    for _ in 0..4 {
        next(&mut source, &mut frame).unwrap();
    }
    let error = next(&mut source, &mut frame).unwrap_err();
    assert_eq!(error.kind, CaptureKind::Corrupt);
    assert!(error.reason.contains("within a frame"), "{}", error.reason);
    assert_eq!(
        next(&mut source, &mut frame).unwrap_err().kind,
        CaptureKind::Ended
    );
}

#[test]
fn mjpeg_is_played() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.MJPG");
    let mut bytes = Vec::new();
    for value in [40, 200] {
        JpegEncoder::new(&mut bytes)
            .encode(&[value; 16 * 8 * 3], 16, 8, ExtendedColorType::Rgb8)
            .unwrap();
    }
    fs::write(&clip, &bytes).unwrap();
    let mut source = open(&clip, false).unwrap();
    let (mut frame, mut decoded) = (Frame::default(), Picture::default());
    for value in [40_u8, 200] {
        next(&mut source, &mut frame).unwrap();
        assert_eq!(
            (frame.format, frame.width, frame.height, frame.stride),
            (PixelFormat::Mjpeg, 16, 8, 0)
        );
        crate::capture::Decoder::new()
            .decode(&frame, &mut decoded)
            .unwrap();
        assert!(decoded.rgb().iter().all(|got| got.abs_diff(value) <= 2));
    }
    assert_eq!(
        next(&mut source, &mut frame).unwrap_err().kind,
        CaptureKind::Ended
    );
}

#[test]
fn a_rate_is_kept_to() {
    let folder = folder();
    let settings = Camera {
        rate: 50.0,
        ..settings(folder.path().join("a.png"), true)
    };
    let clock = Arc::new(SystemClock::new());
    let mut source = opener(&settings, clock.clone())
        .unwrap()
        .open(&Interrupt::new().unwrap())
        .unwrap();
    assert_eq!(source.stream().rate, Some(50.0));
    let mut frame = Frame::default();
    let start = clock.now();
    for _ in 0..6 {
        next(&mut source, &mut frame).unwrap();
    }
    // Five waits of 20 ms; a busy machine may take longer.
    assert!(clock.now() - start >= Duration::from_millis(95));
}

#[test]
fn a_clip_whose_pictures_lack_their_ends_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mjpg");
    let jpeg = include_bytes!("../../../tests/data/jpeg/sequential-420.jpg");
    let unended = &jpeg[..jpeg.len() - 2];
    fs::write(&clip, [unended, unended, unended].concat()).unwrap();
    let mut source = open(&clip, false).unwrap();
    let (mut frame, mut decoded) = (Frame::default(), Picture::default());
    for _ in 0..3 {
        next(&mut source, &mut frame).unwrap();
        crate::capture::Decoder::new()
            .decode(&frame, &mut decoded)
            .unwrap();
        assert_eq!((decoded.width(), decoded.height()), (61, 45));
    }
    assert_eq!(
        next(&mut source, &mut frame).unwrap_err().kind,
        CaptureKind::Ended
    );
}
