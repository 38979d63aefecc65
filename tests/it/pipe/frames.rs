//! Frames from the output of a program.

use super::*;

fn jpeg(value: u8) -> Vec<u8> {
    let mut out = Vec::new();
    JpegEncoder::new(&mut out)
        .encode(&[value; 32 * 16 * 3], 32, 16, ExtendedColorType::Rgb8)
        .unwrap();
    out
}

#[test]
fn raw_frames_one_by_one() {
    let gate = Gate::new();
    let script = format!("printf 11111111; {}; printf 22222222", gate.wait());
    let mut source = pipe(CameraFormat::Grey, &script).open(&quiet()).unwrap();
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
    for format in [CameraFormat::Y4m, CameraFormat::Auto] {
        let mut source = pipe(format, script).open(&quiet()).unwrap();
        let stream = source.stream();
        assert_eq!((stream.width, stream.height, stream.rate), (6, 2, Some(15.0)));
        assert_eq!(next(&mut source).unwrap().data, b"123456123456");
    }
    let error = refusal(pipe(
        CameraFormat::Y4m,
        "printf 'YUV4MPEG2 W6 H2 C444\\nFRAME\\n'; sleep 5",
    ));
    assert_eq!(error.kind, CaptureKind::Unsupported);
    assert!(
        error.reason.contains("C444") && error.reason.contains("-pix_fmt yuv420p"),
        "{}",
        error.reason
    );
    let error = refusal(pipe(
        CameraFormat::Auto,
        "echo usage: frames to standard output; sleep 5",
    ));
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
    // Truncated within its header, which the splitter detects, and within its data, which the decoder
    // detects.
    let cut_off = file("cut-off", &dark[..dark.len() / 2]);
    let cut_data = file("cut-data", &dark[..dark.len() - 6]);
    let gate = Gate::new();
    let script = format!(
        "cat {first}; {}; cat {cut_off} {cut_data}; sleep 0.3; cat {cut_data} {second}; printf xx; sleep 5",
        gate.wait()
    );
    let mut source = pipe(CameraFormat::Mjpeg, &script).open(&quiet()).unwrap();
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
    // None if the whole picture arrived before the next read, otherwise one for each damaged picture.
    assert!(corrupt <= 3);
}

/// A program that was started within a picture, or by an encoder that begins with a damaged one.
#[test]
fn damage_before_the_first_frame_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let whole = jpeg(20);
    fs::write(folder.path().join("cut-off"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path().join("whole"), &whole).unwrap();
    let script = format!(
        "cd {}; cat cut-off cut-off; sleep 0.3; cat whole; sleep 60",
        folder.path().display()
    );
    let mut source = pipe(CameraFormat::Mjpeg, &script).open(&quiet()).unwrap();
    assert_eq!(next(&mut source).unwrap().data, whole);
    // With damage only, the reason is known before the start-up timeout.
    let settings = Camera {
        timeout: Duration::from_secs_f32(0.3),
        start_timeout: Duration::from_secs(3600),
        ..settings(
            &["sh", "-c", &script.replace("whole;", "cut-off;")],
            CameraFormat::Mjpeg,
        )
    };
    let error = refusal(opener(&settings, Arc::new(SystemClock::new())).unwrap());
    assert_eq!(error.kind, CaptureKind::Corrupt, "{}", error.reason);
    assert!(error.reason.contains("cut off"), "{}", error.reason);
}

/// As written by a camera that sends no EOI: each picture ends where the next begins, the last one with the
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
    let mut source = pipe(CameraFormat::Mjpeg, &format!("exec cat {}", path.display()))
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
        ..settings(
            &["sh", "-c", "printf 1234--5678--abcd--efgh--; sleep 5"],
            CameraFormat::Grey,
        )
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

#[test]
fn the_newest_waiting_frame_is_read() {
    let gate = Gate::new();
    let script = format!(
        "printf 00000000; for i in 1 2 3 4 5 6 7 8 9; do printf $i$i$i$i$i$i$i$i; done; touch {}; sleep 10",
        gate.path().display()
    );
    let mut source = pipe(CameraFormat::Grey, &script).open(&quiet()).unwrap();
    gate.wait_here();
    let frame = next(&mut source).unwrap();
    assert_eq!((frame.data.as_slice(), frame.sequence), (&b"99999999"[..], 0));
}

/// The process is paused for a minute while one frame and the beginning of another wait in the pipe.
#[test]
fn a_frame_that_waited_during_a_pause_is_not_new() {
    let clock = Arc::new(Skewed::default());
    let (written, old, new) = (Gate::new(), Gate::new(), Gate::new());
    let script = format!(
        "printf 00000000; {}; printf 111111112222; touch {}; {}; printf 2222; sleep 0.3; \
         printf 33333333; sleep 60",
        old.wait(),
        written.path().display(),
        new.wait(),
    );
    let settings = settings(&["sh", "-c", &script], CameraFormat::Grey);
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
    let mut source = pipe(CameraFormat::Grey, "exec cat /dev/zero")
        .open(&quiet())
        .unwrap();
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(next(&mut source).unwrap().data, [0; 8]);
    }
    assert!(start.elapsed() < Duration::from_secs(60));
    // A flood without a frame ends with the timeout.
    let error = refusal(command(
        CameraFormat::Mjpeg,
        &["cat", "/dev/zero"],
        Duration::from_millis(300),
    ));
    assert_eq!(error.kind, CaptureKind::Stalled);
    // A frame that never ends is abandoned at the size limit.
    let script = "printf '\\377\\330\\377\\332\\000\\002'; exec cat /dev/zero";
    let error = refusal(command(
        CameraFormat::Mjpeg,
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

/// Opens the source while frames of `byte` arrive.
fn open_during(opener: &mut dyn Opener, writer: &mut (impl Write + Send), byte: u8) -> Box<dyn Source> {
    let is_open = AtomicBool::new(false);
    thread::scope(|scope| {
        let (is_open, scoped) = (&is_open, &mut *writer);
        scope.spawn(move || {
            while !is_open.load(SeqCst) {
                scoped.write_all(&[byte; 8]).unwrap();
                thread::sleep(Duration::from_millis(10));
            }
        });
        let source = opener.open(&quiet());
        is_open.store(true, SeqCst);
        source.unwrap()
    })
}

/// Standard input cannot be restarted: the next source continues within the frame, but uses no frame that
/// began before it was opened.
#[test]
fn standard_input() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: nothing else in this program reads standard input.
    assert_eq!(unsafe { libc::dup2(reader.as_raw_fd(), 0) }, 0);
    drop(reader);
    let clock = Arc::new(Skewed::default());
    let settings = Camera {
        timeout: Duration::from_millis(300),
        ..settings(&["-"], CameraFormat::Grey)
    };
    let mut opener = opener(&settings, clock.clone()).unwrap();
    assert_eq!(
        opener.open(&quiet()).err().map(|error| error.kind),
        Some(CaptureKind::Stalled)
    );
    let mut source = open_during(&mut *opener, &mut writer, b'1');
    assert_eq!(source.stream().name, "standard input");
    writer.write_all(b"2222").unwrap();
    let error = loop {
        match next(&mut source) {
            Ok(frame) => assert_eq!(frame.data, b"11111111"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, CaptureKind::Stalled);
    drop(source);
    // The source was closed for a minute, during which this arrived: the rest of a frame, a frame, and the
    // beginning of another.
    writer.write_all(b"222233333333444").unwrap();
    clock.forward(60);
    let reopened = clock.now();
    let mut source = open_during(&mut *opener, &mut writer, b'5');
    let frame = next(&mut source).unwrap();
    assert_eq!(frame.data, b"55555555");
    assert!(frame.captured >= reopened);
    drop(source);
    opener.discard();
    // More than a pipe holds, so it is read although no source is open.
    writer.write_all(&[b'7'; 1 << 18]).unwrap();
    let mut source = open_during(&mut *opener, &mut writer, b'8');
    assert_eq!(next(&mut source).unwrap().data, b"88888888");
    drop(writer);
    let error = loop {
        match next(&mut source) {
            Ok(frame) => assert_eq!(frame.data, b"88888888"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, CaptureKind::Ended);
    assert!(
        error.reason.contains("within a frame, 3 bytes"),
        "{}",
        error.reason
    );
}
