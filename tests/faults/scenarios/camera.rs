//! Camera programs that exit, hang, write garbage, or print secrets.

use crate::{
    broker::{BASE, Broker},
    lab::{Lab, pass, processes, shell, until},
    runner::{Outcome, Scenario},
};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "ends",
        fault: "the program ends at once, each time",
        promise: "camera `missing` with its last message; started less and less often; memory does not grow, no \
                  zombies",
        run: ends,
    },
    Scenario {
        name: "hangs",
        fault: "the program hangs within a frame, with a face in view",
        promise: "`left`, state `none`, camera `stalled`; started again",
        run: hangs,
    },
    Scenario {
        name: "slow-start",
        fault: "the program needs 6 s for its first frame",
        promise: "it gets there, and is started once",
        run: slow_start,
    },
    Scenario {
        name: "becomes-undecodable",
        fault: "frames cannot be decoded any more, with a face in view",
        promise: "`left` and state `none` within seconds, camera `unsupported` with the reason",
        run: becomes_undecodable,
    },
    Scenario {
        name: "half-pictures",
        fault: "every picture lacks its lower half but has an end",
        promise: "no face is published, the camera is never `ok`",
        run: half_pictures,
    },
    Scenario {
        name: "talkative",
        fault: "the program floods standard error with its password and escape sequences",
        promise: "frames go on; neither reaches a topic or the log",
        run: talkative,
    },
    Scenario {
        name: "changing-sizes",
        fault: "every frame has another size, from 1x1 to 8192x64",
        promise: "faces are found in between; memory stays bounded",
        run: changing_sizes,
    },
    Scenario {
        name: "endless-frame",
        fault: "a frame does not end; zeros without end; random bytes without end",
        promise: "never `ok`, memory stays bounded, a stop is obeyed at once",
        run: endless_frame,
    },
    Scenario {
        name: "leaves-processes",
        fault: "the program starts others in the background and ends",
        promise: "they end with it; the next start finds the camera free",
        run: leaves_processes,
    },
    Scenario {
        name: "cannot-be-killed",
        fault: "the program runs as another user, whom the daemon may not signal; privacy on, then off",
        promise: "privacy holds at once; the camera's status says what is wrong; no second program is started; the \
                  camera is `ok` again once it has ended",
        run: cannot_be_killed,
    },
];

fn ends(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let starts = lab.path("starts");
    let script = format!(
        "echo x >> {}; echo no cameras available >&2; exit 7",
        starts.display()
    );
    let mut daemon = lab
        .daemon()
        .broker(broker.port)
        .camera(&script)
        .set("camera.format=mjpeg")
        .start();
    let missing = broker.messages.wait_for_camera(0, "missing");
    let reason = missing.field("reason").to_string();
    assert!(
        reason.contains("no cameras available") && reason.contains("exit status: 7"),
        "{reason}"
    );
    let before = daemon.usage();
    pass(30.0);
    let after = daemon.usage();
    let count = std::fs::read_to_string(&starts).unwrap().lines().count();
    assert!(count <= 12, "{count} starts");
    assert!(after.is_like(&before), "{before:?} {after:?}");
    let zombies = shell(&format!("ps -o stat= --ppid {} || true", daemon.id()));
    assert!(
        zombies.lines().filter(|state| state.starts_with('Z')).count() <= 1,
        "{zombies}"
    );
    daemon.stop("TERM");
    Ok(format!(
        "{count} starts in 30 s, {} MiB before and {} after",
        before.resident, after.resident
    ))
}

/// Waits until the face is gone from everything that is published.
fn is_gone(broker: &Broker, mark: usize) {
    broker
        .messages
        .wait_for(mark, "event", "left", |event| event.field("event") == "left");
    broker.messages.wait_for_category(mark, "none");
}

fn hangs(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let picture = lab.picture("astronaut");
    let picture = picture.display();
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do cat {picture}; sleep 0.2; done; head -c 5000 {picture}; sleep 600"
    );
    let mut daemon = lab.daemon().broker(broker.port).camera(&script).start();
    let face = broker.messages.wait_for_category(0, "happiness");
    let stalled = broker.messages.wait_for_camera(face.index, "stalled");
    is_gone(&broker, face.index);
    let again = broker.messages.wait_for_category(stalled.index, "happiness");
    assert!(again.index > stalled.index);
    daemon.stop("TERM");
    Ok(stalled.field("reason").to_string())
}

fn slow_start(lab: &Lab) -> Outcome {
    let starts = lab.path("starts");
    let script = format!("echo x >> {}; sleep 6; {}", starts.display(), lab.camera());
    let mut daemon = lab.daemon().camera(&script).set("camera.format=mjpeg").start();
    let seconds = until("a face", || daemon.output().contains("\"happiness\""));
    let count = std::fs::read_to_string(&starts).unwrap().lines().count();
    assert_eq!(count, 1, "it was started again");
    daemon.stop("TERM");
    Ok(format!("a face {seconds:.0} s after the daemon's start"))
}

fn becomes_undecodable(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let picture = lab.picture("astronaut");
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cat {}; sleep 0.2; done
        while :; do printf '\\377\\330no picture\\377\\331'; sleep 0.2; done",
        picture.display()
    );
    let mut daemon = lab.daemon().broker(broker.port).camera(&script).start();
    let face = broker.messages.wait_for_category(0, "happiness");
    let camera = broker.messages.wait_for_camera(face.index, "unsupported");
    is_gone(&broker, face.index);
    pass(5.0);
    assert_eq!(broker.last("state").field("category"), "none");
    let last = broker.messages.received(0, "camera").pop().unwrap();
    assert_eq!(last.field("status"), "unsupported", "{}", last.text);
    daemon.stop("TERM");
    Ok(camera.field("reason").to_string())
}

fn half_pictures(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let whole = std::fs::read(lab.picture("astronaut")).unwrap();
    let mut half = whole[..whole.len() / 2].to_vec();
    half.extend_from_slice(&[0xFF, 0xD9]);
    let half = lab.write("half.jpg", half);
    let script = format!("while :; do cat {}; sleep 0.2; done", half.display());
    let mut daemon = lab.daemon().broker(broker.port).camera(&script).start();
    let camera = broker.messages.wait_for_camera(0, "unsupported");
    pass(8.0);
    let categories: Vec<_> = broker
        .messages
        .received(0, "state")
        .iter()
        .map(|state| state.field("category"))
        .collect();
    assert!(
        categories.iter().all(|category| category == "none"),
        "{categories:?}"
    );
    let cameras = broker.messages.received(0, "camera");
    assert!(
        cameras.iter().all(|camera| camera.field("status") != "ok"),
        "{cameras:?}"
    );
    daemon.stop("TERM");
    Ok(camera.field("reason").to_string())
}

fn talkative(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let picture = lab.picture("astronaut");
    let script = format!(
        "talk() {{ printf 'cannot open rtsp://admin:gartenzwerg@192.0.2.7/stream\\033[2J\\007: refused\\n' >&2; }}
        n=0; while [ $n -lt 40 ]; do cat {}; i=0; while [ $i -lt 200 ]; do talk; i=$((i + 1)); done; sleep 0.2;
        n=$((n + 1)); done; talk; exit 1",
        picture.display()
    );
    let mut daemon = lab.daemon().broker(broker.port).camera(&script).start();
    broker.messages.wait_for_category(0, "happiness");
    let missing = broker.messages.wait_for_camera(0, "missing");
    daemon.stop("TERM");
    let reason = missing.field("reason").to_string();
    assert!(reason.contains("192.0.2.7"), "{reason}");
    let seen: String = broker
        .messages
        .all()
        .iter()
        .map(|message| message.text.clone())
        .collect();
    for text in [seen, daemon.log()] {
        assert!(!text.contains("gartenzwerg"), "the password");
        assert!(!text.contains(['\u{1b}', '\u{7}']), "a control character");
    }
    Ok(reason)
}

fn changing_sizes(lab: &Lab) -> Outcome {
    let mut files = String::new();
    for (width, height) in [(1, 1), (8192, 64), (64, 8192), (17, 33), (1, 480), (1920, 1080)] {
        let path = lab.path(&format!("{width}x{height}.jpg"));
        image::RgbImage::from_pixel(width, height, image::Rgb([90; 3]))
            .save(&path)
            .unwrap();
        files += &format!(" {} {}", path.display(), lab.picture("astronaut").display());
    }
    let script = format!("while :; do for file in {files}; do cat $file; sleep 0.1; done; done");
    let mut daemon = lab.daemon().camera(&script).set("camera.rate=10").start();
    until("a face", || daemon.output().contains("\"happiness\""));
    pass(8.0);
    let before = daemon.usage();
    pass(8.0);
    let after = daemon.usage();
    assert!(after.is_like(&before), "{before:?} {after:?}");
    daemon.stop("TERM");
    Ok(format!("{} MiB", after.resident))
}

fn endless_frame(lab: &Lab) -> Outcome {
    let mut words = Vec::new();
    for (name, script) in [
        (
            "frame",
            "printf '\\377\\330\\377\\332\\000\\002'; exec cat /dev/zero",
        ),
        ("zeros", "exec cat /dev/zero"),
        ("random", "exec cat /dev/urandom"),
    ] {
        let mut daemon = lab
            .daemon()
            .called(name)
            .camera(script)
            .set("camera.format=mjpeg")
            .set("camera.start_timeout_s=5")
            .start();
        pass(9.0);
        let output = daemon.output();
        assert!(!output.contains("\"status\":\"ok\""), "{name}: {output}");
        let peak = daemon.peak();
        assert!(peak < 256, "{name}: {peak} MiB");
        let seconds = daemon.stop("TERM");
        words.push(format!("{name}: {peak} MiB, stopped in {seconds:.1} s"));
    }
    Ok(words.join("; "))
}

fn leaves_processes(lab: &Lab) -> Outcome {
    let word = format!("94{}", std::process::id());
    let script = format!(
        "trap '' TERM HUP; sleep {word} > /dev/null 2>&1 & cat {}; sleep 1; exit 1",
        lab.picture("astronaut").display()
    );
    let mut daemon = lab.daemon().camera(&script).start();
    // The command lines of the daemon, of one program and of what it started contain the word.
    until("three starts", || daemon.output().matches("missing").count() >= 3);
    let most = processes(&word).len();
    assert!(most <= 3, "{most} processes");
    daemon.stop("TERM");
    until("nothing is left", || processes(&word).is_empty());
    Ok("nothing is left".into())
}

/// Kills every process whose command line contains the word, also if the scenario fails.
struct KillAtEnd<'a>(&'a str);

impl Drop for KillAtEnd<'_> {
    fn drop(&mut self) {
        for id in processes(self.0) {
            shell(&format!("kill -KILL {id} || true"));
        }
    }
}

/// A daemon without privileges, and a program that root's own copy of env(1) gives all of them.
fn cannot_be_killed(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let word = format!("95{}", std::process::id());
    let _kill = KillAtEnd(&word);
    let env = lab.path("env");
    shell(&format!("cp /usr/bin/env {0} && chmod 4755 {0}", env.display()));
    let script = format!("trap '' PIPE; {}", lab.camera());
    let command = serde_json::json!([
        env,
        "setpriv",
        "--reuid=0",
        "--regid=0",
        "--clear-groups",
        "sh",
        "-c",
        script,
        word
    ]);
    let capabilities = "+dac_read_search";
    let mut daemon = lab
        .daemon()
        .broker(broker.port)
        .set("camera.source=pipe")
        .set("camera.format=auto")
        .set(format!("camera.command={command}"))
        .within(&[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            &format!("--inh-caps={capabilities}"),
            &format!("--ambient-caps={capabilities}"),
        ])
        .start();
    let programs = || {
        let daemon = daemon.id();
        let all = processes(&word).into_iter();
        all.filter(|id| *id != daemon).collect::<Vec<_>>()
    };
    let face = broker.messages.wait_for_category(0, "happiness");
    let before = programs();
    let topic = format!("{BASE}/privacy/set");
    broker.publish(&topic, false, "-m ON");
    let gone = broker.messages.wait_for_category(face.index, "none");
    assert_eq!(broker.last("privacy").text, "ON");
    broker.publish(&topic, false, "-m OFF");
    let refused = broker.messages.wait_for_camera(gone.index, "unsupported");
    let reason = refused.field("reason").to_string();
    assert!(reason.contains("was killed and does not end"), "{reason}");
    pass(5.0);
    let during = programs();
    assert_eq!(during, before, "another program was started");
    for id in before {
        shell(&format!("kill -KILL {id} || true"));
    }
    broker.messages.wait_for_category(refused.index, "happiness");
    broker.publish(&topic, false, "-m ON");
    broker.messages.wait_for_word(refused.index, "privacy", "ON");
    daemon.stop("TERM");
    Ok(reason)
}
