//! What happens to cameras.

use std::time::Duration;

use serde_json::Value;

use crate::board::{Board, WALL};

/// The unit is started with somebody before its camera.
pub fn starts(board: &mut Board) {
    board.plug_in();
    board.show("astronaut");
    let mark = board.messages.mark();
    board.run("systemctl enable --quiet --now --no-block affectd");
    board.see_category(mark, "happiness");
}

/// A camera is plugged in, the unit is started, and two people come before it.
pub fn a_face_is_told(board: &mut Board) {
    board.plug_in();
    let mark = board.messages.mark();
    board.run("systemctl enable --quiet --now --no-block affectd");
    let online = board.see_availability(mark, "online");
    let discovery = board.messages.wait(mark, "discovery", |message| {
        message.topic == "homeassistant/device/kiosk/config"
    });
    let none = board.see_category(mark, "none");
    assert!(
        online.place < discovery.place && discovery.place < none.place,
        "out of order"
    );
    board.see_camera(mark, "ok");

    let mark = board.messages.mark();
    board.show("astronaut");
    // Collins smiles, Hopper does not.
    let state = board.see_category(mark, "happiness");
    assert_eq!(state.field("faces"), 1, "{}", state.text);
    board.see(mark, "event", "appeared", |message| {
        message.field("event") == "appeared"
    });
    board.see(mark, "health", "frames", |message| {
        message.field("fps").as_f64() > Some(0.0)
    });
    let mark = board.messages.mark();
    board.show("grace_hopper");
    board.see_category(mark, "neutral");
    let mark = board.messages.mark();
    board.show(WALL);
    board.see_category(mark, "none");
    board.see(mark, "event", "left", |message| message.field("event") == "left");
    let mark = board.messages.mark();
    board.show("astronaut");
    board.see_category(mark, "happiness");

    for message in board.messages.all() {
        let passing = ["/face/", "/event"]
            .iter()
            .any(|part| message.topic.contains(part));
        assert_eq!(message.retained, !passing, "{}", message.topic);
    }
}

/// Its driver is taken away while it streams.
pub fn unplugged_and_plugged_in(board: &mut Board) {
    let mark = board.messages.mark();
    board.pull_out();
    let missing = board.see_camera(mark, "missing");
    board.see_category(mark, "none");
    assert_eq!(board.retained("state").field("category"), "none");
    assert_ne!(missing.field("reason"), "", "nobody knows why");
    let mark = board.messages.mark();
    board.plug_in();
    board.see_camera(mark, "ok");
    board.see_category(mark, "happiness");
    assert_eq!(
        board.seen(0, "availability").len(),
        1,
        "the daemon itself never went"
    );
}

/// It streams, and drops every frame, for longer than the watchdog waits.
pub fn stalled(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.run("v4l2-ctl -d 0 --set-ctrl percentage_of_dropped_buffers=100");
    board.see_camera(mark, "stalled");
    board.see_category(mark, "none");
    board.wait(Duration::from_secs(12));
    let mark = board.messages.mark();
    board.run("v4l2-ctl -d 0 --set-ctrl percentage_of_dropped_buffers=0");
    board.see_camera(mark, "ok");
    let state = board.see_category(mark, "happiness");
    assert_eq!(state.field("boot"), boot, "it was restarted");
}

/// The same picture again and again, for longer than the watchdog waits.
pub fn frozen(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.wait(Duration::from_secs(12));
    for state in board.seen(mark, "state") {
        assert_eq!(
            (state.field("category"), state.field("boot")),
            ("happiness".into(), boot.clone())
        );
    }
    assert!(board.seen(mark, "availability").is_empty());
}

/// Somebody tries out the camera that was just unplugged and plugged in.
pub fn taken(board: &mut Board) {
    board.run("systemctl stop affectd");
    let mark = board.messages.mark();
    board.run("systemd-run --quiet --collect --unit=other v4l2-ctl -d 0 --stream-mmap=3");
    board.wait(Duration::from_secs(1));
    board.run("systemctl start --no-block affectd");
    let camera = board.see_camera(mark, "unsupported");
    assert!(
        camera.text.contains("another program holds it"),
        "{}",
        camera.text
    );
    let mark = board.messages.mark();
    board.run("systemctl stop other");
    board.see_camera(mark, "ok");
    board.see_category(mark, "happiness");
}

/// The installer asks for a format that this camera has not.
pub fn format_refused(board: &mut Board) {
    let mark = board.messages.mark();
    board.run("sed -i 's/^format = .*/format = \"MJPG\"/' /etc/affectd/affectd.toml; systemctl restart --no-block affectd");
    let camera = board.see_camera(mark, "unsupported");
    for part in ["/dev/camera", "does not offer MJPG"] {
        assert!(camera.text.contains(part), "{part}: {}", camera.text);
    }
    let stopped = board.see(camera.place, "availability", "stopped", |message| {
        message.text == "stopped"
    });
    assert_eq!(board.unit("ExecMainStatus"), "74");
    board.run("sed -i 's/^format = .*/format = \"auto\"/' /etc/affectd/affectd.toml");
    // Without a hand on it: the unit tries again by itself.
    board.see_camera(stopped.place, "ok");
    board.see_category(stopped.place, "happiness");
}

/// The current run's id.
pub fn boot(board: &mut Board) -> Value {
    board.retained("state").field("boot")
}
