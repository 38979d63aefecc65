//! What happens to the broker.

use std::time::Duration;

use crate::board::Board;

/// It is stopped for a minute, and somebody else comes before the camera meanwhile.
pub fn away(board: &mut Board) {
    let mark = board.messages.mark();
    let memory = |board: &Board, mark| {
        let health = board.see(mark, "health", "memory", |message| {
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
    let online = board.see_availability(mark, "online");
    let state = board.see(online.place, "state", "a fresh one", |message| {
        message.field("age").as_f64() < Some(1.0)
    });
    assert_eq!(state.field("category"), "neutral", "{}", state.text);
    for event in board.seen(mark, "event") {
        let time = event.field("time");
        let late = Duration::from_secs(5);
        let earliest = back.parse::<jiff::civil::DateTime>().unwrap() - late;
        assert!(
            time.as_str().unwrap() >= earliest.to_string().as_str(),
            "{}",
            event.text
        );
    }
    // Pages move a little; a queue would hold megabytes.
    let after = memory(board, online.place);
    assert!(after < before + (4 << 20), "{before} bytes became {after}");
    let mark = board.messages.mark();
    board.show("astronaut");
    board.see_category(mark, "happiness");
}
