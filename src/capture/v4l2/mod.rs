//! Cameras through Video4Linux2.

pub mod choose;
mod device;
pub mod find;
mod stream;

use std::{path::PathBuf, sync::Arc, time::Duration};

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
        let path = match &self.device {
            Some(path) => path.clone(),
            None => find::first_usable(find::find(&self.wish), &self.wish)?
                .path()
                .into(),
        };
        let device = Device::open(&path)?;
        let identity = device.identity()?;
        let modes = if identity.captures() {
            device.modes(&self.wish)
        } else {
            Vec::new()
        };
        let choice = find::choose_for(&path, &identity, &modes, &self.wish)?;
        let agreed = device.agree(&choice)?;
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
