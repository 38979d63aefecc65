//! Memory-mapped streaming.

use std::{
    cell::Cell,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr::NonNull,
    time::Duration,
};

use v4l::v4l_sys as sys;

use super::{
    device::Device,
    ioctl::{self, CAPTURE, KernelStruct},
};

const MMAP: u32 = sys::v4l2_memory_V4L2_MEMORY_MMAP;

/// A device and its mapped buffers. Dropping it unmaps the buffers and closes the node, which ends streaming.
#[derive(Debug)]
pub struct MmapStream {
    buffers: Vec<Mapping>,
    device: Device,
}

/// Why [`MmapStream::wait`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// A buffer may be ready.
    Ready,
    /// The driver reports an error or that the device is gone, and keeps doing so.
    Failed,
    /// The interrupt is raised.
    Interrupted,
    /// The timeout expired, or a signal arrived.
    Timeout,
}

impl MmapStream {
    /// Lets the driver allocate about `count` buffers, maps them and queues them all.
    ///
    /// # Errors
    /// Those of the driver and of mmap(2); `ENOMEM` if it allocates none.
    pub fn new(device: Device, count: u32) -> io::Result<Self> {
        let mut request = sys::v4l2_requestbuffers {
            count,
            type_: CAPTURE,
            memory: MMAP,
            ..KernelStruct::zeroed()
        };
        ioctl::REQBUFS.call(device.as_fd(), &mut request)?;
        let mut buffers = Vec::new();
        for index in 0..request.count {
            let mut buffer = description(index);
            ioctl::QUERYBUF.call(device.as_fd(), &mut buffer)?;
            // SAFETY: this member belongs to mapped buffers; all members are integers or pointers, for which
            // any bytes are valid.
            let offset = unsafe { buffer.m.offset };
            buffers.push(Mapping::new(&device, buffer.length, offset)?);
            ioctl::QBUF.call(device.as_fd(), &mut description(index))?;
        }
        if buffers.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        Ok(Self { buffers, device })
    }

    /// Number of buffers, at least 1.
    #[must_use]
    pub fn count(&self) -> usize {
        self.buffers.len()
    }

    /// VIDIOC_STREAMON.
    ///
    /// # Errors
    /// Those of the driver, e.g. `EBUSY`, or `ENOSPC` if the USB bus has no bandwidth left.
    pub fn start(&self) -> io::Result<()> {
        let mut kind = CAPTURE as libc::c_int;
        ioctl::STREAMON.call(self.device.as_fd(), &mut kind)
    }

    /// VIDIOC_STREAMOFF.
    ///
    /// # Errors
    /// Those of the driver, e.g. `ENODEV` if the device is gone.
    pub fn stop(&self) -> io::Result<()> {
        let mut kind = CAPTURE as libc::c_int;
        ioctl::STREAMOFF.call(self.device.as_fd(), &mut kind)
    }

    /// Waits at most `timeout` until a buffer may be ready or `interrupt` is readable.
    ///
    /// # Errors
    /// Those of poll(2).
    pub fn wait(&self, interrupt: BorrowedFd<'_>, timeout: Duration) -> io::Result<Wake> {
        let watch = |fd: BorrowedFd<'_>| libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut fds = [watch(self.device.as_fd()), watch(interrupt)];
        // Rounded up: a wait that is too short would spin through the last millisecond.
        let millis = i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: the array outlives the call and its length is given.
        let count = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, millis) };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::Interrupted => Ok(Wake::Timeout),
                _ => Err(error),
            };
        }
        let failed = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
        Ok(match (fds[0].revents, fds[1].revents) {
            (_, 1..) => Wake::Interrupted,
            (0, _) => Wake::Timeout,
            (events, _) if events & failed != 0 => Wake::Failed,
            _ => Wake::Ready,
        })
    }

    /// VIDIOC_DQBUF: takes the buffer that was filled first; `None` if there is none.
    ///
    /// # Errors
    /// Those of the driver; [`io::ErrorKind::InvalidData`] if it returns a buffer that does not exist or that
    /// the application already holds.
    pub fn dequeue(&self) -> io::Result<Option<Buffer<'_>>> {
        let mut buffer = description(0);
        match ioctl::DQBUF.call(self.device.as_fd(), &mut buffer) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let mapping = self
            .buffers
            .get(buffer.index as usize)
            .filter(|mapping| !mapping.held.replace(true))
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the driver returned a buffer that it does not have",
                )
            })?;
        Ok(Some(Buffer {
            stream: self,
            mapping,
            description: buffer,
        }))
    }
}

/// A filled buffer, between VIDIOC_DQBUF and VIDIOC_QBUF. If it is dropped instead of queued, the driver
/// never gets it back.
pub struct Buffer<'a> {
    stream: &'a MmapStream,
    mapping: &'a Mapping,
    description: sys::v4l2_buffer,
}

impl Buffer<'_> {
    /// Whether the driver reports its data as damaged, or wrote none.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.description.flags & sys::V4L2_BUF_FLAG_ERROR != 0 || self.description.bytesused == 0
    }

    /// The driver's frame counter, which wraps; constant if the driver does not count.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        self.description.sequence
    }

    /// When the frame was captured on `CLOCK_MONOTONIC`, if the driver reports it.
    #[must_use]
    pub fn captured(&self) -> Option<Duration> {
        let clock = self.description.flags & sys::V4L2_BUF_FLAG_TIMESTAMP_MASK;
        if clock != sys::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC {
            return None;
        }
        let seconds = u64::try_from(self.description.timestamp.tv_sec).ok()?;
        let micros = u64::try_from(self.description.timestamp.tv_usec).ok()?;
        Duration::from_secs(seconds).checked_add(Duration::from_micros(micros))
    }

    /// Replaces the content of `data` with the bytes that the driver wrote.
    pub fn copy_into(&self, data: &mut Vec<u8>) {
        let used = (self.description.bytesused as usize).min(self.mapping.length);
        data.clear();
        data.reserve(used);
        // SAFETY: `used` bytes are mapped and `data` has room for them; the two do not overlap. The buffer is
        // ours until it is queued.
        unsafe {
            std::ptr::copy_nonoverlapping(self.mapping.start.as_ptr(), data.as_mut_ptr(), used);
            data.set_len(used);
        }
    }

    /// VIDIOC_QBUF: gives the buffer back to the driver.
    ///
    /// # Errors
    /// Those of the driver.
    pub fn queue(self) -> io::Result<()> {
        self.mapping.held.set(false);
        let mut description = description(self.description.index);
        ioctl::QBUF.call(self.stream.device.as_fd(), &mut description)
    }
}

fn description(index: u32) -> sys::v4l2_buffer {
    sys::v4l2_buffer {
        index,
        type_: CAPTURE,
        memory: MMAP,
        ..KernelStruct::zeroed()
    }
}

/// A driver buffer mapped into the process.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
    /// Whether a [`Buffer`] for it exists.
    held: Cell<bool>,
}

// SAFETY: a mapping is ordinary memory; nothing about it is tied to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(device: &Device, length: u32, offset: u32) -> io::Result<Self> {
        let length = length as usize;
        #[allow(
            clippy::unnecessary_fallible_conversions,
            reason = "an offset has 32 bits and a sign on 32-bit boards"
        )]
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                device.as_fd().as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Self {
            start,
            length,
            held: Cell::new(false),
        })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped this range and no reference into it exists. Unmapping a valid range cannot
        // fail.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
