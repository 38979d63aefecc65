//! The bundled clip, embedded in the program so `demo` and `bench` need no other files.

use std::{sync::Arc, time::Duration};

use crate::{
    capture::{CaptureError, CaptureKind, Frame, Opener, PixelFormat, Source, Stream, split::jpeg_pictures},
    clock::Clock,
    interrupt::Interrupt,
};

/// Concatenated JPEG pictures; src/measure/clip/README.md documents their origin.
const CLIP: &[u8] = include_bytes!("clip/two-portraits.mjpeg");

/// Pictures per second.
pub const RATE: f32 = 10.0;

/// Width and height of each picture in pixels.
pub const SIZE: (u32, u32) = (640, 480);

/// The clip's pictures, in order.
pub fn pictures() -> impl Iterator<Item = &'static [u8]> {
    jpeg_pictures(CLIP)
}

/// Fills `frame` with one of the clip's pictures.
pub fn fill(frame: &mut Frame, picture: &[u8], sequence: u64, captured: Duration) {
    frame.data.clear();
    frame.data.extend_from_slice(picture);
    frame.format = PixelFormat::Mjpeg;
    (frame.width, frame.height) = SIZE;
    frame.stride = 0;
    frame.sequence = sequence;
    frame.captured = captured;
}

/// Opens the clip as a camera that plays it once, in real time.
pub struct ClipOpener {
    clock: Arc<dyn Clock>,
}

impl ClipOpener {
    /// A camera that runs on `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl Opener for ClipOpener {
    fn discard(&mut self) {}

    fn open(&mut self, _interrupt: &Interrupt) -> Result<Box<dyn Source>, CaptureError> {
        let (width, height) = SIZE;
        let format = PixelFormat::Mjpeg;
        let stream = Stream {
            name: "the bundled clip".into(),
            format,
            width,
            height,
            rate: Some(RATE),
        };
        let started = self.clock.now();
        Ok(Box::new(ClipSource {
            clock: self.clock.clone(),
            pictures: Box::new(pictures()),
            stream,
            started,
            shown: 0,
        }))
    }
}

struct ClipSource {
    clock: Arc<dyn Clock>,
    pictures: Box<dyn Iterator<Item = &'static [u8]> + Send>,
    stream: Stream,
    started: Duration,
    shown: u64,
}

impl Source for ClipSource {
    fn next(&mut self, frame: &mut Frame, interrupt: &Interrupt) -> Result<(), CaptureError> {
        let Some(picture) = self.pictures.next() else {
            return Err(CaptureError::new(CaptureKind::Ended, "the clip has ended"));
        };
        let due = self.started + Duration::from_secs_f32(self.shown as f32 / RATE);
        if interrupt.wait(due.saturating_sub(self.clock.now())) {
            return Err(CaptureError::interrupted());
        }
        fill(frame, picture, self.shown, self.clock.now());
        self.shown += 1;
        Ok(())
    }

    fn stream(&self) -> &Stream {
        &self.stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_is_thirteen_seconds_of_complete_pictures() {
        let pictures: Vec<_> = pictures().collect();
        assert_eq!(pictures.len(), 130);
        assert_eq!(pictures.iter().map(|p| p.len()).sum::<usize>(), CLIP.len());
        for picture in pictures {
            let decoded = image::load_from_memory_with_format(picture, image::ImageFormat::Jpeg).unwrap();
            assert_eq!((decoded.width(), decoded.height()), SIZE);
        }
    }
}
