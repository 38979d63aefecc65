//! ioctl(2) with an argument type that is tied to the request.

use std::{
    io,
    marker::PhantomData,
    mem,
    os::fd::{AsRawFd, BorrowedFd},
};

use v4l::{v4l_sys as sys, v4l2::vidioc};

/// A request code and the type of its argument.
pub(super) struct Request<T> {
    code: vidioc::_IOC_TYPE,
    argument: PhantomData<T>,
}

impl<T: KernelStruct> Request<T> {
    /// Evaluated at compile time: a structure of the wrong size does not compile.
    const fn new(code: vidioc::_IOC_TYPE) -> Self {
        // Bits 16 to 29 are the size (asm-generic/ioctl.h).
        let size = (code as u32 >> 16) as usize & 0x3FFF;
        assert!(
            size == mem::size_of::<T>(),
            "the request has an argument of another size"
        );
        Self {
            code,
            argument: PhantomData,
        }
    }

    /// Calls the driver, and retries if a signal interrupted the call.
    pub(super) fn call(&self, fd: BorrowedFd<'_>, argument: &mut T) -> io::Result<()> {
        loop {
            // SAFETY: the driver reads and writes as many bytes as the code states, which is the size of
            // `argument` (`new`); it holds no pointer (`KernelStruct`).
            let result = unsafe { libc::ioctl(fd.as_raw_fd(), self.code, std::ptr::from_mut(argument)) };
            if result >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

pub(super) const QUERYCAP: Request<sys::v4l2_capability> = Request::new(vidioc::VIDIOC_QUERYCAP);
pub(super) const ENUM_FMT: Request<sys::v4l2_fmtdesc> = Request::new(vidioc::VIDIOC_ENUM_FMT);
pub(super) const ENUM_FRAMESIZES: Request<sys::v4l2_frmsizeenum> =
    Request::new(vidioc::VIDIOC_ENUM_FRAMESIZES);
pub(super) const ENUM_FRAMEINTERVALS: Request<sys::v4l2_frmivalenum> =
    Request::new(vidioc::VIDIOC_ENUM_FRAMEINTERVALS);
pub(super) const G_FMT: Request<sys::v4l2_format> = Request::new(vidioc::VIDIOC_G_FMT);
pub(super) const S_FMT: Request<sys::v4l2_format> = Request::new(vidioc::VIDIOC_S_FMT);
pub(super) const G_PARM: Request<sys::v4l2_streamparm> = Request::new(vidioc::VIDIOC_G_PARM);
pub(super) const S_PARM: Request<sys::v4l2_streamparm> = Request::new(vidioc::VIDIOC_S_PARM);
pub(super) const REQBUFS: Request<sys::v4l2_requestbuffers> = Request::new(vidioc::VIDIOC_REQBUFS);
pub(super) const QUERYBUF: Request<sys::v4l2_buffer> = Request::new(vidioc::VIDIOC_QUERYBUF);
pub(super) const QBUF: Request<sys::v4l2_buffer> = Request::new(vidioc::VIDIOC_QBUF);
pub(super) const DQBUF: Request<sys::v4l2_buffer> = Request::new(vidioc::VIDIOC_DQBUF);
pub(super) const STREAMON: Request<libc::c_int> = Request::new(vidioc::VIDIOC_STREAMON);
pub(super) const STREAMOFF: Request<libc::c_int> = Request::new(vidioc::VIDIOC_STREAMOFF);

/// The buffer type of single-planar capture.
pub(super) const CAPTURE: u32 = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;

/// An argument of an ioctl.
///
/// # Safety
/// All zeros must be a valid value, and in the usage here (single-planar capture into memory-mapped buffers)
/// the driver must not follow a pointer in it.
pub(super) unsafe trait KernelStruct: Sized {
    /// The value whose bytes are all zero.
    fn zeroed() -> Self {
        // SAFETY: required of every implementation.
        unsafe { mem::zeroed() }
    }
}

macro_rules! kernel_structs {
    ($($name:ty),+) => {$(
        // SAFETY: a structure of videodev2.h that consists of integers and unions of integers. Only union
        // members for other buffer and memory types hold pointers.
        unsafe impl KernelStruct for $name {}
    )+};
}

kernel_structs!(
    sys::v4l2_capability,
    sys::v4l2_fmtdesc,
    sys::v4l2_frmsizeenum,
    sys::v4l2_frmivalenum,
    sys::v4l2_format,
    sys::v4l2_pix_format,
    sys::v4l2_streamparm,
    sys::v4l2_captureparm,
    sys::v4l2_requestbuffers,
    sys::v4l2_buffer,
    libc::c_int
);
