//! One V4L2 node: opening it, calling its driver, what it is.
//!
//! Structures and request codes are the v4l crate's. Its own device and stream types are not used: they panic on
//! names that are not UTF-8, on colour spaces they do not know and when a stream cannot be stopped, and they call
//! the kernel past the C library, which is where `libcamerify` steps in.

use std::{
    ffi::CString,
    io, mem,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use v4l::{v4l_sys as sys, v4l2::vidioc};

use crate::capture::source::{CaptureError, CaptureKind};

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Driver, e.g. `uvcvideo`.
    pub driver: String,
    /// Name of the camera.
    pub card: String,
    /// Where it is connected, e.g. `usb-0000:01:00.0-1.2`.
    pub bus: String,
    /// V4L2_CAP_* bits of this node.
    pub capabilities: u32,
}

impl Identity {
    /// Whether frames can be streamed from this node.
    #[must_use]
    pub fn captures(&self) -> bool {
        let needed = sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING;
        self.capabilities & needed == needed && !self.is_converter()
    }

    /// Whether it captures through the multi-planar interface only, as camera bridges on boards do.
    #[must_use]
    pub fn captures_planes(&self) -> bool {
        let memory_to_memory = sys::V4L2_CAP_VIDEO_M2M | sys::V4L2_CAP_VIDEO_M2M_MPLANE;
        self.capabilities & sys::V4L2_CAP_VIDEO_CAPTURE_MPLANE != 0
            && self.capabilities & memory_to_memory == 0
            && !self.is_converter()
    }

    /// The Raspberry Pi's image processor and codec look like cameras, but give nothing until they are fed.
    fn is_converter(&self) -> bool {
        ["bcm2835-isp", "bcm2835-codec", "pispbe", "rp1-cfe-meta"].contains(&self.driver.as_str())
    }
}

/// An open node.
#[derive(Debug)]
pub(super) struct Device {
    fd: OwnedFd,
    path: PathBuf,
}

impl Device {
    /// Opens `path` without waiting for frames.
    pub(super) fn open(path: &Path) -> Result<Self, CaptureError> {
        let name = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| CaptureError::new(CaptureKind::Missing, "camera.device holds a zero byte"))?;
        let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC;
        // SAFETY: the string lives through the call.
        let fd = unsafe { libc::open(name.as_ptr(), flags) };
        if fd < 0 {
            return Err(failure(path, "cannot be opened", &io::Error::last_os_error()));
        }
        // SAFETY: the descriptor was just opened and belongs to nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self {
            fd,
            path: path.into(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Calls the driver; again if a signal came in between.
    pub(super) fn ioctl<T: KernelStruct>(
        &self,
        request: vidioc::_IOC_TYPE,
        argument: &mut T,
    ) -> io::Result<()> {
        // A request code holds the size of its structure (asm-generic/ioctl.h).
        if (request as u32 >> 16) as usize & 0x3FFF != size_of::<T>() {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        loop {
            // SAFETY: the kernel reads and writes as many bytes as the request code says, which the argument has.
            let result = unsafe { libc::ioctl(self.fd(), request, std::ptr::from_mut(argument)) };
            if result >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// What the node is.
    pub(super) fn identity(&self) -> Result<Identity, CaptureError> {
        let mut capability: sys::v4l2_capability = zeroed();
        self.ioctl(vidioc::VIDIOC_QUERYCAP, &mut capability)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::ENOTTY | libc::EINVAL) => CaptureError::new(
                    CaptureKind::Unsupported,
                    format!(
                        "{} is not a V4L2 device; `affectd probe` lists the cameras",
                        self.path.display()
                    ),
                ),
                _ => failure(&self.path, "does not say what it is", &error),
            })?;
        let node = capability.capabilities & sys::V4L2_CAP_DEVICE_CAPS != 0;
        Ok(Identity {
            driver: text(&capability.driver),
            card: text(&capability.card),
            bus: text(&capability.bus_info),
            capabilities: if node {
                capability.device_caps
            } else {
                capability.capabilities
            },
        })
    }
}

/// The buffer type of single-planar capture.
pub(super) const CAPTURE: u32 = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;

/// A kernel structure of which only some members are set.
pub(super) fn zeroed<T: KernelStruct>() -> T {
    // SAFETY: implemented only for structures of numbers, for which zero is a value.
    unsafe { mem::zeroed() }
}

/// The structures of videodev2.h that are used here: numbers and unions of numbers, valid when zero.
pub(super) trait KernelStruct {}
impl KernelStruct for sys::v4l2_capability {}
impl KernelStruct for sys::v4l2_fmtdesc {}
impl KernelStruct for sys::v4l2_frmsizeenum {}
impl KernelStruct for sys::v4l2_frmivalenum {}
impl KernelStruct for sys::v4l2_format {}
impl KernelStruct for sys::v4l2_pix_format {}
impl KernelStruct for sys::v4l2_streamparm {}
impl KernelStruct for sys::v4l2_captureparm {}
impl KernelStruct for sys::v4l2_requestbuffers {}
impl KernelStruct for sys::v4l2_buffer {}
impl KernelStruct for libc::c_int {}

/// The kernel's names need be neither UTF-8 nor terminated.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_string()
}

/// What an error of the kernel means for a camera.
pub(super) fn failure(path: &Path, what: &str, error: &io::Error) -> CaptureError {
    let (kind, hint) = match error.raw_os_error() {
        Some(libc::ENOENT) => (
            CaptureKind::Missing,
            "; is the camera plugged in? `affectd probe` lists what there is",
        ),
        Some(libc::ENODEV | libc::ENXIO) => {
            (CaptureKind::Missing, "; it was unplugged, or its driver is gone")
        }
        Some(libc::ENOTDIR) => (CaptureKind::Missing, ""),
        Some(libc::EACCES | libc::EPERM) => (
            CaptureKind::Denied,
            "; the user must be in the group that owns it, usually `video`",
        ),
        Some(libc::EBUSY) => (
            CaptureKind::Busy,
            "; another program holds it (`fuser` on the device names it): affectd itself, where it runs as a service",
        ),
        Some(libc::ENOSPC) => (
            CaptureKind::Busy,
            "; the USB bus has no bandwidth left: choose a smaller size or rate, camera.format = \"MJPG\", or \
             another port",
        ),
        Some(libc::EISDIR) => (CaptureKind::Unsupported, "; it is a folder"),
        Some(libc::EIO | libc::EPROTO | libc::ETIMEDOUT) => {
            (CaptureKind::Stalled, "; the camera does not answer")
        }
        _ => (CaptureKind::Unsupported, ""),
    };
    CaptureError::new(kind, format!("{} {what}: {error}{hint}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_need_not_be_text() {
        assert_eq!(text(b"HD Webcam\0junk"), "HD Webcam");
        assert_eq!(text(b"caf\xe9 "), "caf\u{fffd}");
    }

    #[test]
    fn tells_cameras_from_what_looks_like_one() {
        let node = |driver: &str, capabilities| Identity {
            driver: driver.into(),
            card: String::new(),
            bus: String::new(),
            capabilities,
        };
        let camera = sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING;
        assert!(node("uvcvideo", camera).captures());
        assert!(!node("bcm2835-isp", camera).captures());
        assert!(!node("uvcvideo", sys::V4L2_CAP_META_CAPTURE | sys::V4L2_CAP_STREAMING).captures());
        assert!(!node("uvcvideo", camera).captures_planes());
        assert!(node("rkisp1", sys::V4L2_CAP_VIDEO_CAPTURE_MPLANE).captures_planes());
        let codec = sys::V4L2_CAP_VIDEO_CAPTURE_MPLANE | sys::V4L2_CAP_VIDEO_M2M_MPLANE;
        assert!(!node("vicodec", codec).captures_planes());
    }

    #[test]
    fn errors_become_kinds() {
        for (errno, kind) in [
            (libc::ENOENT, CaptureKind::Missing),
            (libc::ENODEV, CaptureKind::Missing),
            (libc::EACCES, CaptureKind::Denied),
            (libc::EBUSY, CaptureKind::Busy),
            (libc::ENOSPC, CaptureKind::Busy),
            (libc::EIO, CaptureKind::Stalled),
        ] {
            let error = failure(
                Path::new("/dev/video9"),
                "x",
                &io::Error::from_raw_os_error(errno),
            );
            assert_eq!(error.kind, kind);
            assert!(error.reason.starts_with("/dev/video9 x: "));
        }
    }

    #[test]
    fn other_nodes_are_no_cameras() {
        let device = Device::open(Path::new("/dev/null")).unwrap();
        let error = device.identity().unwrap_err();
        assert_eq!(error.kind, CaptureKind::Unsupported);
        assert!(error.reason.contains("/dev/null is not a V4L2 device"));
        let missing = Device::open(Path::new("/dev/video-that-is-not-there")).unwrap_err();
        assert_eq!(missing.kind, CaptureKind::Missing);
        assert_eq!(
            Device::open(Path::new("/dev")).unwrap_err().kind,
            CaptureKind::Unsupported
        );
        assert_eq!(
            Device::open(Path::new("/dev/a\0b")).unwrap_err().kind,
            CaptureKind::Missing
        );
    }
}
