//! Photographs: read whole, turned upright, bounded.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read as _, Seek},
    path::Path,
};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, metadata::Orientation};

use crate::{
    capture::{
        frame::MAX_SIDE,
        source::{CaptureError, CaptureKind},
    },
    picture::Picture,
};

/// Largest picture file that is read, bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Reads a photograph (JPEG, PNG, WebP, BMP, PNM) into `picture`, turned as its EXIF orientation says.
///
/// # Errors
/// [`CaptureKind::Missing`] or [`CaptureKind::Denied`] if the file cannot be opened, [`CaptureKind::Corrupt`] if
/// it holds no such picture or one larger than 8192x8192 pixels.
pub fn read_picture(path: &Path, picture: &mut Picture) -> Result<(), CaptureError> {
    let mut bytes = Vec::new();
    open(path)?
        .read_to_end(&mut bytes)
        .map_err(|error| failure(path, error))?;
    let (decoder, orientation, format) = header(path, Cursor::new(&bytes))?;
    if format == Some(ImageFormat::Jpeg) && !is_complete(&bytes) {
        let reason = format!(
            "{}: the picture is cut off: no end of image (FFD9) follows its data",
            path.display()
        );
        return Err(CaptureError::new(CaptureKind::Corrupt, reason));
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| corrupt(path, error))?;
    image.apply_orientation(orientation);
    let image = image.into_rgb8();
    picture
        .reset(image.width(), image.height())
        .copy_from_slice(&image);
    Ok(())
}

/// Width and height of a photograph in pixels, turned upright.
pub(super) fn size(path: &Path) -> Result<(u32, u32), CaptureError> {
    let (decoder, orientation, _) = header(path, BufReader::new(open(path)?))?;
    let (width, height) = decoder.dimensions();
    Ok(match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    })
}

/// Opens a photograph's file, if it is one of a size that may be read.
fn open(path: &Path) -> Result<File, CaptureError> {
    let file = File::open(path).map_err(|error| failure(path, error))?;
    let metadata = file.metadata().map_err(|error| failure(path, error))?;
    let refuse = |why: String| CaptureError::new(CaptureKind::Corrupt, format!("{}: {why}", path.display()));
    if !metadata.is_file() {
        return Err(refuse("is no file".into()));
    }
    if metadata.len() == 0 {
        return Err(refuse("the file is empty".into()));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(refuse(format!(
            "the file has {} bytes, at most {MAX_FILE_BYTES} are allowed",
            metadata.len()
        )));
    }
    Ok(file)
}

/// Reads a photograph's header and checks its size before anything is allocated for it.
fn header<'a>(
    path: &Path,
    input: impl BufRead + Seek + 'a,
) -> Result<(impl ImageDecoder + 'a, Orientation, Option<ImageFormat>), CaptureError> {
    let refuse = |why: String| CaptureError::new(CaptureKind::Corrupt, format!("{}: {why}", path.display()));
    let reader = ImageReader::new(input)
        .with_guessed_format()
        .map_err(|error| failure(path, error))?;
    let format = reader.format();
    // Only the header is read here; the decoders' own buffers are bounded by the crate's default limits.
    let mut decoder = reader.into_decoder().map_err(|error| corrupt(path, error))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(refuse(format!(
            "the picture has {width}x{height} pixels, 1x1 to {MAX_SIDE}x{MAX_SIDE} are allowed"
        )));
    }
    // A photograph whose EXIF data are damaged is shown as it is stored.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((decoder, orientation, format))
}

/// Whether a JPEG file goes on to its end-of-image marker, which the decoder does not ask for: it would give a
/// picture that is half grey. The marker's bytes cannot stand within the data (T.81, B.1.1.5).
fn is_complete(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|at| at == marker);
    last([0xFF, 0xD9]) > last([0xFF, 0xDA])
}

fn corrupt(path: &Path, error: ImageError) -> CaptureError {
    let path = path.display();
    let reason = match error {
        ImageError::Unsupported(_) => format!("{path}: this is not a JPEG, PNG, WebP, BMP or PNM picture"),
        ImageError::Limits(_) => format!("{path}: decoding the picture would take too much memory"),
        _ => format!("{path}: the picture cannot be decoded"),
    };
    CaptureError::caused_by(CaptureKind::Corrupt, reason, error)
}

/// What an error of the file system means.
pub(super) fn failure(path: &Path, error: io::Error) -> CaptureError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => CaptureKind::Denied,
        _ => CaptureKind::Missing,
    };
    CaptureError::caused_by(kind, format!("{} cannot be read", path.display()), error)
}
