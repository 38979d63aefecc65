//! `affectd forget` against a real broker.

use std::process::Output;

use affectd::sense::face::Category;

use crate::common::{
    broker::{Broker, until},
    daemon::output,
    publisher::{AVAILABILITY, DISCOVERY, Daemon, PRIVACY_SET, STATE},
};

/// Runs `affectd forget` for the broker.
fn forget(broker: &Broker, arguments: &[&str]) -> Output {
    let overrides = broker.overrides();
    let mut all = vec!["forget"];
    for setting in &overrides {
        all.extend(["--set", setting.as_str()]);
    }
    all.extend(arguments);
    output(&all)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The message with which `affectd forget` refuses.
fn refusal(broker: &Broker, arguments: &[&str]) -> String {
    let refused = forget(broker, arguments);
    assert_eq!(refused.status.code(), Some(69));
    text(&refused.stderr)
}

#[test]
fn every_retained_topic_of_the_device_is_removed_and_no_other() {
    let broker = Broker::start();
    let watcher = broker.watch();
    watcher.publish("affectd/lobby2/state", "another device", true);
    watcher.publish("homeassistant/device/lobby2/config", "another device", true);
    let daemon = Daemon::live(&broker.settings());
    daemon.report(Category::Happiness, &[]);
    watcher.publish(PRIVACY_SET, "OFF", true);
    until("the state is out", || {
        broker.retained_at(STATE).contains("happiness")
    });

    let error = refusal(&broker, &["lobby"]);
    assert!(error.contains("lobby is online"), "{error}");
    assert!(broker.retained_at(STATE).contains("happiness"));

    daemon.stop();
    let forgotten = forget(&broker, &["lobby"]);
    assert_eq!(forgotten.status.code(), Some(0), "{}", text(&forgotten.stderr));
    for topic in [AVAILABILITY, STATE, DISCOVERY, PRIVACY_SET] {
        assert!(text(&forgotten.stdout).contains(&format!("removed {topic}\n")));
    }
    let messages = watcher.messages();
    let cleared = messages
        .iter()
        .find(|message| message.payload.is_empty() && message.topic != "test/mark");
    assert_eq!(
        cleared.unwrap().topic,
        DISCOVERY,
        "Home Assistant must not see empty states"
    );
    let left: Vec<String> = broker.retained().into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(
        left,
        ["affectd/lobby2/state", "homeassistant/device/lobby2/config"]
    );

    let again = forget(&broker, &["lobby"]);
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(
        text(&again.stdout),
        "the broker shows this user no retained message of lobby\n"
    );
}

#[test]
fn a_device_that_only_seems_online_can_be_forgotten() {
    let broker = Broker::start();
    broker.watch().publish(AVAILABILITY, "online", true);
    until("it seems online", || broker.retained_at(AVAILABILITY) == "online");
    assert_eq!(forget(&broker, &["lobby"]).status.code(), Some(69));
    assert_eq!(forget(&broker, &["--force", "lobby"]).status.code(), Some(0));
    assert!(broker.retained().is_empty());
}

#[test]
fn missing_write_access_is_reported() {
    let broker = Broker::with_example_access();
    broker.watch().publish(AVAILABILITY, "stopped", true);
    until("there is something", || {
        broker.retained_at(AVAILABILITY) == "stopped"
    });
    let error = refusal(&broker, &["--set", "mqtt.username=homeassistant", "lobby"]);
    assert!(
        error.contains("keeps 1 of 1 messages, affectd/lobby/availability"),
        "{error}"
    );
    let done = forget(&broker, &["--set", "mqtt.username=technician", "lobby"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
}

#[test]
fn a_device_whose_availability_cannot_be_read_may_be_online() {
    let broker = Broker::with_example_access();
    let recorded = "affectd/lobby/privacy/commanded";
    broker.watch().publish(recorded, "ON", true);
    until("the command is recorded", || broker.retained_at(recorded) == "ON");
    let error = refusal(&broker, &["--set", "mqtt.username=lobby", "lobby"]);
    assert!(
        error.contains("but not affectd/lobby/availability, so the device may be online"),
        "{error}"
    );
    assert_eq!(broker.retained_at(recorded), "ON");
}

#[test]
fn without_a_broker_there_is_nothing_to_forget() {
    let refused = output(&["forget", "--set", "mqtt.host="]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(text(&refused.stderr).contains("mqtt.host is empty"));
    let refused = output(&["forget", "a/b"]);
    assert_eq!(refused.status.code(), Some(64));
    let refused = output(&["forget", "--set", "mqtt.host=127.0.0.1", "--set", "mqtt.port=1"]);
    assert_eq!(refused.status.code(), Some(69));
}
