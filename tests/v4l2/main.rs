//! The V4L2 source with a driver that misbehaves on command.
//!
//! A build machine has no camera. This program defines `open`, `ioctl` and `poll`, which the linker prefers
//! to the C library's, and answers for one device as a driver would. Everything else is passed on to the
//! kernel.
#![allow(clippy::unwrap_used)]
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "one contract for all: arguments are valid for the function of the C library that is replaced"
)]

use std::{fs, path::PathBuf, sync::Arc, thread, time::Duration};

use affectd::{
    capture::{CaptureError, CaptureKind, Decoder, Frame, Opener, PixelFormat, Source, opener},
    clock::{Clock as _, SystemClock},
    config::{Camera, CameraFormat, SourceKind},
    interrupt::{Cause, Interrupt},
    picture::Picture,
};
use v4l::{v4l_sys as sys, v4l2::vidioc};

#[path = "../it/common/clock.rs"]
mod clock;
mod driver;

use clock::Skewed;
use driver::{NODE, camera, plug, shoot};

fn source() -> Box<dyn Opener> {
    patient_source(Duration::from_millis(300))
}

fn patient_source(timeout: Duration) -> Box<dyn Opener> {
    opener(&settings(timeout), Arc::new(SystemClock::new())).unwrap()
}

fn settings(timeout: Duration) -> Camera {
    Camera {
        source: SourceKind::V4l2,
        device: NODE.into(),
        format: CameraFormat::Auto,
        width: 64,
        height: 48,
        rate: 30.0,
        timeout,
        start_timeout: Duration::ZERO,
        stride: 0,
        rotate: 0,
        mirror: false,
        fov_deg: 65.0,
        command: Vec::new(),
        path: PathBuf::default(),
        repeat: false,
    }
}

fn open_camera() -> Result<Box<dyn Source>, CaptureError> {
    source().open(&Interrupt::new().unwrap())
}

fn next(camera: &mut Box<dyn Source>, frame: &mut Frame) -> Result<(), CaptureError> {
    camera.next(frame, &Interrupt::new().unwrap())
}

fn refusal() -> CaptureError {
    open_camera().err().expect("it was opened")
}

#[test]
fn the_driver_s_values_are_used() {
    let _turn = plug(|driver| {
        driver.gives = (48, 32, 112);
        driver.interval = (1001, 15_000);
    });
    let mut camera = open_camera().unwrap();
    let stream = camera.stream();
    assert_eq!(
        (stream.format, stream.width, stream.height),
        (PixelFormat::Yuyv, 48, 32)
    );
    assert!((stream.rate.unwrap() - 14.985).abs() < 0.01);
    assert!(
        stream.name.starts_with("/dev/fake-camera (\u{fffd}"),
        "{}",
        stream.name
    );
    shoot(&[7; 112 * 32], 0);
    let mut frame = Frame::default();
    next(&mut camera, &mut frame).unwrap();
    assert_eq!((frame.width, frame.height, frame.stride), (48, 32, 112));
    assert_eq!(frame.data, [7; 112 * 32]);
}

/// Black, white and grey in full range, as a driver may state it.
#[test]
fn the_colour_encoding_is_the_drivers() {
    for (color, values) in [((8, 0, 1), [0, 255, 100]), ((8, 0, 0), [0, 255, 98])] {
        let _turn = plug(|driver| {
            driver.gives = (4, 1, 8);
            driver.color = color;
        });
        let mut camera = open_camera().unwrap();
        let (black, white) = if color.2 == 1 { (0, 255) } else { (16, 235) };
        shoot(&[black, 128, white, 128, 100, 128, 100, 128], 0);
        let (mut frame, mut picture) = (Frame::default(), Picture::default());
        next(&mut camera, &mut frame).unwrap();
        Decoder::new().decode(&frame, &mut picture).unwrap();
        let red: Vec<u8> = picture.rgb().iter().step_by(3).copied().collect();
        assert_eq!(red[..3], values, "{color:?}");
    }
}

/// A complete picture without EOI is decoded; half a picture with an EOI is not.
#[test]
fn only_complete_jpegs_decode() {
    let _turn = plug(|driver| driver.formats = vec![*b"MJPG"]);
    let mut camera = open_camera().unwrap();
    let jpeg = include_bytes!("../data/jpeg/sequential-420.jpg");
    let unended = &jpeg[..jpeg.len() - 2];
    let half = [&jpeg[..jpeg.len() - 300], b"\xFF\xD9"].concat();
    let mut picture = Picture::default();
    for (bytes, is_whole) in [(&jpeg[..], true), (unended, true), (&half, false)] {
        shoot(bytes, 0);
        let mut frame = Frame::default();
        next(&mut camera, &mut frame).unwrap();
        let decoded = Decoder::new().decode(&frame, &mut picture);
        assert_eq!(decoded.is_ok(), is_whole, "{decoded:?}");
    }
}

#[test]
fn the_first_frame_may_take_longer() {
    let _turn = plug(|_| {});
    let settings = Camera {
        start_timeout: Duration::from_secs_f32(30.0),
        ..settings(Duration::from_millis(200))
    };
    let mut opener = opener(&settings, Arc::new(SystemClock::new())).unwrap();
    let mut camera = opener.open(&Interrupt::new().unwrap()).unwrap();
    let shooter = thread::spawn(|| {
        thread::sleep(Duration::from_millis(600));
        shoot(&[1; 10], 0);
    });
    let mut frame = Frame::default();
    next(&mut camera, &mut frame).unwrap();
    shooter.join().unwrap();
    let error = next(&mut camera, &mut frame).unwrap_err();
    assert_eq!(error.kind, CaptureKind::Stalled);
    assert!(error.reason.contains("within 0.2 s"), "{}", error.reason);
}

#[test]
fn the_newest_frame_has_its_length() {
    let _turn = plug(|_| {});
    let mut camera = open_camera().unwrap();
    let mut frame = Frame::default();
    let mut at = None;
    for round in 0..10_u8 {
        for shot in 0..3 {
            shoot(&vec![round * 3 + shot; 100 + usize::from(shot)], 0);
        }
        next(&mut camera, &mut frame).unwrap();
        assert_eq!(frame.data, vec![round * 3 + 2; 102]);
        // The two skipped frames appear as a gap.
        assert_eq!(frame.sequence, u64::from(round) * 3 + 1);
        // The frame's buffer is reused, and all buffers were returned to the driver.
        assert_eq!(*at.get_or_insert(frame.data.as_ptr()), frame.data.as_ptr());
        assert_eq!(self::camera().queued.len(), 4);
    }
}

/// The driver filled a buffer before the machine was suspended, which the driver's clock does not show.
#[test]
fn a_frame_that_waited_during_a_pause_is_not_new() {
    let _turn = plug(|_| {});
    let clock = Arc::new(Skewed::default());
    let mut camera = opener(&settings(Duration::from_millis(300)), clock.clone())
        .unwrap()
        .open(&Interrupt::new().unwrap())
        .unwrap();
    let mut frame = Frame::default();
    shoot(&[1; 10], 0);
    next(&mut camera, &mut frame).unwrap();
    let paused = clock.now();
    shoot(&[2; 10], 0);
    clock.forward(60);
    next(&mut camera, &mut frame).unwrap();
    assert_eq!(frame.data, [2; 10]);
    assert!(
        frame.captured < paused + Duration::from_secs(60),
        "{:?} after {paused:?}",
        frame.captured
    );
    shoot(&[3; 10], 0);
    let before = clock.now();
    next(&mut camera, &mut frame).unwrap();
    assert!(frame.captured + Duration::from_secs(1) > before);
}

#[test]
fn damaged_frames_are_passed_over() {
    let _turn = plug(|_| {});
    let mut camera = open_camera().unwrap();
    let mut frame = Frame::default();
    shoot(&[1; 10], 0);
    shoot(&[2; 10], sys::V4L2_BUF_FLAG_ERROR);
    shoot(&[], 0);
    next(&mut camera, &mut frame).unwrap();
    assert_eq!(frame.data, [1; 10]);
    assert_eq!(self::camera().queued.len(), 4);
    shoot(&[3; 10], sys::V4L2_BUF_FLAG_ERROR);
    let error = next(&mut camera, &mut frame).unwrap_err();
    assert_eq!(error.kind, CaptureKind::Stalled);
    assert!(error.reason.contains("1 damaged"), "{}", error.reason);
}

#[test]
fn a_stalled_camera_is_opened_again() {
    let _turn = plug(|_| {});
    let mut opener = source();
    for _ in 0..3 {
        let mut camera = opener.open(&Interrupt::new().unwrap()).unwrap();
        let mut frame = Frame::default();
        shoot(&[1; 10], 0);
        next(&mut camera, &mut frame).unwrap();
        assert_eq!(
            next(&mut camera, &mut frame).unwrap_err().kind,
            CaptureKind::Stalled
        );
        drop(camera);
        assert!(!self::camera().streaming);
    }
}

#[test]
fn an_unplugged_camera_is_missing_at_once_and_reopens() {
    let _turn = plug(|_| {});
    let mut opener = source();
    let mut camera = opener.open(&Interrupt::new().unwrap()).unwrap();
    self::camera().unplugged = true;
    let error = next(&mut camera, &mut Frame::default()).unwrap_err();
    assert_eq!(error.kind, CaptureKind::Missing, "{}", error.reason);
    // Stopping the stream fails now, which must not panic.
    drop(camera);
    assert_eq!(
        opener.open(&Interrupt::new().unwrap()).err().unwrap().kind,
        CaptureKind::Missing
    );
    self::camera().unplugged = false;
    let mut camera = opener.open(&Interrupt::new().unwrap()).unwrap();
    shoot(&[1; 10], 0);
    next(&mut camera, &mut Frame::default()).unwrap();
}

/// A driver that never delivers a frame, with a timeout of an hour.
#[test]
fn raising_the_interrupt_ends_a_wait_for_a_frame() {
    let _turn = plug(|_| {});
    let mut camera = patient_source(Duration::from_secs(3600))
        .open(&Interrupt::new().unwrap())
        .unwrap();
    let interrupt = Interrupt::new().unwrap();
    let raiser = interrupt.clone();
    let waiting = thread::spawn(move || {
        let error = camera.next(&mut Frame::default(), &interrupt).unwrap_err();
        (camera, error)
    });
    thread::sleep(Duration::from_millis(20));
    raiser.raise(Cause::Privacy);
    let (mut camera, error) = waiting.join().unwrap();
    assert_eq!(error.kind, CaptureKind::Interrupted);
    // While the interrupt is raised no frame is delivered, even if one is ready.
    shoot(&[1; 10], 0);
    let mut frame = Frame::default();
    assert_eq!(
        camera.next(&mut frame, &raiser).unwrap_err().kind,
        CaptureKind::Interrupted
    );
    raiser.clear(Cause::Privacy);
    camera.next(&mut frame, &raiser).unwrap();
    assert_eq!(frame.data, [1; 10]);
    raiser.raise(Cause::Shutdown);
    assert_eq!(
        patient_source(Duration::from_secs(3600))
            .open(&raiser)
            .err()
            .unwrap()
            .kind,
        CaptureKind::Interrupted
    );
}

#[test]
fn a_camera_that_cannot_be_stopped_is_closed() {
    let _turn = plug(|driver| driver.fails.push((vidioc::VIDIOC_STREAMOFF, libc::EIO)));
    drop(open_camera().unwrap());
}

#[test]
fn signals_are_tolerated() {
    let _turn = plug(|driver| driver.interrupts = 20);
    let mut camera = open_camera().unwrap();
    for value in 0..5 {
        self::camera().interrupts = 7;
        shoot(&[value; 10], 0);
        let mut frame = Frame::default();
        next(&mut camera, &mut frame).unwrap();
        assert_eq!(frame.data, [value; 10]);
    }
}

#[test]
fn refusals_have_kinds() {
    for (request, errno, kind) in [
        (vidioc::VIDIOC_S_FMT, libc::EBUSY, CaptureKind::Busy),
        (vidioc::VIDIOC_REQBUFS, libc::EBUSY, CaptureKind::Busy),
        (vidioc::VIDIOC_STREAMON, libc::ENOSPC, CaptureKind::Busy),
        (vidioc::VIDIOC_STREAMON, libc::EPROTO, CaptureKind::Stalled),
        (vidioc::VIDIOC_QUERYCAP, libc::ENOTTY, CaptureKind::Unsupported),
        (vidioc::VIDIOC_QUERYBUF, libc::EINVAL, CaptureKind::Unsupported),
    ] {
        let _turn = plug(|driver| driver.fails.push((request, errno)));
        let error = refusal();
        assert_eq!(error.kind, kind, "{}", error.reason);
        assert!(error.reason.contains(NODE), "{}", error.reason);
    }
    let _turn = plug(|driver| driver.formats = vec![*b"pRAA", *b"RG10"]);
    let error = refusal();
    assert_eq!(error.kind, CaptureKind::Unsupported);
    assert!(
        error.reason.contains("Bayer") && error.reason.contains("libcamerify"),
        "{}",
        error.reason
    );
    drop(_turn);
    let _turn = plug(|driver| driver.capabilities = sys::V4L2_CAP_META_CAPTURE | sys::V4L2_CAP_STREAMING);
    assert!(refusal().reason.contains("but not a camera"));
}

#[test]
fn nothing_is_left_behind() {
    let _turn = plug(|_| {});
    let mut opener = source();
    for failing in [false, true] {
        if failing {
            camera().fails.push((vidioc::VIDIOC_STREAMON, libc::EBUSY));
        }
        for _ in 0..20 {
            drop(opener.open(&Interrupt::new().unwrap()));
        }
    }
    let open = fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter(|entry| {
            fs::read_link(entry.path()).is_ok_and(|link| link.to_string_lossy().contains("fake-camera"))
        })
        .count();
    let mapped = fs::read_to_string("/proc/self/maps")
        .unwrap()
        .matches("fake-camera")
        .count();
    assert_eq!((open, mapped), (0, 0));
}
