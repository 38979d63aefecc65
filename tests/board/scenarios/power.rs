//! Power failures.

use super::camera::boot;
use crate::board::Board;

/// The power is cut without a shutdown. The board boots again, now with a read-only root.
pub fn cut(board: &mut Board) {
    let before = boot(board);
    // The broker saves its messages once a second and the disk is up to five seconds behind. Flush both, as
    // if the last messages were older than that.
    board.wait(std::time::Duration::from_secs(2));
    board.run("sync");
    let mark = board.messages.mark();
    board.power_cut();
    board.add_gpio();
    board.plug_in();
    let stale = board.messages.wait_for(
        mark,
        "state",
        "the retained state of the previous run",
        |message| message.field("boot") == before,
    );
    let online = board
        .messages
        .wait_for(stale.index, "availability", "online", |message| {
            message.text == "online"
        });
    let none = board.messages.wait_for(
        stale.index,
        "state",
        "category none from the new run",
        |message| message.field("boot") != before && message.field("category") == "none",
    );
    let state = board.messages.wait_for_category(none.index, "happiness");
    assert_eq!(state.field("boot"), none.field("boot"));
    assert!(
        board
            .messages
            .received(none.index, "state")
            .iter()
            .all(|message| message.field("boot") != before)
    );
    assert!(online.retained);
    assert_eq!(board.retained("availability").text, "online");
    assert_eq!(board.retained("state").field("category"), "happiness");
    let mounted = board.run("findmnt --noheadings --output OPTIONS / | tr , '\\n' | head -n 1; ! touch /etc/affectd/written 2> /dev/null");
    assert_eq!(mounted, "ro");
    assert_eq!(
        board.run("systemctl list-units --failed --plain --no-legend --no-pager"),
        ""
    );
}
