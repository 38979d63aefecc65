//! The privacy switch.

use crate::board::Board;

/// The switch is turned on and then off.
pub fn switched(board: &mut Board) {
    board.wait_for_led(true);
    let mark = board.messages.mark();
    board.set_privacy_switch(true);
    is_private(board, mark, "switch");
    board.wait_for_led(false);
    let mark = board.messages.mark();
    // MQTT must not override the switch.
    board.run("mosquitto_pub -h 127.0.0.1 -t affectd/kiosk/privacy/set -m OFF");
    board
        .messages
        .wait_for(mark, "privacy", "the unchanged state", |message| {
            message.text == "ON"
        });
    let mark = board.messages.mark();
    board.set_privacy_switch(false);
    is_watching(board, mark);
}

/// The switch's GPIO chip disappears, as with a loose cable or a failed driver.
pub fn unreadable(board: &mut Board) {
    let mark = board.messages.mark();
    board.remove_gpio();
    is_private(board, mark, "cannot be read");
    let mark = board.messages.mark();
    board.add_gpio();
    is_watching(board, mark);
}

fn is_private(board: &mut Board, mark: usize, reason: &str) {
    let on = board
        .messages
        .wait_for(mark, "privacy", "ON", |message| message.text == "ON");
    assert!(on.retained);
    let camera = board.messages.wait_for_camera(mark, "disabled");
    assert!(camera.text.contains(reason), "{}", camera.text);
    let none = board.messages.wait_for_category(mark, "none");
    assert_eq!(board.retained("state").field("category"), "none");
    let after = board.messages.received(none.index, "state");
    assert!(
        after.iter().all(|state| state.field("faces").is_null()),
        "a face was sensed while private"
    );
}

fn is_watching(board: &mut Board, mark: usize) {
    board
        .messages
        .wait_for(mark, "privacy", "OFF", |message| message.text == "OFF");
    board.messages.wait_for_camera(mark, "ok");
    board.messages.wait_for_category(mark, "happiness");
    board.wait_for_led(true);
}
