//! Privacy by command, across restarts and outages, against a real broker.

use std::path::PathBuf;

use affectd::{
    config::Mqtt,
    privacy::Input,
    sense::{face::Category, report::Event},
};

use crate::common::{
    broker::{Broker, until},
    publisher::{
        AVAILABILITY, CAMERA, DISCOVERY, Daemon, EVENT, PRIVACY, PRIVACY_COMMANDED, PRIVACY_SET, STATE,
        health, logged, packets, showing,
    },
};

/// How often a daemon has come online at this broker: discovery follows `online` and is published once.
fn connections(broker: &Broker) -> usize {
    let discovery = format!("PUBLISH q1 r1 {DISCOVERY}");
    packets(broker)
        .iter()
        .filter(|packet| **packet == discovery)
        .count()
}

/// Settings for a broker without users.
fn anonymous(broker: &Broker) -> Mqtt {
    Mqtt {
        username: String::new(),
        password_file: PathBuf::new(),
        ..broker.settings()
    }
}

#[test]
fn privacy_is_commanded_and_hostile_payloads_are_not() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::live(&broker.settings());
    daemon.report(Category::Happiness, &[]);
    watcher.wait_for(STATE, &showing(Category::Happiness));

    for hostile in [
        &b""[..],
        b"on",
        b"ON\n",
        b"{\"state\":\"ON\"}",
        b"\xff\xfe\0",
        &vec![b'O'; 1 << 20],
    ] {
        watcher.publish(PRIVACY_SET, hostile, false);
    }
    watcher.publish(PRIVACY_SET, "ON", false);
    watcher.wait_for(PRIVACY, "ON");
    assert_eq!(logged("ignoring 2 bytes on affectd/lobby/privacy/set"), 1);
    assert_eq!(
        logged("ignoring 1048576 bytes on affectd/lobby/privacy/set"),
        0,
        "one line is enough"
    );
    assert!(daemon.is_private());
    daemon.report(
        Category::Happiness,
        &[Event::Appeared {
            track: 7,
            continues: None,
        }],
    );
    until("nothing is shown", || {
        broker.retained_at(STATE).contains(r#""category":"none""#)
    });

    watcher.forget();
    watcher.publish(PRIVACY_SET, "OFF", false);
    watcher.wait_for(PRIVACY, "OFF");
    assert!(!daemon.is_private());
    daemon.report(Category::Happiness, &[]);
    watcher.wait_for(STATE, &showing(Category::Happiness));
    assert!(
        watcher.messages().iter().all(|message| message.topic != EVENT),
        "an event was published in privacy"
    );
    daemon.stop();
}

#[test]
fn a_device_that_is_online_receives_commands() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::start(&broker.settings());
    watcher.wait_for(AVAILABILITY, "online");
    watcher.publish(PRIVACY_SET, "ON", false);
    watcher.wait_for(PRIVACY, "ON");
    daemon.stop();
}

#[test]
fn the_last_command_outlives_a_restart() {
    let broker = Broker::start();
    let daemon = Daemon::live(&broker.settings());
    let watcher = broker.watch();
    watcher.publish(PRIVACY_SET, "ON", false);
    watcher.wait_for(PRIVACY, "ON");
    assert_eq!(
        broker.retained_at(PRIVACY_COMMANDED),
        "ON",
        "recorded before it is answered"
    );
    daemon.stop();

    // A switch in Home Assistant that was OFF before. It must be ignored, and not logged.
    watcher.publish(PRIVACY_SET, "OFF", true);
    until("retained", || broker.retained_at(PRIVACY_SET) == "OFF");
    let daemon = Daemon::start(&broker.settings());
    until("online", || connections(&broker) == 2);
    assert_eq!(daemon.reason(), "privacy was turned on by a command");
    daemon.report(Category::Happiness, &[]);
    assert!(broker.retained_at(STATE).contains(r#""category":"none""#));
    assert_eq!(broker.retained_at(PRIVACY), "ON");
    assert_eq!(logged("ignoring 3 bytes"), 0);

    watcher.publish(PRIVACY_SET, "OFF", true);
    until("the gate is open", || !daemon.is_private());
    until("recorded", || broker.retained_at(PRIVACY_COMMANDED) == "OFF");
    daemon.stop();
    Daemon::live(&broker.settings()).stop();
}

#[test]
fn a_switch_on_the_device_is_not_recorded_as_a_command() {
    let broker = Broker::start();
    let daemon = Daemon::live(&broker.settings());
    daemon.gate.set_switch(Input::On);
    until("privacy is on", || broker.retained_at(PRIVACY) == "ON");
    assert_eq!(broker.retained_at(PRIVACY_COMMANDED), "OFF");
    daemon.stop();
    Daemon::live(&broker.settings()).stop();
}

#[test]
fn nothing_is_sensed_before_the_broker_answers() {
    let mut broker = Broker::start();
    let watcher = broker.watch();
    watcher.publish(PRIVACY_COMMANDED, "ON", true);
    until("retained", || broker.retained_at(PRIVACY_COMMANDED) == "ON");
    drop(watcher);
    broker.end();
    let daemon = Daemon::start(&broker.settings());
    let unreachable = format!("localhost:{} cannot be reached", broker.port);
    until("an attempt", || logged(&unreachable) == 1);
    assert_eq!(daemon.reason(), "the broker has not answered yet");
    broker.run();
    until("online", || connections(&broker) == 1);
    assert_eq!(daemon.reason(), "privacy was turned on by a command");
    daemon.stop();
}

#[test]
fn a_broker_outage_does_not_change_privacy() {
    let mut broker = Broker::start();
    let daemon = Daemon::live(&broker.settings());
    let lost = format!("localhost:{} lost", broker.port);
    broker.end();
    until("the connection is lost", || logged(&lost) == 1);
    assert!(!daemon.is_private());
    broker.run();
    until("online", || connections(&broker) == 2);
    assert!(!daemon.is_private());

    let watcher = broker.watch();
    watcher.publish(PRIVACY_SET, "ON", false);
    watcher.wait_for(PRIVACY, "ON");
    drop(watcher);
    broker.end();
    // The broker comes back without its retained messages.
    std::fs::remove_file(broker.path("mosquitto.db")).unwrap();
    broker.run();
    until("online", || connections(&broker) == 3);
    assert_eq!(daemon.reason(), "privacy was turned on by a command");
    until("recorded again", || broker.retained_at(PRIVACY_COMMANDED) == "ON");
    daemon.stop();
}

#[test]
fn a_refused_subscription_prevents_sensing_and_is_logged() {
    let broker = Broker::without_subscribers();
    let daemon = Daemon::start(&anonymous(&broker));
    let published = |topic: &str| packets(&broker).contains(&format!("PUBLISH q1 r1 {topic}"));
    until("the state is published", || published(STATE) && published(CAMERA));
    let reason = "the broker does not let this device subscribe to affectd/lobby/privacy/set";
    assert_eq!(daemon.reason(), format!("privacy cannot be commanded: {reason}"));
    assert_eq!(logged(&format!("{reason}: nothing is sensed")), 1);
    assert_eq!(logged("subscribe to homeassistant/status"), 1);
    assert!(
        !published(PRIVACY_COMMANDED),
        "an earlier command must not be overwritten"
    );
    daemon.stop();
}

#[test]
fn a_broker_that_returns_no_messages_keeps_the_device_private() {
    let broker = Broker::that_lets_nobody_read();
    let daemon = Daemon::start(&anonymous(&broker));
    until("it gives up waiting", || {
        // The echo does not come. The clock advances, and the health message wakes the publisher.
        daemon.clock.forward(1);
        daemon.publisher.health(&health());
        connections(&broker) == 1
    });
    let reason = "the broker does not return what this device publishes on affectd/lobby/privacy/commanded";
    assert_eq!(daemon.reason(), format!("privacy cannot be commanded: {reason}"));
    assert_eq!(logged(&format!("{reason}: nothing is sensed")), 1);
    daemon.stop();
}

#[test]
fn a_retained_command_can_start_but_not_end_privacy() {
    for retained in ["ON", "OFF"] {
        let mut broker = Broker::start();
        broker.watch().publish(PRIVACY_SET, retained, true);
        until("retained", || broker.retained_at(PRIVACY_SET) == retained);
        let watcher = broker.watch();
        let daemon = Daemon::start(&broker.settings());
        until("online", || connections(&broker) == 1);
        daemon.report(Category::Happiness, &[]);
        if retained == "OFF" {
            watcher.wait_for(STATE, &showing(Category::Happiness));
            watcher.publish(PRIVACY_SET, "ON", false);
        }
        watcher.wait_for(PRIVACY, "ON");
        until("privacy is published", || broker.retained_at(PRIVACY) == "ON");
        let shown = watcher
            .messages()
            .iter()
            .any(|message| message.text().contains(&showing(Category::Happiness)));
        assert_eq!(
            shown,
            retained == "OFF",
            "a retained ON holds before anything is published"
        );
        drop(watcher);

        // The retained command arrives again at the next connection.
        broker.end();
        broker.run();
        until("online again", || connections(&broker) == 2);
        assert_eq!(
            daemon.reason(),
            "privacy was turned on by a command",
            "retained {retained}"
        );
        daemon.stop();
    }
}

/// A bridge or a restored backup may have written it, and it may have been ON.
#[test]
fn an_invalid_record_keeps_the_camera_closed_until_a_command() {
    let broker = Broker::start();
    let watcher = broker.watch();
    watcher.publish(PRIVACY_COMMANDED, "on", true);
    until("retained", || broker.retained_at(PRIVACY_COMMANDED) == "on");
    let daemon = Daemon::start(&broker.settings());
    until("the reason", || {
        daemon.reason().contains("is neither ON nor OFF (\"on\")")
    });
    until("online", || broker.retained_at(AVAILABILITY) == "online");
    assert_eq!(broker.retained_at(PRIVACY_COMMANDED), "on");
    assert!(daemon.reason().contains("is neither ON nor OFF"));
    watcher.publish(PRIVACY_SET, "OFF", false);
    until("recorded", || broker.retained_at(PRIVACY_COMMANDED) == "OFF");
    daemon.stop();
}

#[test]
fn a_command_does_not_overrule_the_switch_on_the_device() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::live(&broker.settings());
    daemon.report(Category::Happiness, &[]);
    watcher.wait_for(STATE, &showing(Category::Happiness));
    daemon.gate.set_switch(Input::On);
    watcher.wait_for(PRIVACY, "ON");
    until("nobody is shown", || {
        broker.retained_at(STATE).contains(r#""category":"none""#)
    });

    watcher.forget();
    watcher.publish(PRIVACY_SET, "OFF", false);
    watcher.wait_for(PRIVACY, "ON");
    assert!(daemon.is_private());
    daemon.gate.set_switch(Input::Off);
    watcher.wait_for(PRIVACY, "OFF");
    assert!(!daemon.is_private());
    daemon.stop();
}
