//! One V4L2 node: opening it, what it is, what it offers, and agreeing on a mode.
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

use super::choose::{Choice, Mode, SizeRange, Wish};
use crate::capture::{
    frame::PixelFormat,
    source::{CaptureError, CaptureKind},
};

/// Formats, sizes and rates that are asked for at most: a driver that never says it is done must not hang us.
const MAX_LISTED: u32 = 256;

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

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Agreed {
    pub(super) format: PixelFormat,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) stride: u32,
    pub(super) rate: Option<f32>,
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

    /// What it offers. A range of sizes is represented by the size that fits `wish`.
    pub(super) fn modes(&self, wish: &Wish) -> Vec<Mode> {
        let mut modes = Vec::new();
        for index in 0..MAX_LISTED {
            let mut format = sys::v4l2_fmtdesc {
                index,
                type_: CAPTURE,
                ..zeroed()
            };
            if self.ioctl(vidioc::VIDIOC_ENUM_FMT, &mut format).is_err() {
                break;
            }
            let sizes = self.sizes(format.pixelformat, wish);
            modes.extend(sizes.into_iter().map(|(width, height)| Mode {
                fourcc: format.pixelformat.to_le_bytes(),
                width,
                height,
                rates: self.rates(format.pixelformat, width, height, wish.rate),
            }));
        }
        modes
    }

    fn sizes(&self, pixel_format: u32, wish: &Wish) -> Vec<(u32, u32)> {
        let mut sizes = Vec::new();
        for index in 0..MAX_LISTED {
            let mut size = sys::v4l2_frmsizeenum {
                index,
                pixel_format,
                ..zeroed()
            };
            if self.ioctl(vidioc::VIDIOC_ENUM_FRAMESIZES, &mut size).is_err() {
                break;
            }
            if size.type_ == sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                // SAFETY: the driver says which member of the union it filled; both are plain numbers.
                let discrete = unsafe { size.__bindgen_anon_1.discrete };
                sizes.push((discrete.width, discrete.height));
            } else {
                // SAFETY: as above.
                let steps = unsafe { size.__bindgen_anon_1.stepwise };
                let range = SizeRange {
                    min: (steps.min_width, steps.min_height),
                    max: (steps.max_width, steps.max_height),
                    step: (steps.step_width, steps.step_height),
                };
                sizes.push(range.fit(wish.width, wish.height));
                break;
            }
        }
        if sizes.is_empty() {
            // The driver lists no sizes: what is set now can be had.
            sizes.extend(self.format().ok().map(|format| (format.width, format.height)));
        }
        sizes
    }

    fn rates(&self, pixel_format: u32, width: u32, height: u32, wished: f32) -> Vec<f32> {
        let mut rates = Vec::new();
        for index in 0..MAX_LISTED {
            let mut interval = sys::v4l2_frmivalenum {
                index,
                pixel_format,
                width,
                height,
                ..zeroed()
            };
            if self
                .ioctl(vidioc::VIDIOC_ENUM_FRAMEINTERVALS, &mut interval)
                .is_err()
            {
                break;
            }
            if interval.type_ == sys::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
                // SAFETY: the driver says which member of the union it filled; both are plain numbers.
                rates.extend(rate(unsafe { interval.__bindgen_anon_1.discrete }));
            } else {
                // SAFETY: as above.
                let range = unsafe { interval.__bindgen_anon_1.stepwise };
                // The shortest interval is the fastest rate.
                let (slowest, fastest) = (rate(range.max), rate(range.min));
                let within = slowest.is_none_or(|s| s < wished) && fastest.is_none_or(|f| f > wished);
                rates.extend(slowest.into_iter().chain(within.then_some(wished)).chain(fastest));
                break;
            }
        }
        rates
    }

    fn format(&self) -> io::Result<sys::v4l2_pix_format> {
        let mut format = sys::v4l2_format {
            type_: CAPTURE,
            ..zeroed()
        };
        self.ioctl(vidioc::VIDIOC_G_FMT, &mut format)?;
        // SAFETY: this is the member that belongs to the type that was asked for; it is plain numbers.
        Ok(unsafe { format.fmt.pix })
    }

    /// Asks for `choice` and reads back what the driver made of it.
    pub(super) fn agree(&self, choice: &Choice) -> Result<Agreed, CaptureError> {
        let failed = |error: io::Error| failure(&self.path, "refuses its format", &error);
        let mut format = sys::v4l2_format {
            type_: CAPTURE,
            fmt: sys::v4l2_format__bindgen_ty_1 {
                pix: sys::v4l2_pix_format {
                    width: choice.width,
                    height: choice.height,
                    pixelformat: u32::from_le_bytes(self.code_for(choice.format)),
                    field: sys::v4l2_field_V4L2_FIELD_NONE,
                    ..zeroed()
                },
            },
        };
        self.ioctl(vidioc::VIDIOC_S_FMT, &mut format).map_err(failed)?;
        let rate = self.agree_on_rate(choice.rate);
        // Read after the rate was set: some drivers change the size with it.
        let got = self.format().map_err(failed)?;
        let Some(format) = PixelFormat::from_fourcc(got.pixelformat.to_le_bytes()) else {
            return Err(CaptureError::new(
                CaptureKind::Unsupported,
                format!(
                    "{} was asked for {} and gives {}, which cannot be decoded",
                    self.path.display(),
                    choice.format,
                    String::from_utf8_lossy(&got.pixelformat.to_le_bytes())
                ),
            ));
        };
        // Old drivers leave the stride empty when rows have no padding.
        let stride = match got.bytesperline {
            _ if format == PixelFormat::Mjpeg => 0,
            0 => u32::try_from(format.row_bytes(got.width)).unwrap_or(u32::MAX),
            stride => stride,
        };
        Ok(Agreed {
            format,
            width: got.width,
            height: got.height,
            stride,
            rate,
        })
    }

    /// `MJPG`, or `JPEG` where the driver calls it so.
    fn code_for(&self, format: PixelFormat) -> [u8; 4] {
        let offered = (0..MAX_LISTED).map_while(|index| {
            let mut description = sys::v4l2_fmtdesc {
                index,
                type_: CAPTURE,
                ..zeroed()
            };
            let listed = self.ioctl(vidioc::VIDIOC_ENUM_FMT, &mut description);
            listed.ok().map(|()| description.pixelformat.to_le_bytes())
        });
        let mut known = offered.filter(|code| PixelFormat::from_fourcc(*code) == Some(format));
        known.next().unwrap_or(format.fourcc())
    }

    /// Sets the rate if the driver lets it be set, and reads it back if it says.
    fn agree_on_rate(&self, wished: Option<f32>) -> Option<f32> {
        let mut parameters = sys::v4l2_streamparm {
            type_: CAPTURE,
            ..zeroed()
        };
        if let Some(wished) = wished {
            let mut set = parameters;
            set.parm.capture = sys::v4l2_captureparm {
                timeperframe: interval(wished),
                ..zeroed()
            };
            // A camera whose rate cannot be set is still a camera.
            if let Err(error) = self.ioctl(vidioc::VIDIOC_S_PARM, &mut set) {
                tracing::debug!(device = %self.path.display(), %error, "the rate cannot be set");
            }
        }
        self.ioctl(vidioc::VIDIOC_G_PARM, &mut parameters).ok()?;
        // SAFETY: this is the member that belongs to the type that was asked for; it is plain numbers.
        rate(unsafe { parameters.parm.capture.timeperframe })
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

fn rate(interval: sys::v4l2_fract) -> Option<f32> {
    let rate = interval.denominator as f32 / interval.numerator as f32;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// The interval of a rate: exact for whole rates and for those of NTSC, which end in 1000 / 1001.
fn interval(rate: f32) -> sys::v4l2_fract {
    let (numerator, denominator) = if (rate - rate.round()).abs() < 1e-3 {
        (1, rate.round() as u32)
    } else if (rate * 1.001 - (rate * 1.001).round()).abs() < 1e-2 {
        (1001, (rate * 1.001).round() as u32 * 1000)
    } else {
        (1000, (rate * 1000.0).round() as u32)
    };
    sys::v4l2_fract {
        numerator,
        denominator: denominator.max(1),
    }
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
            "; another program holds it (`fuser` on the device names it)",
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
    fn intervals_survive_the_way_there_and_back() {
        for wished in [1.0, 5.0, 7.5, 14.985, 15.0, 29.97, 30.0, 59.94, 60.0, 12.34] {
            let got = rate(interval(wished)).unwrap();
            assert!((got - wished).abs() < 0.01, "{wished}: {got}");
        }
        let ntsc = interval(29.97);
        assert_eq!((ntsc.numerator, ntsc.denominator), (1001, 30_000));
        assert_eq!(
            rate(sys::v4l2_fract {
                numerator: 0,
                denominator: 0
            }),
            None
        );
        assert_eq!(
            rate(sys::v4l2_fract {
                numerator: 0,
                denominator: 1
            }),
            None
        );
    }

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
        let wish = Wish {
            format: None,
            width: 640,
            height: 480,
            rate: 30.0,
        };
        assert!(device.modes(&wish).is_empty());
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
