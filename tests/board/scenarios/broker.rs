//! What happens to the broker.

use std::time::Duration;

use super::camera::boot;
use crate::board::Board;

/// It is stopped for a while. Somebody else comes before the camera meanwhile, and the same picture of them stands there for longer than
/// the watchdog waits.
pub fn away(board: &mut Board) {
    let run = boot(board);
    let mark = board.messages.mark();
    let memory = |board: &Board, mark| {
        let health = board.see(mark, "health", "memory", |message| {
            message.field("rss").as_u64() > Some(0)
        });
        health.field("rss").as_u64().unwrap()
    };
    let before = memory(board, mark);
    board.run("systemctl stop mosquitto");
    board.wait(Duration::from_secs(3));
    board.show("grace_hopper");
    // The client's fourth attempt comes 15 to 22 s after the first: the broker is back before it.
    board.wait(Duration::from_secs(11));
    let back = board.run("date -u +%Y-%m-%dT%H:%M:%S");
    let mark = board.messages.mark();
    board.run("systemctl start mosquitto");
    let online = board.see_availability(mark, "online");
    let state = board.see(online.place, "state", "a fresh one", |message| {
        message.field("age").as_f64() < Some(1.0)
    });
    assert_eq!(state.field("category"), "neutral", "{}", state.text);
    assert_eq!(state.field("boot"), run, "it was restarted");
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
