//! No process that a camera program has started survives when its source is dropped or the daemon ends.

use super::*;

/// Ids of the processes whose command line contains `word`.
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

/// Asserts that every process whose command line contains `word` ends soon; SIGKILL takes a moment.
fn assert_gone(word: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !processes(word).is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(processes(word), Vec::<String>::new());
}

#[test]
fn dropping_the_source_ends_the_program_and_what_it_started() {
    let word = format!("86{}", std::process::id());
    // A program that ignores SIGTERM.
    let script = format!("trap '' TERM; sleep {word} & printf 11111111; sleep {word}");
    let source = pipe(CameraFormat::Grey, &script).open(&quiet()).unwrap();
    assert!(!processes(&word).is_empty());
    let start = Instant::now();
    drop(source);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_gone(&word);
    // No zombie is left: every child has been waited for.
    let children = format!("/proc/self/task/{}/children", std::process::id());
    if Path::new(&children).exists() {
        for child in fs::read_to_string(children).unwrap().split_whitespace() {
            let state = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            assert!(!state.contains(") Z "), "{state}");
        }
    }
}

/// The interrupt ends the process group of a script while its processes are silent.
#[test]
fn raising_the_interrupt_ends_a_silent_program() {
    let word = format!("87{}", std::process::id());
    let interrupt = quiet();
    let wait = |script: &str| {
        let mut opener = command(
            CameraFormat::Grey,
            &["sh", "-c", script],
            Duration::from_secs(3600),
        );
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

/// A camera program starts another one and exits. The other one also ends with the source.
#[test]
fn orphans_end_with_the_source() {
    let word = format!("88{}", std::process::id());
    let mut source = pipe(
        CameraFormat::Grey,
        &format!("sleep {word} >/dev/null & printf 11111111"),
    )
    .open(&quiet())
    .unwrap();
    next(&mut source).unwrap();
    assert_eq!(next(&mut source).unwrap_err().kind, CaptureKind::Missing);
    drop(source);
    assert_gone(&word);
}

/// The daemon is killed. The processes that the camera program started end too, even if they neither write
/// nor obey SIGTERM.
#[test]
fn child_processes_end_when_the_daemon_is_killed() {
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
    // The command lines of the daemon, of the shell and of the two processes that it starts contain the word.
    while processes(&word).len() < 4 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(processes(&word).len(), 4);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_gone(&word);
}

/// The thread that opened the source exits without closing it, as if the daemon had been killed.
#[test]
fn a_program_ends_with_the_thread_that_started_it() {
    let word = format!("89{}", std::process::id());
    let arguments = ["sleep".to_string(), word.clone()];
    let source = thread::spawn(move || {
        let script = format!("printf 11111111; exec {} {}", arguments[0], arguments[1]);
        pipe(CameraFormat::Grey, &script).open(&quiet()).unwrap()
    })
    .join()
    .unwrap();
    assert_gone(&word);
    drop(source);
}
