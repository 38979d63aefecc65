//! The log is not read, or there is much to log.

use std::{
    fs::{self, File},
    io::Write,
    os::{fd::OwnedFd, unix::fs::MetadataExt, unix::net::UnixDatagram},
    thread,
};

use crate::{
    lab::{Lab, pass, until},
    runner::{Outcome, Scenario},
};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "unread-log",
        fault: "nobody reads the pipe that the log goes to, and it is full",
        promise: "results go on, a stop is obeyed at once",
        run: unread_log,
    },
    Scenario {
        name: "hung-journal",
        fault: "the journal does not read its socket, and standard error leads to it too",
        promise: "results go on, a stop is obeyed at once",
        run: hung_journal,
    },
    Scenario {
        name: "flapping-camera",
        fault: "for 40 s the camera program gives a frame, complains with its process number, and ends",
        promise: "few log lines",
        run: |lab| few_lines(lab, FLAPPING),
    },
    Scenario {
        name: "every-second-frame",
        fault: "for 40 s every second frame is damaged",
        promise: "few log lines",
        run: |lab| few_lines(lab, EVERY_SECOND),
    },
];

/// Writes one frame and a message that differs each time, then exits.
const FLAPPING: &str = "cat PICTURE; sleep 0.3; echo \"trouble $$ at $(date +%N)\" >&2; exit 3";

/// Alternates a good frame with one that is truncated at a different place each time.
const EVERY_SECOND: &str = "n=9000; while :; do cat PICTURE; sleep 0.1; head -c $n PICTURE; printf '\\377\\331'; \
    sleep 0.1; n=$((n + 17)); done";

/// A pipe that is full and stays full as long as the reader is kept.
fn full_pipe() -> (std::io::PipeReader, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    // Blocks until the program ends.
    thread::spawn(move || filler.write_all(&[b'x'; 1 << 24]));
    (reader, OwnedFd::from(writer))
}

fn flapping(lab: &Lab) -> String {
    FLAPPING.replace("PICTURE", &lab.picture("astronaut").display().to_string())
}

fn unread_log(lab: &Lab) -> Outcome {
    let (_reader, writer) = full_pipe();
    let mut daemon = lab.daemon().camera(&flapping(lab)).stderr(writer).start();
    goes_on(&mut daemon)
}

fn hung_journal(lab: &Lab) -> Outcome {
    let folder = lab.path("journal");
    fs::create_dir(&folder).unwrap();
    let journal = UnixDatagram::bind(folder.join("socket")).unwrap();
    // Fills its queue, so further senders wait.
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"filler", folder.join("socket")).is_ok() {}
    let (_reader, writer) = full_pipe();
    let stderr = File::from(writer);
    let metadata = stderr.metadata().unwrap();
    let bind = format!(
        "mkdir -p /run/systemd/journal; mount --bind {} /run/systemd/journal; exec \"$@\"",
        folder.display()
    );
    let mut daemon = lab
        .daemon()
        .camera(&flapping(lab))
        .env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()))
        .within(&["unshare", "--mount", "sh", "-ec", &bind, "sh"])
        .stderr(stderr)
        .start();
    let outcome = goes_on(&mut daemon);
    drop(journal);
    outcome
}

/// Asserts that results are still written, and that the daemon stops on request.
fn goes_on(daemon: &mut crate::daemon::Daemon) -> Outcome {
    until("a face", || daemon.output().contains("\"happiness\""));
    pass(15.0);
    let before = daemon.output().matches("/state").count();
    let waited = until("another state", || {
        daemon.output().matches("/state").count() > before
    });
    let seconds = daemon.stop("TERM");
    assert!(daemon.output().trim_end().ends_with("\"stopped\"}"));
    Ok(format!(
        "another state after {waited:.1} s, stopped in {seconds:.1} s"
    ))
}

fn few_lines(lab: &Lab, script: &str) -> Outcome {
    let picture = lab.picture("astronaut").display().to_string();
    let mut daemon = lab.daemon().camera(&script.replace("PICTURE", &picture)).start();
    until("a face", || daemon.output().contains("\"happiness\""));
    pass(40.0);
    daemon.stop("TERM");
    let lines = daemon.log().lines().count();
    assert!(lines <= 30, "{lines} lines\n{}", daemon.log());
    Ok(format!("{lines} lines"))
}
