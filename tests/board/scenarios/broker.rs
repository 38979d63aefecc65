//! Broker failures.

use std::time::Duration;

use crate::board::Board;

/// The broker is stopped for a minute, during which another person replaces the first.
pub fn away(board: &mut Board) {
    let mark = board.messages.mark();
    let memory = |board: &Board, mark| {
        let health = board.messages.wait_for(mark, "health", "memory", |message| {
            message.field("rss").as_u64() > Some(0)
        });
        health.field("rss").as_u64().unwrap()
    };
    let before = memory(board, mark);
    board.run("systemctl stop mosquitto");
    board.wait(Duration::from_secs(5));
    board.show("grace_hopper");
    board.wait(Duration::from_secs(55));
    let back = board.run("date -u +%Y-%m-%dT%H:%M:%S");
    let mark = board.messages.mark();
    board.run("systemctl start mosquitto");
    let online = board.messages.wait_for_word(mark, "availability", "online");
    let state = board
        .messages
        .wait_for(online.index, "state", "a recent state", |message| {
            message.field("age").as_f64() < Some(1.0)
        });
    assert_eq!(state.field("category"), "neutral", "{}", state.text);
    for event in board.messages.received(mark, "event") {
        let time = event.field("time");
        let late = Duration::from_secs(5);
        let earliest = back.parse::<jiff::civil::DateTime>().unwrap() - late;
        assert!(
            time.as_str().unwrap() >= earliest.to_string().as_str(),
            "{}",
            event.text
        );
    }
    // Resident memory varies slightly; queued messages would take megabytes.
    let after = memory(board, online.index);
    assert!(
        after < before + (4 << 20),
        "memory grew from {before} to {after} bytes"
    );
    let mark = board.messages.mark();
    board.show("astronaut");
    board.messages.wait_for_category(mark, "happiness");
}
