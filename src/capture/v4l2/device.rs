//! One V4L2 node: what it is, and what its errors mean.

use std::{
    io,
    path::{Path, PathBuf},
};

use affectd_sys::v4l2::{self as sys, Capability};
use rustix::io::Errno;

use crate::{
    capture::source::{CaptureError, CaptureKind},
    text,
};

/// Whether frames can be streamed from a node.
#[must_use]
pub fn captures(node: &Capability) -> bool {
    let needed = sys::CAP_VIDEO_CAPTURE | sys::CAP_STREAMING;
    node.capabilities & needed == needed && !is_converter(node)
}

/// Whether a node captures only through the multi-planar interface, as camera bridges on boards do.
#[must_use]
pub fn captures_multiplanar(node: &Capability) -> bool {
    let memory_to_memory = sys::CAP_VIDEO_M2M | sys::CAP_VIDEO_M2M_MPLANE;
    node.capabilities & sys::CAP_VIDEO_CAPTURE_MPLANE != 0
        && node.capabilities & memory_to_memory == 0
        && !is_converter(node)
}

/// The Raspberry Pi's image processor and codec have the capabilities of cameras, but only convert frames.
fn is_converter(node: &Capability) -> bool {
    ["bcm2835-isp", "bcm2835-codec", "pispbe", "rp1-cfe-meta"].contains(&node.driver.as_str())
}

/// Longest name that the kernel passes on, in characters.
const MAX_NAME: usize = 32;

/// An open node and its path, for messages.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) path: PathBuf,
    pub(super) node: sys::Device,
}

impl Device {
    /// Opens `path`.
    pub(super) fn open(path: &Path) -> Result<Self, CaptureError> {
        let node = sys::Device::open(path).map_err(|error| failure(path, "cannot be opened", error))?;
        Ok(Self {
            path: path.into(),
            node,
        })
    }

    /// What the node is.
    pub(super) fn capability(&self) -> Result<Capability, CaptureError> {
        // A camera chooses its own name.
        let safe = |text: String| text::sanitized(&text, MAX_NAME);
        self.node
            .capability()
            .map(|node| Capability {
                driver: safe(node.driver),
                card: safe(node.card),
                bus: safe(node.bus),
                ..node
            })
            .map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::NOTTY | Errno::INVAL) => CaptureError::new(
                    CaptureKind::Unsupported,
                    format!(
                        "{} is not a V4L2 device; `affectd probe` lists the cameras",
                        text::path(&self.path)
                    ),
                ),
                _ => failure(&self.path, "does not report its capabilities", error),
            })
    }
}

/// Turns a kernel error into a camera failure.
pub(super) fn failure(path: &Path, what: &str, error: io::Error) -> CaptureError {
    let (kind, hint) = match Errno::from_io_error(&error) {
        // A path that holds a zero byte.
        None if error.kind() == io::ErrorKind::InvalidInput => (CaptureKind::Missing, ""),
        Some(Errno::NOENT) => (
            CaptureKind::Missing,
            " (is the camera plugged in? `affectd probe` lists the cameras)",
        ),
        Some(Errno::NODEV | Errno::NXIO) => {
            (CaptureKind::Missing, " (it was unplugged, or its driver is gone)")
        }
        Some(Errno::NOTDIR) => (CaptureKind::Missing, ""),
        Some(Errno::ACCESS | Errno::PERM) => (
            CaptureKind::Denied,
            " (the user must be in the group that owns it, usually `video`)",
        ),
        Some(Errno::BUSY) => (
            CaptureKind::Busy,
            " (another program uses it: `fuser` shows which; it may be affectd running as a service)",
        ),
        Some(Errno::NOSPC) => (
            CaptureKind::Busy,
            " (the USB bus has no bandwidth left: choose a smaller size or rate, camera.format = \"MJPG\", or \
             another port)",
        ),
        Some(Errno::ISDIR) => (CaptureKind::Unsupported, " (it is a directory)"),
        Some(Errno::IO | Errno::PROTO | Errno::TIMEDOUT) => {
            (CaptureKind::Stalled, " (the camera does not respond)")
        }
        _ => (CaptureKind::Unsupported, ""),
    };
    CaptureError::caused_by(kind, format!("{} {what}{hint}", text::path(path)), error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_nodes_that_give_pictures_are_cameras() {
        let node = |driver: &str, capabilities| Capability {
            driver: driver.into(),
            card: String::new(),
            bus: String::new(),
            capabilities,
        };
        let camera = sys::CAP_VIDEO_CAPTURE | sys::CAP_STREAMING;
        assert!(captures(&node("uvcvideo", camera)));
        assert!(!captures(&node("bcm2835-isp", camera)));
        assert!(!captures(&node(
            "uvcvideo",
            sys::CAP_META_CAPTURE | sys::CAP_STREAMING
        )));
        assert!(!captures_multiplanar(&node("uvcvideo", camera)));
        assert!(captures_multiplanar(&node(
            "rkisp1",
            sys::CAP_VIDEO_CAPTURE_MPLANE
        )));
        let codec = sys::CAP_VIDEO_CAPTURE_MPLANE | sys::CAP_VIDEO_M2M_MPLANE;
        assert!(!captures_multiplanar(&node("vicodec", codec)));
    }

    #[test]
    fn errors_become_kinds() {
        for (errno, kind) in [
            (Errno::NOENT, CaptureKind::Missing),
            (Errno::NODEV, CaptureKind::Missing),
            (Errno::ACCESS, CaptureKind::Denied),
            (Errno::BUSY, CaptureKind::Busy),
            (Errno::NOSPC, CaptureKind::Busy),
            (Errno::IO, CaptureKind::Stalled),
        ] {
            let error = failure(Path::new("/dev/video9"), "x", errno.into());
            assert_eq!(error.kind, kind);
            assert!(error.reason.starts_with("/dev/video9 x"), "{}", error.reason);
            let cause = io::Error::from(errno).to_string();
            assert!(error.message().ends_with(&cause), "{}", error.message());
        }
    }

    #[test]
    fn other_nodes_are_not_cameras() {
        let device = Device::open(Path::new("/dev/null")).unwrap();
        let error = device.capability().unwrap_err();
        assert_eq!(error.kind, CaptureKind::Unsupported);
        assert!(error.reason.contains("/dev/null is not a V4L2 device"));
        for (path, kind) in [
            ("/dev/video-that-is-not-there", CaptureKind::Missing),
            ("/dev", CaptureKind::Unsupported),
            ("/dev/a\0b", CaptureKind::Missing),
        ] {
            assert_eq!(Device::open(Path::new(path)).unwrap_err().kind, kind, "{path}");
        }
    }
}
