//! Picture formats and their metadata.

use image::ImageFormat;

use super::*;

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

/// Adds an EXIF block that states the orientation and nothing else.
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
    // 6: a clockwise quarter turn is needed, which brings the left side to the top.
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
    // 16-bit grey.
    let path = folder.path().join("b.png");
    let image = image::ImageBuffer::from_fn(2, 1, |x, _| image::LumaA([0_u16, x as u16 * 65_535]));
    image::DynamicImage::ImageLumaA16(image).save(&path).unwrap();
    assert_eq!(read(&path).rgb(), [255, 255, 255, 0, 0, 0]);
    // Nothing but transparent pixels, whose colours do not show.
    for name in ["c.png", "c.webp"] {
        let path = folder.path().join(name);
        image::RgbaImage::from_pixel(2, 1, image::Rgba([9, 8, 7, 0]))
            .save(&path)
            .unwrap();
        assert_eq!(read(&path).rgb(), [255; 6], "{name}");
    }
}

/// In a BMP picture, alpha is often unused.
#[test]
fn a_bmp_picture_whose_alpha_is_zero_is_opaque() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bmp");
    for (alpha, expected) in [([0, 0], [9, 8, 7, 9, 8, 7]), ([0, 255], [255, 255, 255, 9, 8, 7])] {
        image::RgbaImage::from_fn(2, 1, |x, _| image::Rgba([9, 8, 7, alpha[x as usize]]))
            .save(&path)
            .unwrap();
        assert_eq!(read(&path).rgb(), expected);
    }
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
fn a_picture_that_makes_its_decoder_panic_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("palette.png");
    let header = [0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0];
    // One stored block of two bytes: the filter and the pixel.
    let data = [0x78, 1, 1, 2, 0, 0xFD, 0xFF, 0, 0, 0, 2, 0, 1];
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [
        (b"IHDR", &header[..]),
        // Entries have three bytes.
        (b"PLTE", &[1, 2, 3, 4, 5]),
        (b"IDAT", &data),
        (b"IEND", &[]),
    ] {
        png.extend(chunk(kind, data));
    }
    fs::write(&path, png).unwrap();
    let error = read_picture(&path, &mut Picture::default()).unwrap_err();
    assert_eq!(error.kind, CaptureKind::Corrupt);
    assert!(error.reason.contains("palette.png"), "{}", error.reason);
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
    let jpeg = include_bytes!("../../../../tests/data/jpeg/sequential-420.jpg");
    fs::write(&path, jpeg).unwrap();
    let expected = read(&path);
    // A start-of-scan marker that occurs by chance in the trailing data.
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
    // The header of 8192x8192 pixels of 16-bit RGBA: 512 MiB.
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
