//! Frames from real programs: ones that end, hang, flood, say too much or write nonsense.

use std::{
    fs,
    io::Write,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use affectd::{
    capture::{CaptureError, CaptureKind, Decoder, Frame, Opener, PixelFormat, Source, opener},
    clock::{Clock, SystemClock},
    config::{Camera, SourceKind},
    interrupt::{Cause, Interrupt},
    picture::Picture,
};
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
use tempfile::TempDir;

use crate::common::{clock::Skewed, daemon, models};

/// A pipe source of a shell script; raw frames have 4 x 2 pixels.
fn pipe(format: &str, script: &str) -> Box<dyn Opener> {
    command(format, &["sh", "-c", script], Duration::from_secs(10))
}

/// Settings of a pipe source with frames of 4 x 2 pixels.
fn settings(command: &[&str], format: &str) -> Camera {
    Camera {
        source: SourceKind::Pipe,
        device: "auto".into(),
        format: format.into(),
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

fn command(format: &str, command: &[&str], timeout: Duration) -> Box<dyn Opener> {
    let settings = Camera {
        timeout,
        ..settings(command, format)
    };
    opener(&settings, Arc::new(SystemClock::new())).unwrap()
}

/// A file that a script and the test wait for, so that neither has to guess how fast the other is.
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

    /// Shell words that wait until the test opens the gate.
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

fn jpeg(value: u8) -> Vec<u8> {
    let mut out = Vec::new();
    JpegEncoder::new(&mut out)
        .encode(&[value; 32 * 16 * 3], 32, 16, ExtendedColorType::Rgb8)
        .unwrap();
    out
}

/// Numbers of the processes whose command line holds `word`.
fn processes(word: &str) -> Vec<String> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            line.windows(word.len()).any(|part| part == word.as_bytes())
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| *name != std::process::id().to_string())
        .collect()
}

/// Every process whose command line holds `word` has ended or is about to: SIGKILL takes a moment.
fn assert_gone(word: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !processes(word).is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(processes(word), Vec::<String>::new());
}

#[test]
fn raw_frames_one_by_one() {
    let gate = Gate::new();
    let script = format!("printf 11111111; {}; printf 22222222", gate.wait());
    let mut source = pipe("grey", &script).open(&quiet()).unwrap();
    let stream = source.stream();
    assert_eq!(
        (stream.format, stream.width, stream.height),
        (PixelFormat::Grey, 4, 2)
    );
    assert_eq!(stream.name, "`sh`");
    let frame = next(&mut source).unwrap();
    assert_eq!(
        (frame.data.as_slice(), frame.stride, frame.sequence),
        (&b"11111111"[..], 4, 0)
    );
    gate.open();
    let frame = next(&mut source).unwrap();
    assert_eq!((frame.data.as_slice(), frame.sequence), (&b"22222222"[..], 1));
    let error = next(&mut source).unwrap_err();
    assert_eq!(
        (error.kind, error.reason.as_str()),
        (CaptureKind::Missing, "`sh` ended")
    );
}

#[test]
fn y4m_says_its_own_size() {
    let script = "printf 'YUV4MPEG2 W6 H2 F15:1 Cmono\\nFRAME\\n123456123456'; sleep 5";
    for format in ["y4m", "auto"] {
        let mut source = pipe(format, script).open(&quiet()).unwrap();
        let stream = source.stream();
        assert_eq!((stream.width, stream.height, stream.rate), (6, 2, Some(15.0)));
        assert_eq!(next(&mut source).unwrap().data, b"123456123456");
    }
    let error = refusal(pipe("y4m", "printf 'YUV4MPEG2 W6 H2 C444\\nFRAME\\n'; sleep 5"));
    assert_eq!(error.kind, CaptureKind::Unsupported);
    assert!(
        error.reason.contains("C444") && error.reason.contains("-pix_fmt yuv420p"),
        "{}",
        error.reason
    );
    let error = refusal(pipe("auto", "echo usage: frames to standard output; sleep 5"));
    assert_eq!(error.kind, CaptureKind::Unsupported);
    assert!(error.reason.contains("camera.format"), "{}", error.reason);
}

#[test]
fn mjpeg_comes_through_and_damage_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let (dark, light) = (jpeg(20), jpeg(220));
    let (first, second) = (file("first", &dark), file("second", &light));
    // Within its header, which the splitter notices, and within its data, which the decoder does.
    let cut_off = file("cut-off", &dark[..dark.len() / 2]);
    let cut_data = file("cut-data", &dark[..dark.len() - 6]);
    let gate = Gate::new();
    let script = format!(
        "cat {first}; {}; cat {cut_off} {cut_data}; sleep 0.3; cat {cut_data} {second}; printf xx; sleep 5",
        gate.wait()
    );
    let mut source = pipe("mjpeg", &script).open(&quiet()).unwrap();
    assert_eq!((source.stream().width, source.stream().height), (32, 16));
    let mut picture = Picture::default();
    let mut values = Vec::new();
    let mut corrupt = 0;
    while values.len() < 2 {
        let decoded = next(&mut source).and_then(|frame| {
            assert_eq!((frame.width, frame.height, frame.stride), (32, 16, 0));
            Decoder::new().decode(&frame, &mut picture)
        });
        match decoded {
            Ok(()) => {
                values.push(picture.rgb()[0]);
                gate.open();
            }
            Err(error) => {
                assert_eq!(error.kind, CaptureKind::Corrupt, "{}", error.reason);
                assert!(error.message().contains("cut off"), "{}", error.message());
                corrupt += 1;
            }
        }
    }
    assert!(values[0] < 30 && values[1] > 210, "{values:?}");
    // None if the whole picture came before anyone looked, else one for each damaged one.
    assert!(corrupt <= 3);
}

/// As a camera writes them that sends no EOI: each picture ends where the next begins, the last with the
/// stream.
#[test]
fn pictures_without_an_end_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unended");
    let unended: Vec<Vec<u8>> = [20, 120, 220]
        .map(|value| {
            let mut jpeg = jpeg(value);
            jpeg.truncate(jpeg.len() - 2);
            jpeg
        })
        .to_vec();
    fs::write(&path, unended.concat()).unwrap();
    let mut source = pipe("mjpeg", &format!("exec cat {}", path.display()))
        .open(&quiet())
        .unwrap();
    let mut picture = Picture::default();
    let mut values = Vec::new();
    let ended = loop {
        match next(&mut source) {
            Ok(frame) => {
                Decoder::new().decode(&frame, &mut picture).unwrap();
                values.push(picture.rgb()[0]);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(
        (ended.kind, ended.reason.as_str()),
        (CaptureKind::Missing, "`sh` ended")
    );
    assert!(values.last().is_some_and(|value| *value > 210), "{values:?}");
}

#[test]
fn rows_may_be_padded() {
    let settings = Camera {
        stride: 6,
        ..settings(&["sh", "-c", "printf 1234--5678--abcd--efgh--; sleep 5"], "grey")
    };
    let mut source = opener(&settings, Arc::new(SystemClock::new()))
        .unwrap()
        .open(&quiet())
        .unwrap();
    let frame = next(&mut source).unwrap();
    assert_eq!((frame.stride, frame.data.as_slice()), (6, &b"abcd--efgh--"[..]));
    let mut picture = Picture::default();
    Decoder::new().decode(&frame, &mut picture).unwrap();
    let values: Vec<u8> = picture.rgb().iter().step_by(3).copied().collect();
    assert_eq!(values, b"abcdefgh");
    let error = opener(
        &Camera {
            stride: 3,
            ..settings
        },
        Arc::new(SystemClock::new()),
    )
    .err();
    assert!(error.is_some_and(|error| error.reason.contains("camera.stride is 3 bytes")));
}

/// A program that is slow to start is waited for, and then held to the shorter time-out.
#[test]
fn the_first_frame_may_take_longer() {
    let settings = Camera {
        timeout: Duration::from_secs_f32(0.3),
        start_timeout: Duration::from_secs_f32(30.0),
        ..settings(&["sh", "-c", "sleep 1; printf 11111111; sleep 60"], "grey")
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
fn the_newest_frame_of_those_that_wait() {
    let gate = Gate::new();
    let script = format!(
        "printf 00000000; for i in 1 2 3 4 5 6 7 8 9; do printf $i$i$i$i$i$i$i$i; done; touch {}; sleep 10",
        gate.path().display()
    );
    let mut source = pipe("grey", &script).open(&quiet()).unwrap();
    gate.wait_here();
    let frame = next(&mut source).unwrap();
    assert_eq!((frame.data.as_slice(), frame.sequence), (&b"99999999"[..], 0));
}

/// The process is paused for a minute while a frame waits in the pipe, and then one whose beginning does.
#[test]
fn a_frame_that_waited_during_a_pause_is_not_new() {
    let clock = Arc::new(Skewed::default());
    let (written, old, new) = (Gate::new(), Gate::new(), Gate::new());
    let script = format!(
        "printf 00000000; {}; printf 111111112222; touch {}; {}; printf 2222; {}; printf 33333333; sleep 60",
        old.wait(),
        written.path().display(),
        new.wait(),
        "sleep 0.3",
    );
    let settings = settings(&["sh", "-c", &script], "grey");
    let mut source = opener(&settings, clock.clone()).unwrap().open(&quiet()).unwrap();
    assert_eq!(next(&mut source).unwrap().data, b"00000000");
    let paused = clock.now();
    old.open();
    written.wait_here();
    clock.forward(60);
    let minute = Duration::from_secs(60);
    let frame = next(&mut source).unwrap();
    assert_eq!(frame.data, b"11111111");
    assert!(
        frame.captured < paused + minute,
        "{:?} after {paused:?}",
        frame.captured
    );
    new.open();
    let frame = next(&mut source).unwrap();
    assert_eq!(frame.data, b"22222222");
    assert!(
        frame.captured < paused + minute,
        "{:?} after {paused:?}",
        frame.captured
    );
    let before = clock.now();
    let frame = next(&mut source).unwrap();
    assert_eq!(frame.data, b"33333333");
    assert!(frame.captured >= before, "{:?} before {before:?}", frame.captured);
}

#[test]
fn a_flood_neither_hangs_nor_grows() {
    let mut source = pipe("grey", "exec cat /dev/zero").open(&quiet()).unwrap();
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(next(&mut source).unwrap().data, [0; 8]);
    }
    assert!(start.elapsed() < Duration::from_secs(60));
    // No frame in the flood: it ends with the timeout.
    let error = refusal(command(
        "mjpeg",
        &["cat", "/dev/zero"],
        Duration::from_millis(300),
    ));
    assert_eq!(error.kind, CaptureKind::Stalled);
    // A frame that never ends is given up at the limit.
    let script = "printf '\\377\\330\\377\\332\\000\\002'; exec cat /dev/zero";
    let error = refusal(command(
        "mjpeg",
        &["sh", "-c", script],
        Duration::from_millis(30000),
    ));
    assert_eq!(error.kind, CaptureKind::Corrupt);
    assert!(
        error.reason.contains("at most 67108864 are allowed"),
        "{}",
        error.reason
    );
}

#[test]
fn a_program_that_hangs_is_stalled() {
    let error = refusal(command("grey", &["sleep", "60"], Duration::from_millis(200)));
    assert_eq!(error.kind, CaptureKind::Stalled);
    assert!(error.reason.contains("no frame within 0.2 s"), "{}", error.reason);
    let mut opener = command(
        "grey",
        &["sh", "-c", "printf 111111112222; sleep 60"],
        Duration::from_millis(500),
    );
    let mut source = opener.open(&quiet()).unwrap();
    next(&mut source).unwrap();
    assert_eq!(next(&mut source).unwrap_err().kind, CaptureKind::Stalled);
    // Opened again, it starts the program again.
    drop(source);
    assert_eq!(
        next(&mut opener.open(&quiet()).unwrap()).unwrap().data,
        b"11111111"
    );
}

#[test]
fn why_a_program_ended_is_told() {
    let error = refusal(pipe(
        "mjpeg",
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
    let mut source = pipe("grey", "printf 111111112222; sleep 0.2; kill -9 $$")
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
    let error = refusal(pipe("grey", "exit 0"));
    assert_eq!(error.kind, CaptureKind::Missing);
    assert!(
        error.reason.contains("before its first frame"),
        "{}",
        error.reason
    );
}

#[test]
fn a_program_that_talks_too_much_goes_on() {
    let script = "i=0; while [ $i -lt 3000 ]; do echo 'a line of sixty-four characters that nobody will ever want to read' >&2; \
        i=$((i+1)); done; printf 11111111; sleep 5";
    assert_eq!(
        next(&mut pipe("grey", script).open(&quiet()).unwrap())
            .unwrap()
            .data,
        b"11111111"
    );
}

#[test]
fn programs_that_cannot_be_started() {
    let error = refusal(command(
        "mjpeg",
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
            "mjpeg",
            &[&file.display().to_string()],
            Duration::from_millis(1000)
        ))
        .kind,
        CaptureKind::Denied
    );
    for (camera, word) in [
        (settings(&[], "mjpeg"), "camera.command is empty"),
        (settings(&["x"], "h264"), "camera.format is `h264`"),
        (
            Camera {
                width: 0,
                ..settings(&["x"], "grey")
            },
            "0x2",
        ),
        (
            Camera {
                width: 9000,
                ..settings(&["x"], "grey")
            },
            "9000x2",
        ),
        (
            Camera {
                width: 8192,
                height: 8192,
                ..settings(&["x"], "rgb3")
            },
            "at most",
        ),
    ] {
        let error = opener(&camera, Arc::new(SystemClock::new())).err().expect(word);
        assert_eq!(error.kind, CaptureKind::Unsupported);
        assert!(error.reason.contains(word), "{}", error.reason);
    }
}

#[test]
fn dropping_the_source_ends_the_program_and_what_it_started() {
    let word = format!("86{}", std::process::id());
    // One that ignores being asked.
    let script = format!("trap '' TERM; sleep {word} & printf 11111111; sleep {word}");
    let source = pipe("grey", &script).open(&quiet()).unwrap();
    assert!(!processes(&word).is_empty());
    let start = Instant::now();
    drop(source);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_gone(&word);
    // And leaves no zombie: every child has been waited for.
    let children = format!("/proc/self/task/{}/children", std::process::id());
    if Path::new(&children).exists() {
        for child in fs::read_to_string(children).unwrap().split_whitespace() {
            let state = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            assert!(!state.contains(") Z "), "{state}");
        }
    }
}

/// The processes of a script, whose group is ended by the interrupt while they are silent.
#[test]
fn raising_the_interrupt_ends_a_silent_program() {
    let word = format!("87{}", std::process::id());
    let interrupt = quiet();
    let wait = |script: &str| {
        let mut opener = command("grey", &["sh", "-c", script], Duration::from_secs(3600));
        let interrupt = interrupt.clone();
        thread::spawn(move || {
            let mut source = opener.open(&interrupt)?;
            source.next(&mut Frame::default(), &interrupt)?;
            source.next(&mut Frame::default(), &interrupt)
        })
    };
    // Before its first frame, and after it; a shell that waits for a child.
    for script in [
        format!("sleep {word}; true"),
        format!("printf 11111111; sleep {word}; true"),
        format!("trap '' TERM; sleep {word}; true"),
    ] {
        let waiting = wait(&script);
        let deadline = Instant::now() + Duration::from_secs(10);
        while processes(&word).len() < 2 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        interrupt.raise(Cause::Shutdown);
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!(error.kind, CaptureKind::Interrupted);
        assert_gone(&word);
        interrupt.clear(Cause::Shutdown);
    }
}

/// A camera program that starts another and exits: the other one ends with the source, too.
#[test]
fn what_a_program_leaves_behind_ends() {
    let word = format!("88{}", std::process::id());
    let mut source = pipe("grey", &format!("sleep {word} >/dev/null & printf 11111111"))
        .open(&quiet())
        .unwrap();
    next(&mut source).unwrap();
    assert_eq!(next(&mut source).unwrap_err().kind, CaptureKind::Missing);
    drop(source);
    assert_gone(&word);
}

/// The whole process is killed: what the camera program started ends too, even if it neither writes nor obeys SIGTERM.
#[test]
fn what_a_program_started_ends_when_the_daemon_is_killed() {
    let word = format!("90{}", std::process::id());
    let script = format!("trap '' TERM; sleep {word} & sleep {word} & wait");
    let models = models::folder();
    let command = serde_json::json!(["sh", "-c", script]);
    let mut daemon = daemon::affectd(&[
        "run",
        "--set",
        &format!("models={}", models.path().display()),
        "--set",
        &format!("expression.model={}", models::TINY),
        "--set",
        "camera.source=pipe",
        "--set",
        &format!("camera.command={command}"),
    ])
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // The daemon's own command line holds the word, as do the shell's and the two it starts.
    while processes(&word).len() < 4 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(processes(&word).len(), 4);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_gone(&word);
}

/// The thread that opened the source is gone without closing it, as if the daemon had been killed.
#[test]
fn a_program_ends_with_the_thread_that_started_it() {
    let word = format!("89{}", std::process::id());
    let arguments = ["sleep".to_string(), word.clone()];
    let source = thread::spawn(move || {
        let script = format!("printf 11111111; exec {} {}", arguments[0], arguments[1]);
        pipe("grey", &script).open(&quiet()).unwrap()
    })
    .join()
    .unwrap();
    assert_gone(&word);
    drop(source);
}

/// Standard input cannot be started again: after a stall the next source goes on within the frame.
#[test]
fn standard_input() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: nothing else in this program reads standard input.
    assert_eq!(unsafe { libc::dup2(reader.as_raw_fd(), 0) }, 0);
    drop(reader);
    let clock = Arc::new(Skewed::default());
    let settings = Camera {
        timeout: Duration::from_millis(300),
        ..settings(&["-"], "grey")
    };
    let mut opener = opener(&settings, clock.clone()).unwrap();
    assert_eq!(
        opener.open(&quiet()).err().map(|error| error.kind),
        Some(CaptureKind::Stalled)
    );
    writer.write_all(b"111111112222").unwrap();
    let mut source = opener.open(&quiet()).unwrap();
    assert_eq!(source.stream().name, "standard input");
    assert_eq!(next(&mut source).unwrap().data, b"11111111");
    assert_eq!(next(&mut source).unwrap_err().kind, CaptureKind::Stalled);
    drop(source);
    writer.write_all(b"2222333").unwrap();
    // Closed for a minute, during which this came.
    clock.forward(60);
    let mut source = opener.open(&quiet()).unwrap();
    let frame = next(&mut source).unwrap();
    assert_eq!(frame.data, b"22222222");
    assert!(clock.now() - frame.captured >= Duration::from_secs(60));
    drop(writer);
    let error = next(&mut source).unwrap_err();
    assert_eq!(error.kind, CaptureKind::Ended);
    assert!(
        error.reason.contains("within a frame, 3 bytes"),
        "{}",
        error.reason
    );
}
