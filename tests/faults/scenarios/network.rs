//! The link to the broker breaks silently or is slow.

use std::process::Child;

use crate::{
    broker::{Broker, number},
    daemon::Daemon,
    lab::{Lab, pass, until},
    link::{self, Link},
    runner::{Outcome, Scenario},
};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "half-open",
        fault: "packets vanish for 70 s in the middle of a connection",
        promise: "both sides notice: the daemon logs it, the broker publishes `offline`; then current states",
        run: half_open,
    },
    Scenario {
        name: "vanishing-at-start",
        fault: "packets vanish before the first connection",
        promise: "waited for; a stop is obeyed at once",
        run: vanishing_at_start,
    },
    Scenario {
        name: "slow-link",
        fault: "a link of 8 kbit/s for 40 s",
        promise: "the newest state goes first; memory does not grow; current states when the link is fast again",
        run: slow_link,
    },
];

/// A broker and a daemon at the two ends of a link, and a subscriber at the broker's end.
struct Ends {
    link: Link,
    broker: Broker,
    subscriber: Child,
    daemon: Daemon,
}

impl Ends {
    fn start(lab: &Lab, link: Link) -> Self {
        let broker = Broker::without_subscriber(lab, "allow_anonymous true\n", link::BROKER, &link.broker());
        let subscriber = broker.subscribe(lab, link::BROKER);
        let board = link.board();
        let daemon = lab
            .daemon()
            .broker(broker.port)
            .set(format!("mqtt.host={}", link::BROKER))
            .within(&board.iter().map(String::as_str).collect::<Vec<_>>())
            .start();
        Self {
            link,
            broker,
            subscriber,
            daemon,
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.subscriber.kill();
        let _ = self.subscriber.wait();
    }
}

fn is_current(broker: &Broker, mark: usize) -> bool {
    broker
        .messages
        .received(mark, "state")
        .iter()
        .any(|state| number(&state.field("age")) < 2.0 && state.field("category") == "happiness")
}

fn half_open(lab: &Lab) -> Outcome {
    let mut ends = Ends::start(lab, Link::new(1)?);
    let broker = &ends.broker;
    broker.messages.wait_for_category(0, "happiness");
    let mark = broker.messages.mark();
    ends.link.cut();
    let start = std::time::Instant::now();
    let noticed = ends.daemon.wait_for_log("lost");
    broker.messages.wait_for_word(mark, "availability", "offline");
    let told = start.elapsed().as_secs_f32();
    pass((70.0 - told).max(0.0));
    let mark = broker.messages.mark();
    ends.link.mend();
    let back = until("a current state", || is_current(broker, mark));
    broker.messages.wait_for_word(mark, "availability", "online");
    ends.daemon.stop("TERM");
    Ok(format!(
        "noticed by the daemon after {noticed:.0} s, `offline` after {told:.0} s, a current state {back:.0} s after the end"
    ))
}

fn vanishing_at_start(lab: &Lab) -> Outcome {
    let link = Link::new(2)?;
    let broker = Broker::without_subscriber(lab, "allow_anonymous true\n", link::BROKER, &link.broker());
    let subscriber = broker.subscribe(lab, link::BROKER);
    link.cut();
    let board = link.board();
    let daemon = lab
        .daemon()
        .broker(broker.port)
        .set(format!("mqtt.host={}", link::BROKER))
        .within(&board.iter().map(String::as_str).collect::<Vec<_>>())
        .start();
    let mut ends = Ends {
        link,
        broker,
        subscriber,
        daemon,
    };
    ends.daemon.wait_for_log("cannot be reached");
    pass(10.0);
    let mark = ends.broker.messages.mark();
    ends.link.mend();
    let back = until("a current state", || is_current(&ends.broker, mark));
    ends.link.cut();
    let stopped = ends.daemon.stop("TERM");
    Ok(format!(
        "a current state {back:.0} s after the end; stopped in {stopped:.1} s while the link was cut"
    ))
}

fn slow_link(lab: &Lab) -> Outcome {
    let mut ends = Ends::start(lab, Link::new(3)?);
    let broker = &ends.broker;
    broker.messages.wait_for_category(0, "happiness");
    let before = ends.daemon.usage();
    ends.link.slow_down(8)?;
    pass(40.0);
    let lateness = lateness(broker);
    ends.link.speed_up();
    let mark = broker.messages.mark();
    let back = until("a current state", || is_current(broker, mark));
    let after = ends.daemon.usage();
    assert!(after.is_like(&before), "{before:?} {after:?}");
    ends.daemon.stop("TERM");
    Ok(format!(
        "states came at most {lateness:.0} s late; {back:.1} s after the end a current one; {} MiB before, {} after",
        before.resident, after.resident
    ))
}

/// The largest delay of a state, in seconds.
fn lateness(broker: &Broker) -> f64 {
    let messages = broker.messages.received(0, "state");
    messages
        .iter()
        .filter_map(|message| message.delay())
        .fold(0.0, f64::max)
}
