//! An opened node: what it is, and the formats it offers.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use v4l::v4l_sys as sys;

use super::ioctl::{self, CAPTURE, KernelStruct};

pub use sys::{
    V4L2_CAP_META_CAPTURE as CAP_META_CAPTURE, V4L2_CAP_STREAMING as CAP_STREAMING,
    V4L2_CAP_VIDEO_CAPTURE as CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE as CAP_VIDEO_CAPTURE_MPLANE,
    V4L2_CAP_VIDEO_M2M as CAP_VIDEO_M2M, V4L2_CAP_VIDEO_M2M_MPLANE as CAP_VIDEO_M2M_MPLANE,
};

/// A four-character code of a pixel format, e.g. `YUYV`.
pub type FourCc = [u8; 4];

/// VIDIOC_QUERYCAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// Driver, e.g. `uvcvideo`.
    pub driver: String,
    /// Name of the camera.
    pub card: String,
    /// Where it is connected, e.g. `usb-0000:01:00.0-1.2`.
    pub bus: String,
    /// V4L2_CAP_* bits of this node; those of the whole device if the driver does not distinguish the two.
    pub capabilities: u32,
}

/// VIDIOC_ENUM_FRAMESIZES, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameSizes {
    /// One size.
    Discrete {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// All sizes from `min` to `max` in steps; width first.
    Stepwise {
        /// Smallest width and height.
        min: (u32, u32),
        /// Largest width and height.
        max: (u32, u32),
        /// Steps of width and height; 1 for any.
        step: (u32, u32),
    },
}

/// A kernel fraction, for frame intervals in seconds. Either part may be 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    /// The dividend.
    pub numerator: u32,
    /// The divisor.
    pub denominator: u32,
}

/// VIDIOC_ENUM_FRAMEINTERVALS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameIntervals {
    /// One interval.
    Discrete(Fraction),
    /// All from `min` to `max`.
    Range {
        /// The shortest.
        min: Fraction,
        /// The longest.
        max: Fraction,
    },
}

/// A single-planar capture format (`v4l2_pix_format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Pixel format.
    pub fourcc: FourCc,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from one row of the first plane to the next; 0 if the driver does not say.
    pub bytes_per_line: u32,
    /// `V4L2_COLORSPACE_*`; 0 is the default.
    pub colorspace: u32,
    /// `V4L2_YCBCR_ENC_*`; 0 is the colour space's default.
    pub ycbcr_encoding: u32,
    /// `V4L2_QUANTIZATION_*`; 0 is the colour space's default.
    pub quantization: u32,
}

/// An open node. It is closed when dropped.
#[derive(Debug)]
pub struct Device {
    fd: OwnedFd,
}

impl Device {
    /// Opens `path` in non-blocking mode.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC;
        // SAFETY: the string is NUL-terminated and outlives the call.
        let fd = unsafe { libc::open(path.as_ptr(), flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just opened and has no other owner.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd })
    }

    /// What the node is.
    ///
    /// # Errors
    /// `ENOTTY` or `EINVAL` if it is not a V4L2 node; those of the driver.
    pub fn capability(&self) -> io::Result<Capability> {
        let mut capability = sys::v4l2_capability::zeroed();
        ioctl::QUERYCAP.call(self.as_fd(), &mut capability)?;
        let per_node = capability.capabilities & sys::V4L2_CAP_DEVICE_CAPS != 0;
        Ok(Capability {
            driver: text(&capability.driver),
            card: text(&capability.card),
            bus: text(&capability.bus_info),
            capabilities: if per_node {
                capability.device_caps
            } else {
                capability.capabilities
            },
        })
    }

    /// The pixel format with number `index` that the node offers.
    ///
    /// # Errors
    /// `EINVAL` after the last; those of the driver.
    pub fn pixel_format(&self, index: u32) -> io::Result<FourCc> {
        let mut description = sys::v4l2_fmtdesc {
            index,
            type_: CAPTURE,
            ..KernelStruct::zeroed()
        };
        ioctl::ENUM_FMT.call(self.as_fd(), &mut description)?;
        Ok(description.pixelformat.to_le_bytes())
    }

    /// The frame sizes with number `index` that the node offers for a pixel format. A stepwise answer is the
    /// only one.
    ///
    /// # Errors
    /// `EINVAL` after the last; those of the driver.
    pub fn frame_sizes(&self, fourcc: FourCc, index: u32) -> io::Result<FrameSizes> {
        let mut size = sys::v4l2_frmsizeenum {
            index,
            pixel_format: u32::from_le_bytes(fourcc),
            ..KernelStruct::zeroed()
        };
        ioctl::ENUM_FRAMESIZES.call(self.as_fd(), &mut size)?;
        if size.type_ == sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
            // SAFETY: every member of the union consists of integers, which are valid whatever the driver
            // wrote.
            let discrete = unsafe { size.__bindgen_anon_1.discrete };
            return Ok(FrameSizes::Discrete {
                width: discrete.width,
                height: discrete.height,
            });
        }
        // SAFETY: as above.
        let range = unsafe { size.__bindgen_anon_1.stepwise };
        Ok(FrameSizes::Stepwise {
            min: (range.min_width, range.min_height),
            max: (range.max_width, range.max_height),
            step: (range.step_width, range.step_height),
        })
    }

    /// The frame intervals with number `index` that the node offers for a pixel format and size. A range is
    /// the only answer.
    ///
    /// # Errors
    /// `EINVAL` after the last, `ENOTTY` if the driver offers none; those of the driver.
    pub fn frame_intervals(
        &self,
        fourcc: FourCc,
        width: u32,
        height: u32,
        index: u32,
    ) -> io::Result<FrameIntervals> {
        let mut interval = sys::v4l2_frmivalenum {
            index,
            pixel_format: u32::from_le_bytes(fourcc),
            width,
            height,
            ..KernelStruct::zeroed()
        };
        ioctl::ENUM_FRAMEINTERVALS.call(self.as_fd(), &mut interval)?;
        if interval.type_ == sys::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
            // SAFETY: every member of the union consists of integers, which are valid whatever the driver
            // wrote.
            let discrete = unsafe { interval.__bindgen_anon_1.discrete };
            return Ok(FrameIntervals::Discrete(discrete.into()));
        }
        // SAFETY: as above.
        let range = unsafe { interval.__bindgen_anon_1.stepwise };
        Ok(FrameIntervals::Range {
            min: range.min.into(),
            max: range.max.into(),
        })
    }

    /// The current format.
    ///
    /// # Errors
    /// Those of the driver.
    pub fn format(&self) -> io::Result<Format> {
        let mut format = sys::v4l2_format {
            type_: CAPTURE,
            ..KernelStruct::zeroed()
        };
        ioctl::G_FMT.call(self.as_fd(), &mut format)?;
        // SAFETY: this is the member for this buffer type; its integers are valid whatever the driver wrote.
        let pix = unsafe { format.fmt.pix };
        Ok(Format {
            fourcc: pix.pixelformat.to_le_bytes(),
            width: pix.width,
            height: pix.height,
            bytes_per_line: pix.bytesperline,
            colorspace: pix.colorspace,
            // SAFETY: both members of the union are the same integer.
            ycbcr_encoding: unsafe { pix.__bindgen_anon_1.ycbcr_enc },
            quantization: pix.quantization,
        })
    }

    /// Requests progressive frames of a pixel format and size. The driver may choose others: read
    /// [`Device::format`].
    ///
    /// # Errors
    /// Those of the driver, e.g. `EBUSY`.
    pub fn set_format(&self, fourcc: FourCc, width: u32, height: u32) -> io::Result<()> {
        let mut format = sys::v4l2_format {
            type_: CAPTURE,
            fmt: sys::v4l2_format__bindgen_ty_1 {
                pix: sys::v4l2_pix_format {
                    width,
                    height,
                    pixelformat: u32::from_le_bytes(fourcc),
                    field: sys::v4l2_field_V4L2_FIELD_NONE,
                    ..KernelStruct::zeroed()
                },
            },
        };
        ioctl::S_FMT.call(self.as_fd(), &mut format)
    }

    /// The current time between two frames.
    ///
    /// # Errors
    /// Those of the driver, e.g. `ENOTTY` if it does not report it.
    pub fn frame_interval(&self) -> io::Result<Fraction> {
        let mut parameters = sys::v4l2_streamparm {
            type_: CAPTURE,
            ..KernelStruct::zeroed()
        };
        ioctl::G_PARM.call(self.as_fd(), &mut parameters)?;
        // SAFETY: this is the member for this buffer type; its integers are valid whatever the driver wrote.
        Ok(unsafe { parameters.parm.capture.timeperframe }.into())
    }

    /// Requests a time between two frames. The driver may choose another: read [`Device::frame_interval`].
    ///
    /// # Errors
    /// Those of the driver, e.g. `ENOTTY` if it cannot be set.
    pub fn set_frame_interval(&self, interval: Fraction) -> io::Result<()> {
        let mut parameters = sys::v4l2_streamparm {
            type_: CAPTURE,
            ..KernelStruct::zeroed()
        };
        parameters.parm.capture = sys::v4l2_captureparm {
            timeperframe: sys::v4l2_fract {
                numerator: interval.numerator,
                denominator: interval.denominator,
            },
            ..KernelStruct::zeroed()
        };
        ioctl::S_PARM.call(self.as_fd(), &mut parameters)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<sys::v4l2_fract> for Fraction {
    fn from(fraction: sys::v4l2_fract) -> Self {
        Self {
            numerator: fraction.numerator,
            denominator: fraction.denominator,
        }
    }
}

/// A string from the kernel, which need not be UTF-8 or terminated.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_need_not_be_utf8_or_terminated() {
        assert_eq!(text(b"HD Webcam\0junk"), "HD Webcam");
        assert_eq!(text(b"caf\xe9 "), "caf\u{fffd}");
    }

    #[test]
    fn other_nodes_answer_with_an_error() {
        let null = Device::open(Path::new("/dev/null")).map(|device| device.capability());
        let error = null.and_then(|capability| capability).map(|_| ()).err();
        assert_eq!(error.and_then(|error| error.raw_os_error()), Some(libc::ENOTTY));
        let with_zero = Device::open(Path::new("/dev/a\0b")).map(|_| ()).err();
        assert_eq!(
            with_zero.map(|error| error.kind()),
            Some(io::ErrorKind::InvalidInput)
        );
    }
}
