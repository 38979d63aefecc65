//! The simulated driver: replacements for functions of the C library, which the linker prefers to the
//! library's own, and their answers for one device.

use std::{
    collections::VecDeque,
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use v4l::{v4l_sys as sys, v4l2::vidioc};

pub const NODE: &str = "/dev/fake-camera";
pub const BUFFER: usize = 1 << 16;
pub const CAMERA: u32 = sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING;

/// State of the simulated driver, and its misbehaviour.
#[derive(Clone)]
pub struct Driver {
    pub fd: c_int,
    pub formats: Vec<[u8; 4]>,
    pub capabilities: u32,
    /// Negotiated for any request: width, height, stride.
    pub gives: (u32, u32, u32),
    pub interval: (u32, u32),
    /// V4L2's `colorspace`, `ycbcr_enc` and `quantization`.
    pub color: (u32, u32, u32),
    pub queued: VecDeque<u32>,
    pub ready: VecDeque<(u32, u32, u32, u32)>,
    pub sequence: u32,
    pub streaming: bool,
    pub unplugged: bool,
    /// Number of calls that fail with EINTR first.
    pub interrupts: u32,
    /// The requests that fail, with their errors.
    pub fails: Vec<(vidioc::_IOC_TYPE, c_int)>,
}

pub const fn driver() -> Driver {
    Driver {
        fd: -1,
        formats: Vec::new(),
        capabilities: CAMERA,
        gives: (64, 48, 128),
        interval: (1, 30),
        // An undefined colour space.
        color: (9999, 0, 0),
        queued: VecDeque::new(),
        ready: VecDeque::new(),
        sequence: 0,
        streaming: false,
        unplugged: false,
        interrupts: 0,
        fails: Vec::new(),
    }
}

static DRIVER: Mutex<Driver> = Mutex::new(driver());
/// Serializes the tests, which share one camera.
pub static TURN: Mutex<()> = Mutex::new(());

pub fn camera() -> MutexGuard<'static, Driver> {
    DRIVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Plugs in a well-behaved camera, modified by `change`.
pub fn plug(change: impl FnOnce(&mut Driver)) -> MutexGuard<'static, ()> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut driver = driver();
    driver.formats.push(*b"YUYV");
    change(&mut driver);
    *camera() = driver;
    turn
}

/// Captures a frame into the first queued buffer. If there is none, the frame is lost.
pub fn shoot(bytes: &[u8], flags: u32) {
    let mut driver = camera();
    driver.sequence += 1;
    if let Some(index) = driver.queued.pop_front() {
        let offset = libc::off_t::from(index) * BUFFER as libc::off_t;
        let written = unsafe { libc::pwrite(driver.fd, bytes.as_ptr().cast(), bytes.len(), offset) };
        assert_eq!(written, bytes.len() as isize);
        let sequence = driver.sequence;
        driver
            .ready
            .push_back((index, bytes.len() as u32, flags, sequence));
    }
}

fn fail(errno: c_int) -> c_int {
    unsafe { *libc::__errno_location() = errno };
    -1
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    if unsafe { CStr::from_ptr(path) }.to_bytes() != NODE.as_bytes() {
        return unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, mode) as c_int };
    }
    let mut driver = camera();
    if driver.unplugged {
        return fail(libc::ENOENT);
    }
    // Memory that can be mapped like a driver's buffers.
    let fd = unsafe { libc::memfd_create(c"fake-camera".as_ptr(), libc::MFD_CLOEXEC) };
    unsafe { libc::ftruncate(fd, 4 * BUFFER as libc::off_t) };
    driver.fd = fd;
    (driver.queued, driver.ready, driver.streaming) = Default::default();
    fd
}

#[unsafe(no_mangle)]
unsafe extern "C" fn poll(fds: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int {
    let deadline = Instant::now() + Duration::from_millis(timeout.max(0) as u64);
    loop {
        {
            let mut driver = camera();
            let first = unsafe { &mut *fds };
            if count != 2 || first.fd != driver.fd {
                break;
            }
            if driver.interrupts > 0 {
                driver.interrupts -= 1;
                return fail(libc::EINTR);
            }
            first.revents = 0;
            if driver.unplugged {
                first.revents = libc::POLLERR | libc::POLLHUP;
            } else if !driver.ready.is_empty() {
                first.revents = libc::POLLIN;
            }
            // The interrupt is a real file descriptor.
            let zero: libc::timespec = unsafe { std::mem::zeroed() };
            let raised = unsafe { libc::ppoll(fds.add(1), 1, &raw const zero, std::ptr::null()) };
            let count = c_int::from(first.revents != 0) + raised.max(0);
            if count > 0 {
                return count;
            }
        }
        if Instant::now() >= deadline {
            return 0;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let limit = libc::timespec {
        tv_sec: libc::time_t::from(timeout / 1000),
        tv_nsec: (timeout % 1000) as libc::c_long * 1_000_000,
    };
    let limit = if timeout < 0 {
        std::ptr::null()
    } else {
        &raw const limit
    };
    unsafe { libc::ppoll(fds, count, limit, std::ptr::null()) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ioctl(fd: c_int, request: vidioc::_IOC_TYPE, argument: *mut c_void) -> c_int {
    let mut driver = camera();
    if fd != driver.fd {
        drop(driver);
        return unsafe { libc::syscall(libc::SYS_ioctl, fd, request, argument) as c_int };
    }
    if driver.interrupts > 0 {
        driver.interrupts -= 1;
        return fail(libc::EINTR);
    }
    if let Some((_, errno)) = driver.fails.iter().find(|(failing, _)| *failing == request) {
        return fail(*errno);
    }
    if driver.unplugged {
        return fail(libc::ENODEV);
    }
    match unsafe { answer(&mut driver, request, argument) } {
        Ok(()) => 0,
        Err(errno) => fail(errno),
    }
}

unsafe fn answer(
    driver: &mut Driver,
    request: vidioc::_IOC_TYPE,
    argument: *mut c_void,
) -> Result<(), c_int> {
    match request {
        vidioc::VIDIOC_STREAMON => driver.streaming = true,
        vidioc::VIDIOC_STREAMOFF => driver.streaming = false,
        vidioc::VIDIOC_REQBUFS | vidioc::VIDIOC_QUERYBUF | vidioc::VIDIOC_QBUF | vidioc::VIDIOC_DQBUF => {
            unsafe { answer_about_buffers(driver, request, argument)? };
        }
        _ => unsafe { answer_about_mode(driver, request, argument)? },
    }
    Ok(())
}

/// Answers requests about capabilities and the negotiated mode.
unsafe fn answer_about_mode(
    driver: &Driver,
    request: vidioc::_IOC_TYPE,
    argument: *mut c_void,
) -> Result<(), c_int> {
    match request {
        vidioc::VIDIOC_QUERYCAP => {
            let capability = unsafe { &mut *argument.cast::<sys::v4l2_capability>() };
            capability.driver[..4].copy_from_slice(b"fake");
            // Not UTF-8, and not NUL-terminated.
            capability.card = [0xE9; 32];
            capability.capabilities = sys::V4L2_CAP_DEVICE_CAPS | driver.capabilities;
            capability.device_caps = driver.capabilities;
        }
        vidioc::VIDIOC_ENUM_FMT => {
            let format = unsafe { &mut *argument.cast::<sys::v4l2_fmtdesc>() };
            let code = driver.formats.get(format.index as usize).ok_or(libc::EINVAL)?;
            format.pixelformat = u32::from_le_bytes(*code);
        }
        vidioc::VIDIOC_ENUM_FRAMESIZES => {
            let size = unsafe { &mut *argument.cast::<sys::v4l2_frmsizeenum>() };
            if size.index > 0 {
                return Err(libc::EINVAL);
            }
            size.type_ = sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_STEPWISE;
            size.__bindgen_anon_1.stepwise = sys::v4l2_frmsize_stepwise {
                min_width: 16,
                max_width: 4096,
                step_width: 2,
                min_height: 16,
                max_height: 4096,
                step_height: 2,
            };
        }
        vidioc::VIDIOC_ENUM_FRAMEINTERVALS => return Err(libc::ENOTTY),
        vidioc::VIDIOC_S_FMT => {}
        vidioc::VIDIOC_G_FMT => {
            let format = unsafe { &mut *argument.cast::<sys::v4l2_format>() };
            let mut pix = unsafe { format.fmt.pix };
            pix.pixelformat = u32::from_le_bytes(driver.formats[0]);
            (pix.width, pix.height, pix.bytesperline) = driver.gives;
            pix.colorspace = driver.color.0;
            pix.__bindgen_anon_1.ycbcr_enc = driver.color.1;
            pix.quantization = driver.color.2;
            format.fmt.pix = pix;
        }
        vidioc::VIDIOC_S_PARM => return Err(libc::EINVAL),
        vidioc::VIDIOC_G_PARM => {
            let parameters = unsafe { &mut *argument.cast::<sys::v4l2_streamparm>() };
            let (numerator, denominator) = driver.interval;
            parameters.parm.capture.timeperframe = sys::v4l2_fract {
                numerator,
                denominator,
            };
        }
        _ => return Err(libc::ENOTTY),
    }
    Ok(())
}

unsafe fn answer_about_buffers(
    driver: &mut Driver,
    request: vidioc::_IOC_TYPE,
    argument: *mut c_void,
) -> Result<(), c_int> {
    let buffer = || unsafe { &mut *argument.cast::<sys::v4l2_buffer>() };
    match request {
        vidioc::VIDIOC_REQBUFS => {
            let request = unsafe { &mut *argument.cast::<sys::v4l2_requestbuffers>() };
            request.count = request.count.min(4);
        }
        vidioc::VIDIOC_QUERYBUF => {
            let buffer = buffer();
            buffer.length = BUFFER as u32;
            buffer.m.offset = buffer.index * BUFFER as u32;
        }
        vidioc::VIDIOC_QBUF => {
            let index = buffer().index;
            // The kernel's error for a buffer that is already queued.
            if driver.queued.contains(&index) || driver.ready.iter().any(|ready| ready.0 == index) {
                return Err(libc::EINVAL);
            }
            driver.queued.push_back(index);
        }
        vidioc::VIDIOC_DQBUF => {
            let buffer = buffer();
            let (index, bytes, flags, sequence) = driver.ready.pop_front().ok_or(libc::EAGAIN)?;
            (buffer.index, buffer.bytesused, buffer.flags, buffer.sequence) = (index, bytes, flags, sequence);
        }
        _ => return Err(libc::ENOTTY),
    }
    Ok(())
}
