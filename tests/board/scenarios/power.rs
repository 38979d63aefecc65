//! What happens to the power.

use super::camera::boot;
use crate::board::Board;

/// It goes without a warning. The board starts again by itself, now with a root that cannot be written.
pub fn cut(board: &mut Board) {
    let before = boot(board);
    // The broker writes its messages down once a second, and the disk is up to five behind: on this board all of it happened long ago.
    board.wait(std::time::Duration::from_secs(2));
    board.run("sync");
    let mark = board.messages.mark();
    board.power_cut();
    board.wire();
    board.plug_in();
    let stale = board.see(mark, "state", "what the broker kept", |message| {
        message.field("boot") == before
    });
    let online = board.see(stale.place, "availability", "online", |message| {
        message.text == "online"
    });
    let none = board.see(stale.place, "state", "none of a new run", |message| {
        message.field("boot") != before && message.field("category") == "none"
    });
    let state = board.see_category(none.place, "happiness");
    assert_eq!(state.field("boot"), none.field("boot"));
    assert!(
        board
            .seen(none.place, "state")
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
