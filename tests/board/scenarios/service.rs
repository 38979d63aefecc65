//! What happens to the daemon as a service.

use std::time::Duration;

use serde_json::Value;

use super::camera::boot;
use crate::board::Board;

/// As an installer does it: the package and the one file; for this test also shorter pauses, which systemd reads with the package's unit.
pub fn is_installed(board: &mut Board) {
    board.run(
        "mkdir /etc/systemd/system/affectd.service.d
        cp /host/pauses.conf /etc/systemd/system/affectd.service.d/pauses.conf
        dpkg -i /host/affectd.deb
        cp /host/affectd.toml /etc/affectd/affectd.toml",
    );
    board.wire();
    assert_eq!(
        board.unit("NeedDaemonReload"),
        "no",
        "the pauses are not in force"
    );
    assert_eq!(
        board.unit("ActiveState"),
        "inactive",
        "the installation switched the camera on"
    );
}

/// The same, with a look at the unit.
pub fn is_installed_and_hardened(board: &mut Board) {
    is_installed(board);
    assert_eq!(
        board.run("systemd-analyze verify --man=no affectd.service affectd@hall.service"),
        ""
    );
    let rating = board.run("systemd-analyze security --no-pager --threshold=15 affectd.service | tail -n 1");
    board.say(&rating);
}

/// The sensing thread stands still while everything else goes on: it alone is frozen.
pub fn wedged(board: &mut Board) {
    let before = boot(board);
    let mark = board.messages.mark();
    board.run(
        "group=/sys/fs/cgroup$(systemctl show --value -p ControlGroup affectd)
        thread=$(grep -lx sense /proc/$(systemctl show --value -p MainPID affectd)/task/*/comm | cut -d / -f 5)
        mkdir $group/wedged
        echo threaded > $group/wedged/cgroup.type
        echo $thread > $group/wedged/cgroup.threads
        echo 1 > $group/wedged/cgroup.freeze",
    );
    is_back(board, "offline", mark, &before);
    board.run("journalctl -u affectd | grep -q 'Watchdog timeout'");
}

/// As by the kernel when memory runs out.
pub fn killed(board: &mut Board) {
    let before = boot(board);
    let mark = board.messages.mark();
    board.run("systemctl kill --signal=KILL affectd");
    is_back(board, "offline", mark, &before);
}

/// Waits until it went, in the way that `gone` says, and tells faces again as a process that is not the one of `before`.
pub fn is_back(board: &mut Board, gone: &str, mark: usize, before: &Value) {
    let gone = board.see_availability(mark, gone);
    assert!(gone.retained);
    let online = board.see_availability(gone.place, "online");
    let state = board.see_category(online.place, "happiness");
    assert_ne!(&state.field("boot"), before);
}

/// A key that does not exist. Starting again and again would not make it exist.
pub fn wrong_configuration(board: &mut Board) {
    let mark = board.messages.mark();
    board.run("echo 'colour = \"red\"' >> /etc/affectd/affectd.toml; systemctl restart --no-block affectd");
    let stopped = board.see_availability(mark, "stopped");
    board.until("the unit fails", "systemctl is-failed --quiet affectd");
    board.wait(Duration::from_secs(5));
    assert_eq!(
        (board.unit("ExecMainStatus"), board.unit("NRestarts")),
        ("78".into(), "0".into())
    );
    assert_eq!(
        board.seen(stopped.place + 1, "availability").len(),
        0,
        "it came back"
    );
    assert_eq!(board.retained("state").field("category"), "none");
    let told = board.run("systemctl status --no-pager --full affectd || true");
    for part in ["/etc/affectd/affectd.toml", "colour"] {
        assert!(told.contains(part), "{part} is not named: {told}");
    }
    board.run("sed -i '/^colour/d' /etc/affectd/affectd.toml; systemctl start --no-block affectd");
    board.see_category(stopped.place, "happiness");
}

/// A clean stop, and a start.
pub fn stopped(board: &mut Board) {
    let mark = board.messages.mark();
    board.run("systemctl stop affectd");
    let stopped = board.see_availability(mark, "stopped");
    assert!(stopped.retained);
    assert_eq!(board.unit("Result"), "success");
    assert_eq!(board.retained("availability").text, "stopped");
    assert_eq!(board.retained("state").field("category"), "none");
    assert_eq!(board.retained("camera").field("status"), "disabled");
    assert!(
        board
            .seen(mark, "availability")
            .iter()
            .all(|message| message.text != "offline")
    );
    board.run("systemctl start --no-block affectd");
    board.see_category(stopped.place, "happiness");
}
