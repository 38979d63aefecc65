//! Signals to the daemon.

use std::{fs, time::Instant};

use crate::{
    broker::number,
    lab::{Lab, pass, processes, shell, until},
    runner::{Impossible, Outcome, Scenario},
};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "stop-signals",
        fault: "SIGTERM, SIGINT or SIGHUP while a face is published",
        promise: "exit code 0; state `none`, camera `disabled`, availability `stopped`",
        run: stop_signals,
    },
    Scenario {
        name: "stop-while-loading",
        fault: "SIGTERM while the models are loaded",
        promise: "exit code 0 at once",
        run: stop_while_loading,
    },
    Scenario {
        name: "stop-with-hanging-camera",
        fault: "SIGTERM while the camera program is silent and ignores signals",
        promise: "exit code 0 at once; nothing of the program is left",
        run: stop_with_hanging_camera,
    },
    Scenario {
        name: "killed-daemon",
        fault: "SIGKILL while a camera program and what it started hang and ignore signals",
        promise: "`offline`; nothing of the program is left",
        run: killed_daemon,
    },
    Scenario {
        name: "paused",
        fault: "SIGSTOP for 8 s, in which the face leaves while old frames wait in the pipe",
        promise: "no state calls an old frame new; the face has left",
        run: paused,
    },
    Scenario {
        name: "core-dump",
        fault: "SIGABRT, as the watchdog sends it, where core dumps are unlimited",
        promise: "no core dump, neither of the daemon nor of its camera program",
        run: core_dump,
    },
];

fn stop_signals(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let mut slowest = 0.0_f32;
    for signal in ["TERM", "INT", "HUP"] {
        let mark = broker.messages.mark();
        let mut daemon = lab.daemon().broker(broker.port).start();
        broker.messages.wait_for_category(mark, "happiness");
        let mark = broker.messages.mark();
        slowest = slowest.max(daemon.stop(signal));
        assert!(
            broker
                .messages
                .wait_for_word(mark, "availability", "stopped")
                .retained
        );
        assert_eq!(broker.last("state").field("category"), "none");
        assert_eq!(broker.last("camera").field("status"), "disabled");
    }
    Ok(format!("stopped within {slowest:.1} s"))
}

fn stop_while_loading(lab: &Lab) -> Outcome {
    let mut slowest = 0.0_f32;
    for after in [0.05, 0.15, 0.3] {
        let mut daemon = lab.daemon().start();
        // Its signal handlers are installed once the daemon has replaced the wrapper.
        let status = format!("/proc/{}/task", daemon.id());
        until("it has a second thread", || {
            fs::read_dir(&status).is_ok_and(|threads| threads.count() > 1)
        });
        pass(after);
        let start = Instant::now();
        daemon.signal("TERM");
        let status = daemon.wait();
        slowest = slowest.max(start.elapsed().as_secs_f32());
        assert_eq!(status.code(), Some(0), "{status}");
    }
    Ok(format!("stopped within {slowest:.1} s"))
}

/// A camera program that shows nothing, ignores signals and starts others that do the same. Their command
/// lines contain `word`.
fn hanging(word: &str) -> String {
    format!("trap '' TERM INT HUP; sleep {word} & sleep {word} & echo started; sleep {word}; true")
}

fn stop_with_hanging_camera(lab: &Lab) -> Outcome {
    let word = format!("91{}", std::process::id());
    let script = hanging(&word);
    let mut daemon = lab
        .daemon()
        .camera(&script)
        .set("camera.format=mjpeg")
        .set("camera.start_timeout_s=60")
        .start();
    // The daemon's command line, the shell's, and the three it starts.
    until("the program runs", || processes(&word).len() == 5);
    let seconds = daemon.stop("TERM");
    until("it is gone", || processes(&word).is_empty());
    Ok(format!("stopped in {seconds:.1} s"))
}

fn killed_daemon(lab: &Lab) -> Outcome {
    let word = format!("92{}", std::process::id());
    let script = format!("cat {}; {}", lab.picture("astronaut").display(), hanging(&word));
    let broker = lab.broker();
    let daemon = lab
        .daemon()
        .broker(broker.port)
        .camera(&script)
        .set("camera.format=mjpeg")
        .set("camera.timeout_s=60")
        .start();
    until("the program runs", || processes(&word).len() == 5);
    let mark = broker.messages.mark();
    daemon.signal("KILL");
    let seconds = until("it is gone", || {
        let left = processes(&word);
        // The daemon itself is a zombie until this scenario ends.
        left.iter().all(|id| *id == daemon.id())
    });
    broker.messages.wait_for_word(mark, "availability", "offline");
    Ok(format!("everything is gone after {seconds:.1} s"))
}

fn paused(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let mut daemon = lab.daemon().broker(broker.port).start();
    broker.messages.wait_for_category(0, "happiness");
    daemon.signal("STOP");
    // The program fills the pipe with the face and then waits to write more of it.
    pass(5.0);
    lab.show("wall");
    pass(3.0);
    let mark = broker.messages.mark();
    daemon.signal("CONT");
    let none = broker.messages.wait_for_category(mark, "none");
    broker
        .messages
        .wait_for(mark, "event", "left", |event| event.field("event") == "left");
    pass(3.0);
    let states = broker.messages.received(mark, "state");
    let wrong: Vec<_> = states
        .iter()
        .filter(|state| state.field("category") != "none" && number(&state.field("age")) < 2.0)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(
        states
            .iter()
            .all(|state| state.index <= none.index || state.field("category") == "none"),
        "the face came back: {states:?}"
    );
    let lost = states
        .iter()
        .filter(|state| state.field("category") != "none")
        .count();
    daemon.stop("TERM");
    let word = if lost == 1 { "state" } else { "states" };
    Ok(format!(
        "{lost} {word} with the face and the true age; then `none`"
    ))
}

fn core_dump(lab: &Lab) -> Outcome {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.starts_with(['|', '/']) {
        return Err(Impossible(
            "this machine does not write core dumps into the working folder",
        ));
    }
    let folder = lab.path("dumps");
    fs::create_dir(&folder).unwrap();
    let unlimited = format!("cd {}; ulimit -c unlimited; exec \"$@\"", folder.display());
    let dumps = || fs::read_dir(&folder).unwrap().count();
    // Checks that this machine writes core dumps at all.
    shell(&format!(
        "cd {}; ulimit -c unlimited; sleep 60 & sleep 0.2; kill -s ABRT $!; wait $! || true",
        folder.display()
    ));
    if dumps() == 0 {
        return Err(Impossible("this machine writes no core dumps"));
    }
    shell(&format!("rm {}/*", folder.display()));
    let broker = lab.broker();
    let word = format!("93{}", std::process::id());
    let camera = format!("{}; : {word}", lab.camera());
    let mut daemon = lab
        .daemon()
        .broker(broker.port)
        .camera(&camera)
        .within(&["sh", "-c", &unlimited, "sh"])
        .start();
    let mark = broker.messages.wait_for_category(0, "happiness").index;
    let program: Vec<u32> = processes(&word)
        .into_iter()
        .filter(|id| *id != daemon.id())
        .collect();
    for id in &program {
        shell(&format!("kill -s ABRT {id}"));
    }
    broker.messages.wait_for_camera(mark, "missing");
    daemon.signal("ABRT");
    let status = daemon.wait();
    assert_eq!(status.code(), None, "{status}");
    pass(1.0);
    assert_eq!(dumps(), 0, "{}", shell(&format!("ls -l {}", folder.display())));
    Ok(format!(
        "no dump of the daemon, none of {} camera program",
        program.len()
    ))
}
