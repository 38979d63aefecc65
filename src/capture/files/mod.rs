//! Frames from pictures, folders of pictures and recorded clips, replayed at a rate.

mod clip;
mod picture;
mod png_exif;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    color::ColorEncoding,
    frame::{Frame, PixelFormat},
    source::{CaptureError, CaptureKind, Opener, Source, Stream},
    split::MAX_FRAME_BYTES,
};
use crate::{clock::Clock, config::Camera, interrupt::Interrupt, picture::Picture, text};
use clip::Clip;
use picture::failure;

pub use picture::read_picture;

/// Opens the configured picture, folder or clip.
pub struct FilesOpener {
    path: PathBuf,
    rate: Option<f32>,
    repeat: bool,
    clock: Arc<dyn Clock>,
}

impl FilesOpener {
    /// An opener for `settings.path`; with a `settings.rate` of 0 each frame is delivered as soon as it is
    /// requested.
    #[must_use]
    pub fn new(settings: &Camera, clock: Arc<dyn Clock>) -> Self {
        Self {
            path: settings.path.clone(),
            rate: Some(settings.rate).filter(|rate| rate.is_finite() && *rate > 0.0),
            repeat: settings.repeat,
            clock,
        }
    }
}

impl Opener for FilesOpener {
    fn discard(&mut self) {}

    fn open(&mut self, interrupt: &Interrupt) -> Result<Box<dyn Source>, CaptureError> {
        let path = &self.path;
        if path.as_os_str().is_empty() {
            return Err(CaptureError::new(
                CaptureKind::Missing,
                "camera.path is empty: set it to a picture, a folder of pictures or a clip (.mjpeg, .mjpg, .y4m)",
            ));
        }
        let metadata = fs::metadata(path).map_err(|error| failure(path, error))?;
        let (media, format, (width, height)) = if metadata.is_file() && is_clip(path) {
            let clip = Clip::open(path, interrupt)?;
            let (format, size) = clip.first();
            (Media::Clip(clip), format, size)
        } else {
            let paths = if metadata.is_dir() {
                pictures_in(path)?
            } else {
                vec![path.clone()]
            };
            let size = first_size(&paths)?;
            let pictures = Pictures {
                paths,
                next: 0,
                picture: Picture::default(),
            };
            (Media::Pictures(pictures), PixelFormat::Rgb3, size)
        };
        Ok(Box::new(Files {
            stream: Stream {
                name: text::path(path),
                format,
                width,
                height,
                rate: self.rate,
            },
            media,
            repeat: self.repeat,
            clock: Arc::clone(&self.clock),
            period: self
                .rate
                .map(|rate| Duration::from_secs_f32(1.0 / rate.max(1e-3))),
            due: None,
            sequence: 0,
        }))
    }
}

/// A replay.
struct Files {
    media: Media,
    stream: Stream,
    repeat: bool,
    clock: Arc<dyn Clock>,
    /// Time from one frame to the next; `None` for no waiting.
    period: Option<Duration>,
    /// When the next frame is due.
    due: Option<Duration>,
    sequence: u64,
}

enum Media {
    Pictures(Pictures),
    Clip(Clip),
}

impl Files {
    /// Waits until the next frame is due. A late reader does not get a burst of frames to catch up.
    fn wait_until_due(&mut self, interrupt: &Interrupt) -> Result<(), CaptureError> {
        let Some(period) = self.period else {
            return Ok(());
        };
        let now = self.clock.now();
        let due = self.due.unwrap_or(now);
        if interrupt.wait(due.saturating_sub(now)) {
            return Err(CaptureError::interrupted());
        }
        self.due = Some(due.max(now.saturating_sub(period)) + period);
        Ok(())
    }

    /// The next frame; `false` at the end.
    fn read(&mut self, frame: &mut Frame, interrupt: &Interrupt) -> Result<bool, CaptureError> {
        match &mut self.media {
            Media::Pictures(pictures) => pictures.read(frame),
            Media::Clip(clip) => clip.read(frame, interrupt),
        }
    }

    fn ended(&self) -> CaptureError {
        CaptureError::new(CaptureKind::Ended, format!("{} ended", self.stream.name))
    }

    fn rewind(&mut self) -> Result<(), CaptureError> {
        match &mut self.media {
            Media::Pictures(pictures) => {
                pictures.next = 0;
                Ok(())
            }
            Media::Clip(clip) => clip.rewind(),
        }
    }
}

impl Source for Files {
    fn next(&mut self, frame: &mut Frame, interrupt: &Interrupt) -> Result<(), CaptureError> {
        self.wait_until_due(interrupt)?;
        if !self.read(frame, interrupt)? {
            if !self.repeat {
                return Err(self.ended());
            }
            self.rewind()?;
            if !self.read(frame, interrupt)? {
                return Err(self.ended());
            }
        }
        frame.sequence = self.sequence;
        frame.captured = self.clock.now();
        self.sequence += 1;
        Ok(())
    }

    fn stream(&self) -> &Stream {
        &self.stream
    }
}

/// Pictures in sequence, each decoded when it is due.
struct Pictures {
    paths: Vec<PathBuf>,
    next: usize,
    picture: Picture,
}

impl Pictures {
    fn read(&mut self, frame: &mut Frame) -> Result<bool, CaptureError> {
        let Some(path) = self.paths.get(self.next) else {
            return Ok(false);
        };
        self.next += 1;
        // Only this picture is lost: the next one may be readable.
        picture::read_bounded(path, &mut self.picture, (MAX_FRAME_BYTES / 3) as u64).map_err(|error| {
            CaptureError {
                kind: CaptureKind::Corrupt,
                ..error
            }
        })?;
        frame.format = PixelFormat::Rgb3;
        (frame.width, frame.height) = (self.picture.width(), self.picture.height());
        (frame.stride, frame.color) = (frame.width * 3, ColorEncoding::default());
        self.picture.swap_bytes(&mut frame.data);
        Ok(true)
    }
}

/// The size of the first picture that can be read.
fn first_size(paths: &[PathBuf]) -> Result<(u32, u32), CaptureError> {
    let mut first_error = None;
    for path in paths {
        match picture::size(path) {
            Ok(size) => return Ok(size),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| CaptureError::new(CaptureKind::Missing, "there are no pictures")))
}

/// File name extensions of pictures, in lower case.
const PICTURES: [&str; 9] = ["jpg", "jpeg", "png", "webp", "bmp", "pnm", "ppm", "pgm", "pbm"];

fn extension(path: &Path) -> String {
    path.extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default()
}

fn is_clip(path: &Path) -> bool {
    ["mjpeg", "mjpg", "y4m"].contains(&extension(path).as_str())
}

/// The pictures in a folder, sorted by name; files whose names begin with a dot are skipped.
fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, CaptureError> {
    let entries = fs::read_dir(folder).map_err(|error| failure(folder, error))?;
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| PICTURES.contains(&extension(path).as_str()) && path.is_file())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default();
            !name.as_encoded_bytes().starts_with(b".")
        })
        .collect();
    if paths.is_empty() {
        return Err(CaptureError::new(
            CaptureKind::Missing,
            format!(
                "{} holds no pictures: their names must end in {}",
                text::path(folder),
                PICTURES.join(", ")
            ),
        ));
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;
