//! Commands and their answers, and the access rules of the package's examples, against a real broker.

use affectd::{
    config::Mqtt,
    sense::{face::Category, report::Event},
};
use serde_json::Value;

use crate::common::{
    broker::{Broker, Watcher, until},
    publisher::{
        AVAILABILITY, CAMERA, COMMAND, DISCOVERY, Daemon, EVENT, HEALTH, PRIVACY, PRIVACY_COMMANDED,
        PRIVACY_SET, RESULT, SCENE, STATE, VISITS, health, logged, showing,
    },
};

/// Sends a command and returns its answer.
fn command(watcher: &Watcher, payload: impl Into<Vec<u8>>) -> Value {
    watcher.forget();
    watcher.publish(COMMAND, payload, false);
    watcher.wait_for(RESULT, "\"ok\"");
    let messages = watcher.messages();
    let answer = messages.iter().find(|message| message.topic == RESULT).unwrap();
    assert!(!answer.retain);
    serde_json::from_str(&answer.text()).unwrap()
}

#[test]
fn every_command_is_answered() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::live(&broker.settings());
    daemon.publisher.health(&health());
    watcher.wait_for(HEALTH, "\"rate\":20.0");

    let answer = command(&watcher, r#"{"id": "a", "command": "rate", "value": 2.5}"#);
    assert_eq!(
        (&answer["id"], &answer["ok"], &answer["error"]),
        (&"a".into(), &true.into(), &Value::Null)
    );
    assert!(daemon.requests.take_health());
    daemon.publisher.health(&health());
    watcher.wait_for(HEALTH, "\"rate\":2.5");
    let answer = command(&watcher, r#"{"id": 1, "command": "identify"}"#);
    assert_eq!(
        (&answer["id"], &answer["command"]),
        (&1.into(), &"identify".into())
    );
    assert!(daemon.requests.take_identify());
    command(&watcher, r#"{"command": "health"}"#);
    assert!(daemon.requests.take_health());
    command(&watcher, r#"{"command": "restart"}"#);
    assert!(daemon.requests.take_restart());
    daemon.stop();
}

#[test]
fn hostile_commands_are_answered_and_logged_once() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::live(&broker.settings());
    daemon.report(Category::Happiness, &[]);
    watcher.wait_for(STATE, &showing(Category::Happiness));
    for _ in 0..3 {
        let answer = command(&watcher, b"\xff\xfe{".to_vec());
        assert_eq!(answer["ok"], false);
        assert!(
            answer["error"]
                .as_str()
                .unwrap()
                .contains("allowed: a JSON object")
        );
        // Stays below the number of commands that the daemon accepts in a second.
        std::thread::sleep(std::time::Duration::from_millis(400));
    }
    let answer = command(&watcher, vec![b' '; 8192]);
    assert_eq!(answer["error"], "found 8192 bytes; allowed: up to 4096");
    assert_eq!(logged("a command over MQTT was refused: found invalid JSON"), 1);

    // A retained command may be old. The daemon receives it as retained after the next connection.
    daemon.stop();
    watcher.publish(COMMAND, r#"{"command": "restart"}"#, true);
    until("the broker retains it", || {
        !broker.retained_at(COMMAND).is_empty()
    });
    let daemon = Daemon::live(&broker.settings());
    until("the retained one has arrived", || {
        logged("a retained command is ignored") == 1
    });
    assert!(!daemon.requests.take_restart());
    daemon.stop();
}

#[test]
fn a_flood_of_commands_neither_blocks_results_nor_is_answered() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::live(&broker.settings());
    for _ in 0..500 {
        watcher.publish(COMMAND, r#"{"command": "health"}"#, false);
    }
    watcher.wait_for(RESULT, "more than 5 commands in a second");
    daemon.report(Category::Surprise, &[]);
    watcher.wait_for(STATE, &showing(Category::Surprise));
    let answers = watcher.messages();
    let answers = answers.iter().filter(|message| message.topic == RESULT).count();
    assert!(answers <= 60, "{answers} answers");
    daemon.stop();
}

#[test]
fn the_example_access_rules_let_a_board_do_what_it_needs_and_no_more() {
    let broker = Broker::with_example_access();
    let everything = broker.watch();
    let daemon = Daemon::live(&Mqtt {
        username: "lobby".into(),
        ..broker.settings()
    });
    let event = Event::Appeared {
        track: 7,
        continues: None,
    };
    daemon.report(Category::Happiness, &[event]);
    daemon.publisher.health(&health());
    for topic in [
        AVAILABILITY,
        DISCOVERY,
        STATE,
        SCENE,
        VISITS,
        CAMERA,
        PRIVACY,
        PRIVACY_COMMANDED,
        EVENT,
        HEALTH,
        "affectd/lobby/face/7",
    ] {
        everything.wait_for(topic, "");
    }

    let home_assistant = broker.watch_as("homeassistant");
    home_assistant.wait_for(STATE, &showing(Category::Happiness));
    command(&home_assistant, r#"{"command": "health"}"#);
    home_assistant.publish(PRIVACY_SET, "ON", false);
    home_assistant.wait_for(PRIVACY, "ON");
    assert!(daemon.is_private());
    everything.forget();
    home_assistant.publish("homeassistant/status", "online", false);
    everything.wait_for(DISCOVERY, "cmps");

    // An attacker who has stolen a board's password.
    let board = broker.watch_as("lobby");
    everything.publish("affectd/kitchen/state", "secret", true);
    for topic in [
        "affectd/kitchen/state",
        "affectd/kitchen/command",
        "homeassistant/device/kitchen/config",
        PRIVACY_SET,
        COMMAND,
    ] {
        board.publish(topic, "forged", true);
    }
    // Messages arrive in order, so once this one has arrived, the others have been refused.
    board.publish(RESULT, "the last", false);
    everything.wait_for(RESULT, "the last");
    let forged = everything.messages();
    assert!(
        forged.iter().all(|message| message.text() != "forged"),
        "{forged:?}"
    );
    let seen = board.messages();
    assert!(seen.iter().all(|message| message.text() != "secret"), "{seen:?}");
    daemon.stop();
}
