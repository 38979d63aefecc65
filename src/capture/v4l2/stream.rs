//! Streaming from an open node: mapped buffers, and always the newest frame.

use std::{
    io,
    ptr::NonNull,
    sync::Arc,
    time::{Duration, Instant},
};

use v4l::{v4l_sys as sys, v4l2::vidioc};

use super::{
    device::{CAPTURE, Device, failure, zeroed},
    negotiate::Agreed,
};
use crate::{
    capture::{
        frame::Frame,
        source::{CaptureError, CaptureKind, Source, Stream},
    },
    clock::Clock,
};

/// Buffers that the driver may fill ahead.
const BUFFERS: u32 = 4;
const MMAP: u32 = sys::v4l2_memory_V4L2_MEMORY_MMAP;

/// A camera that is running. Dropping it stops the camera and closes the node.
pub(super) struct Camera {
    // Mappings go before the device: fields are dropped in this order.
    buffers: Vec<Mapping>,
    device: Device,
    agreed: Agreed,
    stream: Stream,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    sequence: u64,
    /// The driver's own count, which wraps.
    counted: Option<u32>,
}

impl Camera {
    /// Maps the buffers, queues them and starts the camera.
    pub(super) fn start(
        device: Device,
        agreed: Agreed,
        stream: Stream,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CaptureError> {
        let mut camera = Self {
            buffers: Vec::new(),
            device,
            agreed,
            stream,
            timeout,
            clock,
            sequence: 0,
            counted: None,
        };
        camera
            .map()
            .map_err(|error| failure(camera.device.path(), "gives no buffers", &error))?;
        let mut kind = CAPTURE as libc::c_int;
        camera
            .device
            .ioctl(vidioc::VIDIOC_STREAMON, &mut kind)
            .map_err(|error| failure(camera.device.path(), "does not start", &error))?;
        Ok(camera)
    }

    fn map(&mut self) -> io::Result<()> {
        let mut request = sys::v4l2_requestbuffers {
            count: BUFFERS,
            type_: CAPTURE,
            memory: MMAP,
            ..zeroed()
        };
        self.device.ioctl(vidioc::VIDIOC_REQBUFS, &mut request)?;
        for index in 0..request.count {
            let mut buffer = description(index);
            self.device.ioctl(vidioc::VIDIOC_QUERYBUF, &mut buffer)?;
            // SAFETY: for mapped buffers the driver filled in the offset.
            let offset = unsafe { buffer.m.offset };
            self.buffers
                .push(Mapping::new(&self.device, buffer.length, offset)?);
            self.device.ioctl(vidioc::VIDIOC_QBUF, &mut description(index))?;
        }
        if self.buffers.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        Ok(())
    }

    /// Waits until a buffer may be there.
    fn wait(&self, left: Duration) -> Result<Waited, CaptureError> {
        let mut fd = libc::pollfd {
            fd: self.device.fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // Rounded up: a wait that is cut short would spin through its last millisecond.
        let millis = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: one structure, which lives through the call.
        let count = unsafe { libc::poll(&raw mut fd, 1, millis) };
        if count < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                return Ok(Waited::Nothing);
            }
            return Err(failure(self.device.path(), "cannot be waited for", &error));
        }
        let broken = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
        Ok(match fd.revents {
            0 => Waited::Nothing,
            events if events & broken != 0 => Waited::Broken,
            _ => Waited::Ready,
        })
    }

    /// Takes the buffer that was filled first; `None` if none is.
    fn dequeue(&self) -> Result<Option<sys::v4l2_buffer>, CaptureError> {
        let mut buffer = description(0);
        match self.device.ioctl(vidioc::VIDIOC_DQBUF, &mut buffer) {
            Ok(()) if (buffer.index as usize) < self.buffers.len() => Ok(Some(buffer)),
            Ok(()) => Err(CaptureError::new(
                CaptureKind::Stalled,
                format!(
                    "{} returned a buffer that does not exist",
                    self.device.path().display()
                ),
            )),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(failure(self.device.path(), "gives no frame", &error)),
        }
    }

    fn queue(&self, index: u32) -> Result<(), CaptureError> {
        self.device
            .ioctl(vidioc::VIDIOC_QBUF, &mut description(index))
            .map_err(|error| failure(self.device.path(), "takes no buffer back", &error))
    }

    /// Empties the driver's queue and returns its newest good buffer; the others go back at once.
    fn newest(&self, damaged: &mut u32) -> Result<Option<sys::v4l2_buffer>, CaptureError> {
        let mut newest: Option<sys::v4l2_buffer> = None;
        // No more than there are: a fast camera refills them while they are looked at.
        for _ in 0..self.buffers.len() {
            let Some(buffer) = self.dequeue()? else {
                break;
            };
            if buffer.flags & sys::V4L2_BUF_FLAG_ERROR != 0 || buffer.bytesused == 0 {
                *damaged += 1;
                self.queue(buffer.index)?;
            } else if let Some(older) = newest.replace(buffer) {
                self.queue(older.index)?;
            }
        }
        Ok(newest)
    }

    fn deliver(&mut self, buffer: &sys::v4l2_buffer, frame: &mut Frame) -> Result<(), CaptureError> {
        let bytes = self.buffers[buffer.index as usize].bytes();
        let used = (buffer.bytesused as usize).min(bytes.len());
        frame.data.clear();
        frame.data.extend_from_slice(&bytes[..used]);
        self.queue(buffer.index)?;
        frame.format = self.agreed.format;
        (frame.width, frame.height) = (self.agreed.width, self.agreed.height);
        frame.stride = self.agreed.stride;
        // Some drivers do not count: each frame is then one more.
        let step = self
            .counted
            .map_or(1, |last| buffer.sequence.wrapping_sub(last).max(1));
        self.counted = Some(buffer.sequence);
        self.sequence += u64::from(step);
        frame.sequence = self.sequence;
        let age = age(buffer).unwrap_or_default();
        frame.captured = self.clock.now().saturating_sub(age);
        Ok(())
    }
}

impl Source for Camera {
    fn next(&mut self, frame: &mut Frame) -> Result<(), CaptureError> {
        let deadline = Instant::now() + self.timeout;
        let mut damaged = 0;
        loop {
            let waited = self.wait(deadline.saturating_duration_since(Instant::now()))?;
            if waited != Waited::Nothing
                && let Some(buffer) = self.newest(&mut damaged)?
            {
                return self.deliver(&buffer, frame);
            }
            let path = self.device.path().display();
            if waited == Waited::Broken {
                // The driver says that something is wrong, and goes on saying so: waiting again would spin.
                return Err(CaptureError::new(
                    CaptureKind::Missing,
                    format!("{path} has stopped; it was probably unplugged"),
                ));
            }
            if Instant::now() >= deadline {
                let seconds = self.timeout.as_secs_f32();
                let seen = if damaged > 0 {
                    format!(", but {damaged} damaged ones: is the cable or the USB port at fault?")
                } else {
                    String::new()
                };
                return Err(CaptureError::new(
                    CaptureKind::Stalled,
                    format!("{path} gave no frame within {seconds:.1} s{seen}"),
                ));
            }
        }
    }

    fn stream(&self) -> &Stream {
        &self.stream
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let mut kind = CAPTURE as libc::c_int;
        // A camera that is gone cannot be stopped, and closing the node stops any other.
        if let Err(error) = self.device.ioctl(vidioc::VIDIOC_STREAMOFF, &mut kind) {
            tracing::debug!(device = %self.device.path().display(), %error, "the camera cannot be stopped");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    Nothing,
    Ready,
    Broken,
}

fn description(index: u32) -> sys::v4l2_buffer {
    sys::v4l2_buffer {
        index,
        type_: CAPTURE,
        memory: MMAP,
        ..zeroed()
    }
}

/// How long ago the driver took the frame, where its time stamps are on the monotonic clock and believable.
fn age(buffer: &sys::v4l2_buffer) -> Option<Duration> {
    if buffer.flags & sys::V4L2_BUF_FLAG_TIMESTAMP_MASK != sys::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC {
        return None;
    }
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one structure, which lives through the call.
    if unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) } != 0 {
        return None;
    }
    let now = Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?);
    let seconds = u64::try_from(buffer.timestamp.tv_sec).ok()?;
    let micros = u64::try_from(buffer.timestamp.tv_usec).ok()?;
    let taken = Duration::from_secs(seconds) + Duration::from_micros(micros);
    now.checked_sub(taken).filter(|age| *age < Duration::from_secs(5))
}

/// One of the driver's buffers in our memory.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping is memory like any other; nothing about it belongs to a thread.
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
                device.fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Self { start, length })
    }

    /// The buffer's bytes. Called between taking the buffer from the driver and giving it back.
    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped with this length until drop; the driver does not write while the buffer is ours.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new` and no slice of it lives on. It fails for no valid range.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
