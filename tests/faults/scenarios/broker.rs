//! The broker is down, frozen or hostile, or refuses the connection.

use crate::{
    broker::{BASE, number},
    daemon::Daemon,
    fake_broker::{CONNACK, FakeBroker, Habit},
    lab::{Lab, pass, shell, until},
    runner::{Outcome, Scenario},
};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "killed",
        fault: "the broker is killed and comes back after 20 s",
        promise: "the newest state follows, no outdated messages; memory does not grow, few log lines",
        run: killed,
    },
    Scenario {
        name: "frozen",
        fault: "the broker is stopped (SIGSTOP) for 45 s",
        promise: "the connection is given up and made again; `online` is what stays",
        run: frozen,
    },
    Scenario {
        name: "credentials",
        fault: "the broker refuses the password",
        promise: "exit code 69 with the broker's reason",
        run: credentials,
    },
    Scenario {
        name: "unavailable",
        fault: "the broker answers that it is unavailable",
        promise: "waited for; a stop is obeyed at once",
        run: unavailable,
    },
    Scenario {
        name: "hostile-broker",
        fault: "something other than a broker answers: seven kinds",
        promise: "memory and log stay small, a stop is obeyed at once",
        run: hostile_broker,
    },
    Scenario {
        name: "hostile-messages",
        fault: "10,000 privacy commands, 10,000 starts of Home Assistant, invalid payloads, and 20 messages of a \
                megabyte",
        promise: "few log lines, few messages back; memory does not grow; the last command counts",
        run: hostile_messages,
    },
    Scenario {
        name: "one-name",
        fault: "two daemons have one name",
        promise: "the log says so and names the setting",
        run: one_name,
    },
    Scenario {
        name: "silent-name-server",
        fault: "the name server does not answer",
        promise: "waited for; few log lines, a stop is obeyed at once",
        run: silent_name_server,
    },
];

fn killed(lab: &Lab) -> Outcome {
    let mut broker = lab.broker();
    let mut daemon = lab.daemon().broker(broker.port).start();
    broker.messages.wait_for_category(0, "happiness");
    let before = daemon.usage();
    broker.kill();
    pass(20.0);
    let mark = broker.messages.mark();
    broker.run();
    let seconds = until("a state", || !broker.messages.received(mark, "state").is_empty());
    let state = broker.messages.wait_for_category(mark, "happiness");
    assert!(number(&state.field("age")) < 2.0, "{}", state.text);
    broker.messages.wait_for_word(mark, "availability", "online");
    pass(3.0);
    // A busy machine may lose the face just before the broker returns: an event of less than five seconds is
    // not late.
    let events = broker.messages.received(mark, "event").into_iter();
    let late: Vec<_> = events
        .filter(|event| event.delay().is_none_or(|delay| delay > 5.0))
        .collect();
    assert!(late.is_empty(), "events of the outage: {late:?}");
    let after = daemon.usage();
    assert!(after.is_like(&before), "{before:?} {after:?}");
    let lines = daemon.log().lines().count();
    assert!(lines <= 12, "{lines} lines");
    daemon.stop("TERM");
    Ok(format!(
        "a state {seconds:.0} s after the broker's return; {} MiB before, {} after; {lines} log lines",
        before.resident, after.resident
    ))
}

fn frozen(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let mut daemon = lab.daemon().broker(broker.port).start();
    broker.messages.wait_for_category(0, "happiness");
    broker.signal("STOP");
    daemon.wait_for_log("lost");
    pass(15.0);
    let mark = broker.messages.mark();
    broker.signal("CONT");
    let seconds = until("a current state", || {
        broker
            .messages
            .received(mark, "state")
            .iter()
            .any(|state| number(&state.field("age")) < 2.0 && state.field("category") == "happiness")
    });
    // Wills of abandoned connections arrive within this time.
    pass(10.0);
    assert_eq!(broker.last("availability").text, "online");
    daemon.stop("TERM");
    Ok(format!("a current state {seconds:.1} s after the broker resumed"))
}

fn credentials(lab: &Lab) -> Outcome {
    let users = lab.path("users");
    shell(&format!(
        "mosquitto_passwd -b -c {} affectd right 2> {}",
        users.display(),
        lab.path("passwd.log").display()
    ));
    let config = format!("allow_anonymous false\npassword_file {}\n", users.display());
    let broker = crate::broker::Broker::without_subscriber(lab, &config, "127.0.0.1", &[]);
    let password = lab.write("password", "wrong\n");
    let mut daemon = lab
        .daemon()
        .broker(broker.port)
        .set("mqtt.username=affectd")
        .set(format!("mqtt.password_file={}", password.display()))
        .start();
    let status = daemon.wait();
    let log = daemon.log();
    assert_eq!(status.code(), Some(69), "{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(
        last.contains("refuses the credentials") && !log.contains("wrong\""),
        "{last}"
    );
    Ok("exit code 69".into())
}

fn unavailable(lab: &Lab) -> Outcome {
    // Server unavailable (MQTT 3.1.1, table 3.1).
    let broker = FakeBroker::start(Habit::Saying(&[0x20, 2, 0, 3]));
    let mut daemon = lab.daemon().broker(broker.port).start();
    until("two attempts", || broker.connections() >= 2);
    let seconds = daemon.stop("TERM");
    Ok(format!(
        "{} attempts, stopped in {seconds:.1} s",
        broker.connections()
    ))
}

fn hostile_broker(lab: &Lab) -> Outcome {
    const HABITS: [(&str, Habit); 7] = [
        ("silent", Habit::Silent),
        ("closing", Habit::Closing),
        ("http", Habit::Saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        ("random bytes", Habit::Repeating(&[0xFF, 0x00, 0x13, 0x37])),
        ("connacks", Habit::Repeating(CONNACK)),
        // A packet of 256 MiB.
        (
            "huge",
            Habit::Saying(&[0x20, 2, 0, 0, 0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1]),
        ),
        ("dripping", Habit::Dripping),
    ];
    let mut running: Vec<(&str, FakeBroker, Daemon)> = HABITS
        .map(|(name, habit)| {
            let broker = FakeBroker::start(habit);
            let daemon = lab.daemon().called(name).broker(broker.port).start();
            (name, broker, daemon)
        })
        .into();
    for (name, broker, _) in &running {
        until(&format!("{name} is connected to"), || broker.connections() > 0);
    }
    pass(20.0);
    let (mut most, mut longest, mut slowest) = (0, 0, 0.0_f32);
    for (name, _, daemon) in &mut running {
        assert!(daemon.is_running(), "{name}");
        most = most.max(daemon.peak());
        slowest = slowest.max(daemon.stop("TERM"));
        let lines = daemon.log().lines().count();
        longest = longest.max(lines);
        assert!(lines <= 25, "{name}: {lines} lines");
    }
    assert!(most < 100, "{most} MiB");
    Ok(format!(
        "at most {most} MiB and {longest} log lines, stopped within {slowest:.1} s"
    ))
}

fn hostile_messages(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let mut daemon = lab.daemon().broker(broker.port).start();
    broker.messages.wait_for_category(0, "happiness");
    let before = daemon.usage();
    let flood = |topic: &str, line: &str| {
        shell(&format!(
            "i=0; while [ $i -lt 5000 ]; do printf '{line}'; i=$((i + 1)); done |
                mosquitto_pub -h 127.0.0.1 -p {} -q 0 -l -t {topic}",
            broker.port
        ));
    };
    flood(&format!("{BASE}/privacy/set"), r"ON\nOFF\n");
    flood("homeassistant/status", r"online\noffline\n");
    flood(&format!("{BASE}/privacy/set"), r"\001\002junk\nperhaps\n");
    let large = lab.write("large", vec![b'x'; 1 << 20]);
    for _ in 0..20 {
        broker.publish(
            &format!("{BASE}/privacy/set"),
            false,
            &format!("-f {}", large.display()),
        );
    }
    broker.publish(&format!("{BASE}/privacy/set"), false, "-m ON");
    until("the last command counts", || broker.last("privacy").text == "ON");
    pass(2.0);
    assert_eq!(broker.last("privacy").text, "ON");
    assert_eq!(broker.last("state").field("category"), "none");
    let mark = broker.messages.mark();
    broker.publish(&format!("{BASE}/privacy/set"), false, "-m OFF");
    broker.messages.wait_for_category(mark, "happiness");
    let after = daemon.usage();
    let back: usize = ["state", "camera", "privacy", "privacy/commanded", "scene"]
        .map(|topic| broker.messages.received(0, topic).len())
        .iter()
        .sum();
    let lines = daemon.log().lines().count();
    assert!(lines <= 40, "{lines} log lines");
    assert!(back <= 2000, "{back} messages");
    assert!(after.is_like(&before), "{before:?} {after:?}");
    daemon.stop("TERM");
    Ok(format!(
        "{lines} log lines, {back} messages back; {} MiB before, {} after",
        before.resident, after.resident
    ))
}

fn one_name(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    let daemons = ["first", "second"].map(|name| lab.daemon().called(name).broker(broker.port).start());
    let seconds = until("the setting is named", || {
        daemons
            .iter()
            .any(|daemon| daemon.log().contains("its own name with the setting `device`"))
    });
    Ok(format!("said after {seconds:.0} s"))
}

fn silent_name_server(lab: &Lab) -> Outcome {
    let server = std::net::UdpSocket::bind("127.0.0.9:53");
    let Ok(_server) = server else {
        return Err(crate::runner::Impossible("port 53 of 127.0.0.9 is in use"));
    };
    let resolver = lab.write("resolv.conf", "nameserver 127.0.0.9\n");
    let bind = format!(
        "mount --bind {} /etc/resolv.conf; exec \"$@\"",
        resolver.display()
    );
    let mut daemon = lab
        .daemon()
        .set("mqtt.host=broker.example")
        .within(&["unshare", "--mount", "sh", "-ec", &bind, "sh"])
        .start();
    daemon.wait_for_log("cannot be reached");
    pass(5.0);
    let lines = daemon.log().lines().count();
    assert!(lines <= 10, "{lines} lines");
    let seconds = daemon.stop("TERM");
    Ok(format!("{lines} log lines, stopped in {seconds:.1} s"))
}
