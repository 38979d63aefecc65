//! The last that happens to the installed package.

use crate::board::Board;

/// It goes, and what a subscriber is told for ever after is that.
pub fn purged(board: &mut Board) {
    let mark = board.messages.mark();
    board.run("dpkg -P affectd > /dev/null");
    board.see_availability(mark, "stopped");
    assert_eq!(board.retained("availability").text, "stopped");
    assert_eq!(board.retained("state").field("category"), "none");
    let left = board.run("find / -xdev -name '*affectd*' ! -path '/host/*' ! -path '/var/lib/dpkg/*' ! -path '/var/log/*' ! -path '/tmp/*'");
    assert_eq!(
        left, "/etc/systemd/system/affectd.service.d",
        "besides what the test itself put there"
    );
}
