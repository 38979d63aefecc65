//! The report script for owners of boards: ../../target/run.sh.

use std::time::Duration;

use serde_json::Value;

use crate::board::Board;

/// Every model is loaded several times and a frame takes seconds: it took 19 minutes on one busy core.
const TIMEOUT: Duration = Duration::from_mins(40);

/// The daemon is stopped for the report, which measures every model and the latency from the camera to a
/// subscriber. The report runs detection every second; with this board's interval most of the clip would play
/// before the first detection.
pub fn reported(board: &mut Board) {
    board.run(
        "systemctl stop affectd
        mkdir /tmp/report
        sed 's/^interval_s = .*/interval_s = 1/' /etc/affectd/affectd.toml > /tmp/report/affectd.toml
        systemd-run --quiet --unit=report --remain-after-exit --working-directory=/tmp/report \
            sh /host/run.sh --config affectd.toml --seconds 0 --camera 60 --soak 0",
    );
    board.until_within(
        TIMEOUT,
        "the script has ended",
        "systemctl show -p SubState report | grep -E 'exited|failed'",
    );
    let log = board.run("journalctl --no-pager -o cat -u report; systemctl stop report");
    board.report(&log);
    let report: Value = serde_json::from_str(&board.run("cat /tmp/report/affectd-report.json")).unwrap();
    let names: Vec<&str> = report["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["blazeface", "centerface", "maxvit-ferplus-64"]);
    assert_eq!(report["missed"], "none");
    for line in report["bench"].as_array().unwrap() {
        assert_eq!(line["machine"]["arch"], "aarch64", "{line}");
        assert!(
            line["runs"][0]["stages"]["total"]["p50_ms"].as_f64().unwrap() > 0.0,
            "{line}"
        );
    }
    let subscriber = &report["latency"]["subscriber"];
    assert!(subscriber["messages"].as_u64().unwrap() > 0, "{report}");
    assert!(subscriber["p95_ms"].as_f64().unwrap() > 0.0, "{report}");
    let text = board.run("cat /tmp/report/affectd-report.md");
    assert!(text.starts_with("# affectd on linux,dummy-virt"), "{text}");

    // Mark after the report, because its latency measurement also published `online`.
    let mark = board.messages.mark();
    board.run("rm -r /tmp/report; systemctl start --no-block affectd");
    let online = board.messages.wait_for_word(mark, "availability", "online");
    board.messages.wait_for_category(online.index, "happiness");
}
