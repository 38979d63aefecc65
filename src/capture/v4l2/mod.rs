//! Cameras through Video4Linux2.

mod device;
pub mod enumerate;
mod negotiate;
pub mod select;
mod stream;
#[cfg(test)]
pub(crate) mod testing;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    frame::PixelFormat,
    source::{CaptureError, CaptureKind, Opener, Source, Stream},
    timeouts::Timeouts,
};
use crate::{clock::Clock, config::Camera, interrupt::Interrupt, text};
use device::Device;
use select::Request;
use stream::V4l2Source;

pub use affectd_sys::v4l2::Capability;
pub use device::{captures, captures_multiplanar};

/// Opens the configured camera.
pub struct V4l2Opener {
    /// `None` for the first usable camera, which is searched for on each opening.
    device: Option<PathBuf>,
    request: Request,
    timeouts: Timeouts,
    clock: Arc<dyn Clock>,
}

impl V4l2Opener {
    /// An opener for `settings.device`; `timeouts` bound the wait for each frame.
    #[must_use]
    pub fn new(settings: &Camera, timeouts: Timeouts, clock: Arc<dyn Clock>) -> Self {
        let auto = settings.device.eq_ignore_ascii_case("auto") || settings.device.is_empty();
        Self {
            device: (!auto).then(|| PathBuf::from(&settings.device)),
            request: request(settings),
            timeouts,
            clock,
        }
    }
}

/// The mode that the settings ask for.
#[must_use]
pub fn request(settings: &Camera) -> Request {
    Request {
        format: PixelFormat::requested(settings.format),
        width: settings.width,
        height: settings.height,
        rate: settings.rate,
    }
}

impl Opener for V4l2Opener {
    fn discard(&mut self) {}

    fn open(&mut self, interrupt: &Interrupt) -> Result<Box<dyn Source>, CaptureError> {
        if interrupt.is_raised() {
            return Err(CaptureError::interrupted());
        }
        if let Some(path) = &self.device {
            return self.start(path);
        }
        let mut first_error = None;
        for camera in enumerate::usable(enumerate::enumerate(&self.request), &self.request)? {
            // Only starting a camera shows whether it is busy.
            match self.start(camera.configured_path()) {
                Ok(source) => return Ok(source),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| CaptureError::new(CaptureKind::Missing, "there is no camera")))
    }
}

impl V4l2Opener {
    fn start(&self, path: &Path) -> Result<Box<dyn Source>, CaptureError> {
        let device = Device::open(path)?;
        let capability = device.capability()?;
        let modes = if captures(&capability) {
            device.modes(&self.request)
        } else {
            Vec::new()
        };
        let selection = enumerate::select_for(path, &capability, &modes, &self.request)?;
        let negotiated = device.negotiate(&selection, self.request.rate)?;
        let stream = Stream {
            name: format!("{} ({})", text::path(path), capability.card),
            format: negotiated.format,
            width: negotiated.width,
            height: negotiated.height,
            rate: negotiated.rate,
        };
        let source = V4l2Source::start(device, negotiated, stream, self.timeouts, Arc::clone(&self.clock))?;
        Ok(Box::new(source))
    }
}
