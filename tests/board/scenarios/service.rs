//! The daemon as a systemd service.

use std::time::Duration;

use serde_json::Value;

use super::camera::boot;
use crate::{board::Board, machine::HAS_GPIO};

/// Installs the package and the configuration file, as an installer would. A drop-in adapts restart delay and
/// watchdog timeout to the test.
pub fn is_installed(board: &mut Board) {
    board.run(
        "mkdir /etc/systemd/system/affectd.service.d
        cp /host/test.conf /etc/systemd/system/affectd.service.d/test.conf
        dpkg -i /host/affectd.deb
        cp /host/affectd.toml /etc/affectd/affectd.toml",
    );
    board.add_gpio();
    assert_eq!(
        board.unit("NeedDaemonReload"),
        "no",
        "the drop-in is not in effect"
    );
    assert_eq!(
        board.unit("ActiveState"),
        "inactive",
        "the installation started the daemon"
    );
}

/// Installs the package, then verifies the unit and its security rating.
pub fn is_installed_and_hardened(board: &mut Board) {
    is_installed(board);
    assert_eq!(
        board.run("systemd-analyze verify --man=no affectd.service affectd@hall.service"),
        ""
    );
    let rating = board.run("systemd-analyze security --no-pager --threshold=15 affectd.service | tail -n 1");
    board.report(&rating);
}

/// `affectd check` beside the daemon, which uses the camera and the lines, as before a restart.
pub fn checked(board: &mut Board) {
    let findings = board.run("affectd check");
    let skipped = |what: &str| {
        let line = findings
            .lines()
            .find(|line| line.starts_with(what))
            .unwrap_or_default();
        line.contains("skipped") && line.contains("affectd runs")
    };
    assert!(skipped("camera"), "{findings}");
    assert_eq!(skipped("gpio"), HAS_GPIO, "{findings}");
}

/// Only the sensing thread hangs; the other threads keep running.
pub fn hung(board: &mut Board) {
    let before = boot(board);
    let mark = board.messages.mark();
    board.run(
        "group=/sys/fs/cgroup$(systemctl show --value -p ControlGroup affectd)
        thread=$(grep -lx sense /proc/$(systemctl show --value -p MainPID affectd)/task/*/comm | cut -d / -f 5)
        mkdir $group/hung
        echo threaded > $group/hung/cgroup.type
        echo $thread > $group/hung/cgroup.threads
        echo 1 > $group/hung/cgroup.freeze",
    );
    is_back(board, "offline", mark, &before);
    board.run("journalctl -u affectd | grep -q 'Watchdog timeout'");
}

/// The daemon is killed, as by the kernel's OOM killer.
pub fn killed(board: &mut Board) {
    let before = boot(board);
    let mark = board.messages.mark();
    board.run("systemctl kill --signal=KILL affectd");
    is_back(board, "offline", mark, &before);
}

/// Waits for the availability `gone`, and then for a new run, with a boot id other than `before`, to publish
/// a face.
pub fn is_back(board: &mut Board, gone: &str, mark: usize, before: &Value) {
    let gone = board.messages.wait_for_word(mark, "availability", gone);
    assert!(gone.retained);
    let online = board.messages.wait_for_word(gone.index, "availability", "online");
    let state = board.messages.wait_for_category(online.index, "happiness");
    assert_ne!(&state.field("boot"), before);
}

/// An unknown key in the configuration. The unit must not be restarted, since that cannot help.
pub fn wrong_configuration(board: &mut Board) {
    let mark = board.messages.mark();
    board.run("echo 'colour = \"red\"' >> /etc/affectd/affectd.toml; systemctl restart --no-block affectd");
    let stopped = board.messages.wait_for_word(mark, "availability", "stopped");
    board.until("the unit fails", "systemctl is-failed --quiet affectd");
    board.wait(Duration::from_secs(5));
    assert_eq!(
        (board.unit("ExecMainStatus"), board.unit("NRestarts")),
        ("78".into(), "0".into())
    );
    assert_eq!(
        board.messages.received(stopped.index + 1, "availability").len(),
        0,
        "the daemon was restarted"
    );
    assert_eq!(board.retained("state").field("category"), "none");
    let status = board.run("systemctl status --no-pager --full affectd || true");
    for part in ["/etc/affectd/affectd.toml", "colour"] {
        assert!(status.contains(part), "{part} is missing: {status}");
    }
    board.run("sed -i '/^colour/d' /etc/affectd/affectd.toml; systemctl start --no-block affectd");
    board.messages.wait_for_category(stopped.index, "happiness");
}

/// A clean stop, and a start.
pub fn stopped(board: &mut Board) {
    let mark = board.messages.mark();
    board.run("systemctl stop affectd");
    let stopped = board.messages.wait_for_word(mark, "availability", "stopped");
    assert!(stopped.retained);
    assert_eq!(board.unit("Result"), "success");
    assert_eq!(board.retained("availability").text, "stopped");
    assert_eq!(board.retained("state").field("category"), "none");
    assert_eq!(board.retained("camera").field("status"), "disabled");
    assert!(
        board
            .messages
            .received(mark, "availability")
            .iter()
            .all(|message| message.text != "offline")
    );
    board.run("systemctl start --no-block affectd");
    board.messages.wait_for_category(stopped.index, "happiness");
}
