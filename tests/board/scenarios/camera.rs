//! Camera failures.

use std::time::Duration;

use serde_json::Value;

use crate::board::{Board, NO_FACE};

/// The unit is started while a face is in view.
pub fn starts(board: &mut Board) {
    board.plug_in();
    board.show("astronaut");
    let mark = board.messages.mark();
    board.run("systemctl enable --quiet --now --no-block affectd");
    board.messages.wait_for_category(mark, "happiness");
}

/// A camera is plugged in, the unit is started, and two people appear one after the other.
pub fn face_is_published(board: &mut Board) {
    board.plug_in();
    let mark = board.messages.mark();
    board.run("systemctl enable --quiet --now --no-block affectd");
    let online = board.messages.wait_for_word(mark, "availability", "online");
    let discovery = board.messages.wait(mark, "discovery", |message| {
        message.topic == "homeassistant/device/kiosk/config"
    });
    let none = board.messages.wait_for_category(mark, "none");
    assert!(
        online.index < discovery.index && discovery.index < none.index,
        "published out of order"
    );
    board.messages.wait_for_camera(mark, "ok");

    let mark = board.messages.mark();
    board.show("astronaut");
    // Collins smiles, Hopper does not.
    let state = board.messages.wait_for_category(mark, "happiness");
    assert_eq!(state.field("faces"), 1, "{}", state.text);
    board.messages.wait_for(mark, "event", "appeared", |message| {
        message.field("event") == "appeared"
    });
    board.messages.wait_for(mark, "health", "frames", |message| {
        message.field("fps").as_f64() > Some(0.0)
    });
    let mark = board.messages.mark();
    board.show("grace_hopper");
    board.messages.wait_for_category(mark, "neutral");
    let mark = board.messages.mark();
    board.show(NO_FACE);
    board.messages.wait_for_category(mark, "none");
    board
        .messages
        .wait_for(mark, "event", "left", |message| message.field("event") == "left");
    let mark = board.messages.mark();
    board.show("astronaut");
    board.messages.wait_for_category(mark, "happiness");

    for message in board.messages.all() {
        // The daemon's question for the recorded command is its boot id.
        let is_question =
            message.topic.ends_with("/privacy/commanded") && !["ON", "OFF"].contains(&&*message.text);
        let passing = is_question
            || ["/face/", "/event"]
                .iter()
                .any(|part| message.topic.contains(part));
        assert_eq!(message.retained, !passing, "{}", message.topic);
    }
}

/// The driver is unbound while the camera is streaming.
pub fn unplugged_and_plugged_in(board: &mut Board) {
    let mark = board.messages.mark();
    board.pull_out();
    let missing = board.messages.wait_for_camera(mark, "missing");
    board.messages.wait_for_category(mark, "none");
    assert_eq!(board.retained("state").field("category"), "none");
    assert_ne!(missing.field("reason"), "", "the status has no reason");
    let mark = board.messages.mark();
    board.plug_in();
    board.messages.wait_for_camera(mark, "ok");
    board.messages.wait_for_category(mark, "happiness");
    assert_eq!(
        board.messages.received(0, "availability").len(),
        1,
        "the daemon was restarted"
    );
}

/// The camera streams but drops every frame, for longer than the watchdog timeout.
pub fn stalled(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.run("v4l2-ctl -d 0 --set-ctrl percentage_of_dropped_buffers=100");
    board.messages.wait_for_camera(mark, "stalled");
    board.messages.wait_for_category(mark, "none");
    board.wait(Duration::from_secs(12));
    let mark = board.messages.mark();
    board.run("v4l2-ctl -d 0 --set-ctrl percentage_of_dropped_buffers=0");
    board.messages.wait_for_camera(mark, "ok");
    let state = board.messages.wait_for_category(mark, "happiness");
    assert_eq!(state.field("boot"), boot, "the daemon was restarted");
}

/// The camera repeats one picture for longer than the watchdog timeout.
pub fn frozen(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.wait(Duration::from_secs(12));
    for state in board.messages.received(mark, "state") {
        assert_eq!(
            (state.field("category"), state.field("boot")),
            ("happiness".into(), boot.clone())
        );
    }
    assert!(board.messages.received(mark, "availability").is_empty());
}

/// Another program is using the camera when the daemon starts.
pub fn taken(board: &mut Board) {
    board.run("systemctl stop affectd");
    let mark = board.messages.mark();
    board.run("systemd-run --quiet --collect --unit=other v4l2-ctl -d 0 --stream-mmap=3");
    board.wait(Duration::from_secs(1));
    board.run("systemctl start --no-block affectd");
    let camera = board.messages.wait_for_camera(mark, "unsupported");
    assert!(camera.text.contains("another program uses it"), "{}", camera.text);
    let mark = board.messages.mark();
    board.run("systemctl stop other");
    board.messages.wait_for_camera(mark, "ok");
    board.messages.wait_for_category(mark, "happiness");
}

/// The configuration requests a format that the camera does not offer.
pub fn format_refused(board: &mut Board) {
    let mark = board.messages.mark();
    board.run("sed -i 's/^format = .*/format = \"MJPG\"/' /etc/affectd/affectd.toml; systemctl restart --no-block affectd");
    let camera = board.messages.wait_for_camera(mark, "unsupported");
    for part in ["/dev/camera", "does not offer MJPG"] {
        assert!(camera.text.contains(part), "{part}: {}", camera.text);
    }
    let stopped = board
        .messages
        .wait_for(camera.index, "availability", "stopped", |message| {
            message.text == "stopped"
        });
    assert_eq!(board.unit("ExecMainStatus"), "74");
    board.run("sed -i 's/^format = .*/format = \"auto\"/' /etc/affectd/affectd.toml");
    // systemd restarts the unit without intervention.
    board.messages.wait_for_camera(stopped.index, "ok");
    board.messages.wait_for_category(stopped.index, "happiness");
}

/// Returns the boot id of the current run.
pub fn boot(board: &mut Board) -> Value {
    board.retained("state").field("boot")
}
