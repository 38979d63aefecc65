//! What happens to the privacy switch.

use crate::board::Board;

/// Somebody does not want to be looked at, and then does not mind.
pub fn switched(board: &mut Board) {
    board.see_light(true);
    let mark = board.messages.mark();
    board.press(true);
    is_private(board, mark, "switch");
    board.see_light(false);
    let mark = board.messages.mark();
    // Nobody is overruled from afar.
    board.run("mosquitto_pub -h 127.0.0.1 -t affectd/kiosk/privacy/set -m OFF");
    board.see(mark, "privacy", "the answer", |message| message.text == "ON");
    let mark = board.messages.mark();
    board.press(false);
    is_watching(board, mark);
}

/// Its chip goes, as a loose cable or a broken driver takes it away.
pub fn unreadable(board: &mut Board) {
    let mark = board.messages.mark();
    board.unwire();
    is_private(board, mark, "cannot be read");
    let mark = board.messages.mark();
    board.wire();
    is_watching(board, mark);
}

fn is_private(board: &mut Board, mark: usize, reason: &str) {
    let on = board.see(mark, "privacy", "ON", |message| message.text == "ON");
    assert!(on.retained);
    let camera = board.see_camera(mark, "disabled");
    assert!(camera.text.contains(reason), "{}", camera.text);
    let none = board.see_category(mark, "none");
    assert_eq!(board.retained("state").field("category"), "none");
    let after = board.seen(none.place, "state");
    assert!(
        after.iter().all(|state| state.field("faces").is_null()),
        "somebody was looked at"
    );
}

fn is_watching(board: &mut Board, mark: usize) {
    board.see(mark, "privacy", "OFF", |message| message.text == "OFF");
    board.see_camera(mark, "ok");
    board.see_category(mark, "happiness");
    board.see_light(true);
}
