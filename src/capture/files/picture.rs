//! Reads photographs: turned upright, without transparency, and bounded in memory.

use std::{
    borrow::Cow,
    error::Error,
    io::{self, BufRead, Cursor, Seek},
    path::Path,
};

use affectd_infer::panics::catch_panics;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::png_exif;
use crate::{
    capture::{
        jpeg::{self, Coding},
        limits::MAX_SIDE,
        orientation::Orientation,
        source::{CaptureError, CaptureKind},
    },
    file::{self, FileError},
    picture::Picture,
    text,
};

/// Largest picture file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Most bytes that a decoder may use for a picture's samples: 8192x8192 pixels in 8-bit RGBA.
const MAX_DECODED_BYTES: u64 = 256 << 20;

/// Maximum number of pixels of a photograph.
const MAX_PIXELS: u64 = MAX_SIDE as u64 * MAX_SIDE as u64;

/// Reads a photograph (JPEG, PNG, WebP, BMP, PNM) into `picture` and applies its EXIF orientation.
/// Transparent pixels are blended with white.
///
/// # Errors
/// [`CaptureKind::Missing`] or [`CaptureKind::Denied`] if the file cannot be opened, [`CaptureKind::Corrupt`]
/// if it does not hold such a picture, if it is cut off, or if it is larger than 8192x8192 pixels.
pub fn read_picture(path: &Path, picture: &mut Picture) -> Result<(), CaptureError> {
    read_bounded(path, picture, MAX_PIXELS)
}

/// As [`read_picture`], for pictures of at most `max_pixels`.
pub(super) fn read_bounded(path: &Path, picture: &mut Picture, max_pixels: u64) -> Result<(), CaptureError> {
    let bytes = read(path)?;
    catch(path, || decode(path, &bytes, picture, max_pixels))
}

/// Runs a decoder. Some malformed files make decoders panic (image-png's issue 694).
fn catch<T>(path: &Path, work: impl FnOnce() -> Result<T, CaptureError>) -> Result<T, CaptureError> {
    catch_panics("the decoder", work).map_err(|panic| undecodable(path, panic))?
}

fn decode(path: &Path, bytes: &[u8], picture: &mut Picture, max_pixels: u64) -> Result<(), CaptureError> {
    let mut header = header(path, Cursor::new(bytes), max_pixels)?;
    let orientation = orientation(&mut header, bytes);
    if header.format == Some(ImageFormat::Jpeg) {
        // The image crate accepts truncated pictures.
        drop(header);
        jpeg::Decoder::default()
            .decode(bytes, Coding::Any, picture)
            .map_err(|error| undecodable(path, error))?;
    } else {
        let image = DynamicImage::from_decoder(header.decoder).map_err(|error| corrupt(path, error))?;
        to_rgb(image, header.format, picture);
    }
    orientation.apply(picture, &mut Vec::new());
    Ok(())
}

/// Width and height of an upright photograph in pixels.
pub(super) fn size(path: &Path) -> Result<(u32, u32), CaptureError> {
    let bytes = read(path)?;
    catch(path, || {
        let mut header = header(path, Cursor::new(&bytes), MAX_PIXELS)?;
        let (width, height) = header.decoder.dimensions();
        Ok(if orientation(&mut header, &bytes).swaps_sides() {
            (height, width)
        } else {
            (width, height)
        })
    })
}

/// The bytes of a photograph's file, if its size is allowed.
fn read(path: &Path) -> Result<Vec<u8>, CaptureError> {
    let refuse =
        |why: String| CaptureError::new(CaptureKind::Corrupt, format!("{}: {why}", text::path(path)));
    match file::read(path, MAX_FILE_BYTES) {
        Ok(bytes) if bytes.is_empty() => Err(refuse("the file is empty".into())),
        Ok(bytes) => Ok(bytes),
        Err(FileError::Io(error)) => Err(failure(path, error)),
        Err(error) => Err(refuse(error.to_string())),
    }
}

/// A photograph of which only the header was read.
struct Header<D> {
    decoder: D,
    format: Option<ImageFormat>,
}

/// Reads a photograph's header and checks its size before memory is allocated for it.
fn header<'a>(
    path: &Path,
    input: impl BufRead + Seek + 'a,
    max_pixels: u64,
) -> Result<Header<impl ImageDecoder + 'a>, CaptureError> {
    let refuse =
        |why: String| CaptureError::new(CaptureKind::Corrupt, format!("{}: {why}", text::path(path)));
    let reader = ImageReader::new(input)
        .with_guessed_format()
        .map_err(|error| failure(path, error))?;
    let format = reader.format();
    // The decoders' own buffers are bounded by the crate's default limits.
    let decoder = reader.into_decoder().map_err(|error| corrupt(path, error))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(refuse(format!(
            "the picture has {width}x{height} pixels, 1x1 to {MAX_SIDE}x{MAX_SIDE} are allowed"
        )));
    }
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(refuse(format!(
            "the picture has {width}x{height} pixels, frames have at most {max_pixels}"
        )));
    }
    if decoder.total_bytes() > MAX_DECODED_BYTES {
        return Err(refuse(format!(
            "decoding the picture would take {} bytes, at most {MAX_DECODED_BYTES} are allowed",
            decoder.total_bytes()
        )));
    }
    Ok(Header { decoder, format })
}

/// The photograph's orientation. If its EXIF data are missing or damaged, it is used as stored.
fn orientation(header: &mut Header<impl ImageDecoder>, bytes: &[u8]) -> Orientation {
    let chunk = match header.format {
        Some(ImageFormat::Png) => png_exif::exif(bytes).map(Cow::into_owned),
        Some(ImageFormat::Jpeg) => jpeg::exif(bytes).map(<[u8]>::to_vec),
        _ => header.decoder.exif_metadata().ok().flatten(),
    };
    chunk
        .and_then(|chunk| Orientation::from_exif(&chunk))
        .unwrap_or_default()
}

/// Writes `image` into `picture`, blended with white where it is transparent.
fn to_rgb(image: DynamicImage, format: Option<ImageFormat>, picture: &mut Picture) {
    if !image.color().has_alpha() {
        let rgb = image.into_rgb8();
        picture.reset(rgb.width(), rgb.height()).copy_from_slice(&rgb);
        return;
    }
    let rgba = image.into_rgba8();
    let out = picture.reset(rgba.width(), rgba.height());
    // BMP pictures may have a meaningless alpha channel of zeros.
    let is_opaque = format == Some(ImageFormat::Bmp) && rgba.pixels().all(|pixel| pixel.0[3] == 0);
    for (out, pixel) in out.chunks_exact_mut(3).zip(rgba.pixels()) {
        let [colour @ .., alpha] = pixel.0;
        let alpha = if is_opaque { 255 } else { u32::from(alpha) };
        for (out, value) in out.iter_mut().zip(colour) {
            *out = ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
}

fn corrupt(path: &Path, error: ImageError) -> CaptureError {
    let reason = match error {
        ImageError::Unsupported(_) => "this is not a JPEG, PNG, WebP, BMP or PNM picture",
        ImageError::Limits(_) => "decoding the picture would take too much memory",
        _ => return undecodable(path, error),
    };
    let reason = format!("{}: {reason}", text::path(path));
    CaptureError::caused_by(CaptureKind::Corrupt, reason, error)
}

fn undecodable(path: &Path, error: impl Error + Send + Sync + 'static) -> CaptureError {
    let reason = format!("{}: the picture cannot be decoded", text::path(path));
    CaptureError::caused_by(CaptureKind::Corrupt, reason, error)
}

/// Turns a file system error into a capture error.
pub(super) fn failure(path: &Path, error: io::Error) -> CaptureError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => CaptureKind::Denied,
        _ => CaptureKind::Missing,
    };
    CaptureError::caused_by(kind, format!("{} cannot be read", text::path(path)), error)
}
