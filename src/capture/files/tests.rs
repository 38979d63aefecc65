#![allow(clippy::unwrap_used)]
use std::path::PathBuf;

use image::{ExtendedColorType, ImageFormat, RgbImage, codecs::jpeg::JpegEncoder};
use tempfile::TempDir;

use super::*;
use crate::{
    capture::opener,
    clock::SystemClock,
    config::{Camera, SourceKind},
    interrupt::Interrupt,
};

fn settings(path: PathBuf, repeat: bool) -> Camera {
    Camera {
        source: SourceKind::Files,
        device: "auto".into(),
        format: "auto".into(),
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
fn what_cannot_be_opened_is_named() {
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
fn decompression_bombs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Sixty thousand by sixty thousand pixels in a header without pixels, in each format.
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xEA\x60\0\0\xEA\x60\x08\x02\0\0\0".to_vec();
    png.extend_from_slice(&0x0FB0_E215_u32.to_be_bytes());
    png.extend_from_slice(b"\0\0\0\0IDAT\x35\xAF\x06\x1E");
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    for value in [60_000_u32, 60_000, 0x0018_0001, 0, 0, 0, 0, 0, 0] {
        bmp.extend_from_slice(&value.to_le_bytes());
    }
    fs::write(at("bomb.png"), png).unwrap();
    fs::write(at("bomb.bmp"), bmp).unwrap();
    fs::write(at("bomb.ppm"), "P6 60000 60000 255\n").unwrap();
    picture([0; 3], 8193, 1).save(at("wide.png")).unwrap();
    for name in ["bomb.png", "bomb.bmp", "bomb.ppm", "wide.png"] {
        let error = refusal(at(name));
        assert_eq!(error.kind, CaptureKind::Corrupt, "{}", error.reason);
        assert!(error.reason.contains(name), "{}", error.reason);
        assert!(error.reason.contains("8192x8192 are allowed"), "{}", error.reason);
    }
    picture([0; 3], 8192, 1).save(at("widest.png")).unwrap();
    assert!(open(at("widest.png"), false).is_ok());
}

/// An EXIF block that says how the picture lies, and nothing else.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    let mut out = vec![0xFF, 0xD8, 0xFF, 0xE1];
    out.extend_from_slice(&(exif.len() as u16 + 2).to_be_bytes());
    out.extend_from_slice(&exif);
    out.extend_from_slice(&jpeg[2..]);
    out
}

#[test]
fn photographs_are_turned_upright() {
    let folder = tempfile::tempdir().unwrap();
    // The left half is white.
    let lying = RgbImage::from_fn(64, 32, |x, _| image::Rgb([if x < 32 { 255 } else { 0 }; 3]));
    let mut jpeg = Vec::new();
    JpegEncoder::new(&mut jpeg)
        .encode(&lying, 64, 32, ExtendedColorType::Rgb8)
        .unwrap();
    let path = folder.path().join("portrait.jpg");
    // 6: the picture has to be turned clockwise by a quarter, which brings the left side to the top.
    fs::write(&path, with_orientation(&jpeg, 6)).unwrap();
    let mut upright = Picture::default();
    read_picture(&path, &mut upright).unwrap();
    assert_eq!((upright.width(), upright.height()), (32, 64));
    assert!(upright.rgb()[0] > 200 && upright.rgb()[upright.rgb().len() - 1] < 50);
    let source = open(&path, false).unwrap();
    assert_eq!((source.stream().width, source.stream().height), (32, 64));
}

#[test]
fn every_picture_format() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in [
        ("a.jpg", ImageFormat::Jpeg),
        ("a.png", ImageFormat::Png),
        ("a.webp", ImageFormat::WebP),
        ("a.bmp", ImageFormat::Bmp),
        ("a.ppm", ImageFormat::Pnm),
    ] {
        let path = folder.path().join(name);
        picture([200, 100, 50], 16, 16)
            .save_with_format(&path, format)
            .unwrap();
        let mut read = Picture::default();
        read_picture(&path, &mut read).unwrap();
        assert_eq!((read.width(), read.height()), (16, 16));
        for (got, expected) in read.rgb().iter().zip([200_u8, 100, 50].iter().cycle()) {
            assert!(got.abs_diff(*expected) <= 3, "{name}");
        }
    }
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
fn mjpeg_clips_too() {
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

fn read(path: &std::path::Path) -> Picture {
    let mut picture = Picture::default();
    read_picture(path, &mut picture).unwrap();
    picture
}

#[test]
fn transparent_pixels_are_blended_with_white() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let pixels = [[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128], [0, 255, 0, 51]];
    let image = image::RgbaImage::from_fn(4, 1, |x, _| image::Rgba(pixels[x as usize]));
    image.save(&path).unwrap();
    let expected = [255, 0, 0, 255, 255, 255, 127, 127, 127, 204, 255, 204];
    assert_eq!(read(&path).rgb(), expected);
    // 16 bits, and grey.
    let path = folder.path().join("b.png");
    let image = image::ImageBuffer::from_fn(2, 1, |x, _| image::LumaA([0_u16, x as u16 * 65_535]));
    image::DynamicImage::ImageLumaA16(image).save(&path).unwrap();
    assert_eq!(read(&path).rgb(), [255, 255, 255, 0, 0, 0]);
}

/// A PNG chunk with its checksum.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = !0_u32;
    for byte in kind.iter().chain(data) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    let length = (data.len() as u32).to_be_bytes();
    [&length[..], kind, data, &(!crc).to_be_bytes()].concat()
}

#[test]
fn exif_of_png_may_come_before_or_after_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    // The left half is white.
    RgbImage::from_fn(4, 2, |x, _| image::Rgb([if x < 2 { 255 } else { 0 }; 3]))
        .save(&path)
        .unwrap();
    let png = fs::read(&path).unwrap();
    // 6, as a LONG in little-endian order.
    let exif = chunk(
        b"eXIf",
        b"II\x2A\0\x08\0\0\0\x01\0\x12\x01\x04\0\x01\0\0\0\x06\0\0\0",
    );
    for at in [8 + 25, png.len() - 12] {
        fs::write(&path, [&png[..at], &exif, &png[at..]].concat()).unwrap();
        let picture = read(&path);
        assert_eq!((picture.width(), picture.height()), (2, 4));
        assert_eq!((picture.rgb()[0], picture.rgb()[23]), (255, 0));
    }
}

#[test]
fn a_motion_photo_is_the_picture_before_the_video() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let jpeg = include_bytes!("../../../tests/data/jpeg/sequential-420.jpg");
    fs::write(&path, jpeg).unwrap();
    let expected = read(&path);
    // A start-of-scan marker that occurs by chance in what follows.
    fs::write(&path, [&jpeg[..], b"\0\0\0\x18ftypmp42\xFF\xDAisom"].concat()).unwrap();
    assert_eq!(read(&path), expected);
    let half = [&jpeg[..jpeg.len() / 2 + 200], b"\xFF\xD9"].concat();
    fs::write(&path, half).unwrap();
    let error = read_picture(&path, &mut Picture::default()).unwrap_err();
    assert_eq!(error.kind, CaptureKind::Corrupt);
    assert!(error.message().contains("is cut off"), "{}", error.message());
}

#[test]
fn pictures_that_decode_to_too_much_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.png");
    // The header of 8192x8192 pixels with 16 bits of RGBA: 512 MiB.
    let header = chunk(b"IHDR", b"\0\0\x20\0\0\0\x20\0\x10\x06\0\0\0");
    let bytes = [b"\x89PNG\r\n\x1a\n", &header[..], &chunk(b"IDAT", b"\x78\x9C")].concat();
    fs::write(&path, bytes).unwrap();
    let error = read_picture(&path, &mut Picture::default()).unwrap_err();
    assert!(
        error.reason.contains("would take 536870912 bytes"),
        "{}",
        error.reason
    );
    // A stream's frames have a stricter bound.
    picture([1; 3], 8192, 2731)
        .save(folder.path().join("large.png"))
        .unwrap();
    let error = next(
        &mut open(folder.path().join("large.png"), false).unwrap(),
        &mut Frame::default(),
    )
    .unwrap_err();
    assert!(
        error.reason.contains("8192x2731 pixels, frames have at most"),
        "{}",
        error.reason
    );
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

#[test]
fn pictures_are_turned_as_the_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    RgbImage::from_fn(3, 2, |x, y| image::Rgb([(y * 3 + x + 1) as u8; 3]))
        .save(&path)
        .unwrap();
    let settings = Camera {
        rotate: 90,
        mirror: true,
        ..settings(path, false)
    };
    let mut opener = opener(&settings, Arc::new(SystemClock::new())).unwrap();
    let mut source = opener.open(&Interrupt::new().unwrap()).unwrap();
    let (mut frame, mut decoded) = (Frame::default(), Picture::default());
    next(&mut source, &mut frame).unwrap();
    crate::capture::Decoder::new()
        .decode(&frame, &mut decoded)
        .unwrap();
    let values: Vec<u8> = decoded.rgb().iter().step_by(3).copied().collect();
    assert_eq!((decoded.width(), values), (2, vec![1, 4, 2, 5, 3, 6]));
}
