//! Cameras through Video4Linux2.

pub mod choose;
mod device;
pub mod find;
mod negotiate;
#[cfg(test)]
pub(crate) mod samples;
mod stream;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    frame::PixelFormat,
    source::{CaptureError, CaptureKind, Opener, Source, Stream},
};
use crate::{clock::Clock, config::Camera};
use choose::Wish;
use device::Device;

/// Opens the camera of the settings, again and again.
pub struct CameraOpener {
    /// `None`: the first usable one, looked for each time.
    device: Option<PathBuf>,
    wish: Wish,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl CameraOpener {
    /// An opener for `settings.device`; `timeout` bounds the wait for each frame.
    ///
    /// # Errors
    /// [`CaptureKind::Unsupported`] if `settings.format` is no layout that can be decoded.
    pub fn new(settings: &Camera, timeout: Duration, clock: Arc<dyn Clock>) -> Result<Self, CaptureError> {
        let auto = settings.device.eq_ignore_ascii_case("auto") || settings.device.is_empty();
        Ok(Self {
            device: (!auto).then(|| PathBuf::from(&settings.device)),
            wish: wish(settings)?,
            timeout,
            clock,
        })
    }
}

/// What the settings ask of a camera.
///
/// # Errors
/// [`CaptureKind::Unsupported`] if `settings.format` is no layout that can be decoded.
pub fn wish(settings: &Camera) -> Result<Wish, CaptureError> {
    let name = &settings.format;
    let format = if name.eq_ignore_ascii_case("auto") {
        None
    } else {
        let format = PixelFormat::from_name(name).ok_or_else(|| {
            CaptureError::new(
                CaptureKind::Unsupported,
                format!(
                    "camera.format is `{name}`: a camera can be asked for auto, YUYV, NV12, YU12, RGB3, BGR3, MJPG \
                     or GREY"
                ),
            )
        })?;
        Some(format)
    };
    Ok(Wish {
        format,
        width: settings.width,
        height: settings.height,
        rate: settings.rate,
    })
}

impl Opener for CameraOpener {
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        if let Some(path) = &self.device {
            return self.start(path);
        }
        let mut first_error = None;
        for camera in find::usable(find::find(&self.wish), &self.wish)? {
            // Whether a camera is busy shows only when it is started.
            match self.start(camera.path()) {
                Ok(source) => return Ok(source),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| CaptureError::new(CaptureKind::Missing, "there is no camera")))
    }
}

impl CameraOpener {
    fn start(&self, path: &Path) -> Result<Box<dyn Source>, CaptureError> {
        let device = Device::open(path)?;
        let identity = device.identity()?;
        let modes = if identity.captures() {
            device.modes(&self.wish)
        } else {
            Vec::new()
        };
        let choice = find::choose_for(path, &identity, &modes, &self.wish)?;
        let agreed = device.agree(&choice, self.wish.rate)?;
        let stream = Stream {
            name: format!("{} ({})", path.display(), identity.card),
            format: agreed.format,
            width: agreed.width,
            height: agreed.height,
            rate: agreed.rate,
        };
        let camera = stream::Camera::start(device, agreed, stream, self.timeout, Arc::clone(&self.clock))?;
        Ok(Box::new(camera))
    }
}
