//! Purging the package.

use crate::board::Board;

/// After the purge, the retained availability is `stopped` and no files of the package remain.
pub fn purged(board: &mut Board) {
    let mark = board.messages.mark();
    board.run("dpkg -P affectd > /dev/null");
    board.messages.wait_for_word(mark, "availability", "stopped");
    assert_eq!(board.retained("availability").text, "stopped");
    assert_eq!(board.retained("state").field("category"), "none");
    let left = board.run("find / -xdev -name '*affectd*' ! -path '/host/*' ! -path '/var/lib/dpkg/*' ! -path '/var/log/*' ! -path '/tmp/*'");
    assert_eq!(
        left, "/etc/systemd/system/affectd.service.d",
        "files remain in addition to the test's own drop-in"
    );
}
