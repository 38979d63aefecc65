//! Frames from real programs that exit, hang, flood, log too much or write garbage.

mod ends;
mod frames;

use std::{
    fs,
    io::Write,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use affectd::{
    capture::{CaptureError, CaptureKind, Decoder, Frame, Opener, PixelFormat, Source, opener},
    clock::{Clock, SystemClock},
    config::{Camera, CameraFormat, SourceKind},
    interrupt::{Cause, Interrupt},
    picture::Picture,
};
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
use tempfile::TempDir;

use crate::common::{clock::Skewed, daemon, models};

/// A pipe source of a shell script; raw frames have 4 x 2 pixels.
fn pipe(format: CameraFormat, script: &str) -> Box<dyn Opener> {
    command(format, &["sh", "-c", script], Duration::from_secs(10))
}

/// Settings of a pipe source with frames of 4 x 2 pixels.
fn settings(command: &[&str], format: CameraFormat) -> Camera {
    Camera {
        source: SourceKind::Pipe,
        device: "auto".into(),
        format,
        width: 4,
        height: 2,
        rate: 30.0,
        timeout: Duration::from_secs_f32(10.0),
        start_timeout: Duration::ZERO,
        stride: 0,
        rotate: 0,
        mirror: false,
        fov_deg: 65.0,
        command: command.iter().map(ToString::to_string).collect(),
        path: PathBuf::default(),
        repeat: false,
    }
}

fn command(format: CameraFormat, command: &[&str], timeout: Duration) -> Box<dyn Opener> {
    let settings = Camera {
        timeout,
        ..settings(command, format)
    };
    opener(&settings, Arc::new(SystemClock::new())).unwrap()
}

/// A file that a script and the test wait for, so neither depends on the speed of the other.
struct Gate {
    folder: TempDir,
}

impl Gate {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("gate")
    }

    /// A shell command that waits until the test opens the gate.
    fn wait(&self) -> String {
        format!("while [ ! -e {} ]; do sleep 0.02; done", self.path().display())
    }

    fn open(&self) {
        fs::write(self.path(), "").unwrap();
    }

    /// Waits until a script opens the gate.
    fn wait_here(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.path().exists() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// An interrupt that is not raised.
fn quiet() -> Interrupt {
    Interrupt::new().unwrap()
}

fn refusal(mut opener: Box<dyn Opener>) -> CaptureError {
    opener.open(&quiet()).err().expect("it was opened")
}

fn next(source: &mut Box<dyn Source>) -> Result<Frame, CaptureError> {
    let mut frame = Frame::default();
    source.next(&mut frame, &quiet()).map(|()| frame)
}

/// A program that is slow to start gets a longer timeout for its first frame, and then the shorter one.
#[test]
fn the_first_frame_may_take_longer() {
    let settings = Camera {
        timeout: Duration::from_secs_f32(0.3),
        start_timeout: Duration::from_secs_f32(30.0),
        ..settings(
            &["sh", "-c", "sleep 1; printf 11111111; sleep 60"],
            CameraFormat::Grey,
        )
    };
    let mut source = opener(&settings, Arc::new(SystemClock::new()))
        .unwrap()
        .open(&quiet())
        .unwrap();
    assert_eq!(next(&mut source).unwrap().data, b"11111111");
    let error = next(&mut source).unwrap_err();
    assert_eq!(error.kind, CaptureKind::Stalled);
    assert!(error.reason.contains("within 0.3 s"), "{}", error.reason);
}

#[test]
fn a_program_that_hangs_is_stalled() {
    let error = refusal(command(
        CameraFormat::Grey,
        &["sleep", "60"],
        Duration::from_millis(200),
    ));
    assert_eq!(error.kind, CaptureKind::Stalled);
    assert!(error.reason.contains("no frame within 0.2 s"), "{}", error.reason);
    let mut opener = command(
        CameraFormat::Grey,
        &["sh", "-c", "printf 111111112222; sleep 60"],
        Duration::from_millis(500),
    );
    let mut source = opener.open(&quiet()).unwrap();
    next(&mut source).unwrap();
    assert_eq!(next(&mut source).unwrap_err().kind, CaptureKind::Stalled);
    // Reopening starts the program again.
    drop(source);
    assert_eq!(
        next(&mut opener.open(&quiet()).unwrap()).unwrap().data,
        b"11111111"
    );
}

#[test]
fn the_exit_reason_is_reported() {
    let error = refusal(pipe(
        CameraFormat::Mjpeg,
        "echo starting >&2; echo ERROR: no cameras available >&2; exit 3",
    ));
    assert_eq!(error.kind, CaptureKind::Missing);
    assert!(
        error
            .reason
            .contains("`sh` ended with exit status: 3 (its last message: ERROR: no cameras available)"),
        "{}",
        error.reason
    );
    let mut source = pipe(CameraFormat::Grey, "printf 111111112222; sleep 0.2; kill -9 $$")
        .open(&quiet())
        .unwrap();
    next(&mut source).unwrap();
    let error = next(&mut source).unwrap_err();
    assert!(error.reason.contains("signal: 9"), "{}", error.reason);
    assert!(
        error.reason.contains("within a frame, 4 bytes"),
        "{}",
        error.reason
    );
    let error = refusal(pipe(CameraFormat::Grey, "exit 0"));
    assert_eq!(error.kind, CaptureKind::Missing);
    assert!(
        error.reason.contains("before its first frame"),
        "{}",
        error.reason
    );
}

#[test]
fn a_program_that_repeats_its_password_does_not_show_it() {
    let script = "echo \"$2 was not accepted by camera $3\" >&2; exit 1";
    let arguments = ["sh", "-c", script, "cam", "--password", "hunter2", "7"];
    let error = refusal(command(CameraFormat::Mjpeg, &arguments, Duration::from_secs(10)));
    assert!(
        error.reason.contains("*** was not accepted by camera 7"),
        "{}",
        error.reason
    );
}

#[test]
fn a_verbose_program_keeps_running() {
    let script = "i=0; while [ $i -lt 3000 ]; do echo 'a line of sixty-four characters that nobody will ever want to read' >&2; \
        i=$((i+1)); done; printf 11111111; sleep 5";
    assert_eq!(
        next(&mut pipe(CameraFormat::Grey, script).open(&quiet()).unwrap())
            .unwrap()
            .data,
        b"11111111"
    );
}

#[test]
fn unusable_programs_are_refused() {
    let error = refusal(command(
        CameraFormat::Mjpeg,
        &["rpicam-that-does-not-exist"],
        Duration::from_millis(1000),
    ));
    assert_eq!(error.kind, CaptureKind::Missing);
    assert!(error.reason.contains("rpicam-that-does-not-exist") && error.reason.contains("PATH"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("not-executable");
    fs::write(&file, "").unwrap();
    assert_eq!(
        refusal(command(
            CameraFormat::Mjpeg,
            &[&file.display().to_string()],
            Duration::from_millis(1000)
        ))
        .kind,
        CaptureKind::Denied
    );
    for (camera, word) in [
        (settings(&[], CameraFormat::Mjpeg), "camera.command is empty"),
        (
            Camera {
                width: 0,
                ..settings(&["x"], CameraFormat::Grey)
            },
            "0x2",
        ),
        (
            Camera {
                width: 9000,
                ..settings(&["x"], CameraFormat::Grey)
            },
            "9000x2",
        ),
        (
            Camera {
                width: 8192,
                height: 8192,
                ..settings(&["x"], CameraFormat::Rgb3)
            },
            "at most",
        ),
    ] {
        let error = opener(&camera, Arc::new(SystemClock::new())).err().expect(word);
        assert_eq!(error.kind, CaptureKind::Unsupported);
        assert!(error.reason.contains(word), "{}", error.reason);
    }
}
