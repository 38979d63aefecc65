//! The wall clock jumps.

use crate::{
    broker::number,
    certificates::Authority,
    daemon::Setup,
    lab::{Lab, pass, until},
    runner::{Impossible, Outcome, Scenario},
};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "jumps",
        fault: "the clock jumps ten years ahead, a day back and 40 years back while faces are published",
        promise: "ages and numbers go on; the time of messages follows",
        run: jumps,
    },
    Scenario {
        name: "wrong-at-start",
        fault: "the clock is 30 years behind at the start, as without a battery, and then set",
        promise: "the log asks for the clock; connected once it is right",
        run: wrong_at_start,
    },
];

/// Preloads the library of faketime(1), which shifts only the wall clock, by the offset in a file.
fn with_clock<'a>(lab: &Lab, setup: Setup<'a>) -> Result<Setup<'a>, Impossible> {
    let library = [
        "/usr/lib/x86_64-linux-gnu/faketime",
        "/usr/lib/aarch64-linux-gnu/faketime",
    ]
    .map(|folder| std::path::Path::new(folder).join("libfaketimeMT.so.1"))
    .into_iter()
    .find(|path| path.exists())
    .ok_or(Impossible("libfaketime is not installed"))?;
    Ok(setup
        .env("LD_PRELOAD", library.display().to_string())
        .env(
            "FAKETIME_TIMESTAMP_FILE",
            lab.path("offset").display().to_string(),
        )
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_CACHE_DURATION", "1"))
}

fn set_clock(lab: &Lab, offset: &str) {
    lab.write("offset", format!("{offset}\n"));
}

fn jumps(lab: &Lab) -> Outcome {
    let broker = lab.broker();
    set_clock(lab, "+0");
    let mut daemon = with_clock(lab, lab.daemon().broker(broker.port))?.start();
    broker.messages.wait_for_category(0, "happiness");
    for (offset, years) in [("+10y", 10), ("-1d", 0), ("-40y", -40)] {
        let mark = broker.messages.mark();
        set_clock(lab, offset);
        let year = i64::from(jiff::Zoned::now().year()) + years;
        let earlier = year - 1;
        broker
            .messages
            .wait_for(mark, "state", "the other time", |state| {
                let time = state.field("time");
                let time = time.as_str().unwrap_or_default();
                time.starts_with(&year.to_string()) || time.starts_with(&earlier.to_string())
            });
        pass(4.0);
    }
    let states = broker.messages.received(0, "state");
    let seqs: Vec<f64> = states.iter().map(|state| number(&state.field("seq"))).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1.0), "{seqs:?}");
    let with_face = states
        .iter()
        .filter(|state| state.field("category") == "happiness");
    let oldest = with_face
        .map(|state| number(&state.field("age")))
        .fold(0.0, f64::max);
    assert!(oldest < 3.0, "{oldest} s");
    let gone = broker
        .messages
        .received(0, "event")
        .iter()
        .any(|event| event.field("event") == "left");
    assert!(!gone, "the face was lost");
    daemon.stop("TERM");
    Ok(format!(
        "{} states without a gap, ages up to {oldest:.1} s",
        seqs.len()
    ))
}

fn wrong_at_start(lab: &Lab) -> Outcome {
    let authority = Authority::new(lab);
    let now = jiff::Zoned::now();
    let year = i32::from(now.year());
    authority.issue(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
        params.not_after = rcgen::date_time_ymd(year + 2, 1, 1);
    });
    let broker = authority.broker("");
    set_clock(lab, "-30y");
    let setup = lab
        .daemon()
        .set("mqtt.host=localhost")
        .set(format!("mqtt.port={}", broker.port))
        .set("mqtt.tls=true")
        .set(format!("mqtt.ca_file={}", authority.file().display()));
    let mut daemon = with_clock(lab, setup)?.start();
    daemon.wait_for_log("clock");
    pass(8.0);
    let lines = daemon.log().lines().count();
    set_clock(lab, "+0");
    let seconds = until("it is connected", || daemon.log().contains("connected"));
    assert!(lines <= 10, "{lines} lines");
    daemon.stop("TERM");
    Ok(format!(
        "connected {seconds:.0} s after the clock was set; {lines} log lines before"
    ))
}
