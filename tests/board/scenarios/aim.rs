//! Aiming the camera from the board's console, with curl in place of a browser.

use crate::board::Board;

/// What the console printed, and what a browser would keep.
const CONSOLE: &str = "/run/aim-console";
const COOKIES: &str = "/run/aim-cookies";

/// The code opens the page with the picture. While pictures are fetched, the LED blinks and the log reports
/// it. Privacy ends this immediately, and it does not resume.
pub fn aimed(board: &mut Board) {
    board.wait_for_led(true);
    begin(board);
    for path in ["events", "aim/picture", "readyz"] {
        assert_eq!(status(board, path), "403", "{path} without the code");
    }
    assert!(!is_blinking(board), "nobody has asked for a picture");

    enter(board);
    fetch_pictures(board);
    board.until(
        "a picture has arrived",
        "test \"$(head -c 3 /run/aim-picture | od -An -tx1)\" = ' ff d8 ff'",
    );
    assert!(is_blinking(board), "a picture is being sent");
    said(board, "the camera's picture is being sent");

    let mark = board.messages.mark();
    board.set_privacy_switch(true);
    board
        .messages
        .wait_for(mark, "privacy", "ON", |message| message.text == "ON");
    assert_eq!(status(board, "aim/picture"), "204", "the picture ends at once");
    said(board, "the camera's picture is no longer sent");
    board.wait_for_led(false);
    board.set_privacy_switch(false);
    board.messages.wait_for_category(mark, "happiness");
    assert_eq!(
        status(board, "aim/picture"),
        "204",
        "only the console can begin again"
    );
    board.wait_for_led(true);
    assert!(!is_blinking(board), "no picture is sent any more");
    assert_eq!(status(board, "readyz"), "200", "the page is still open");

    board.run("systemctl stop aim-pictures aim");
    board.until("the page is closed", &format!("! curl -s {}", page()));
    said(board, "aiming ended");
}

/// Runs the command as a user on the console would, and waits for the code.
fn begin(board: &mut Board) {
    board.run(&format!(
        "rm -f {CONSOLE} {COOKIES}
        systemd-run --quiet --collect --unit=aim -p StandardOutput=file:{CONSOLE} affectd aim --preview"
    ));
    board.until("the console shows a code", &format!("grep -q '#code=' {CONSOLE}"));
}

/// The printed address without the code, as a shell expression.
fn page() -> String {
    format!("$(grep -o 'http://127.0.0.1:[0-9]*/' {CONSOLE})")
}

/// Sends the printed code as the page does.
fn enter(board: &mut Board) {
    board.run(&format!(
        "page={} code=$(sed -n 's/.*#code=//p' {CONSOLE})
        curl -sf -c {COOKIES} -H 'X-Affectd: 1' -H \"Origin: ${{page%/}}\" --data-raw \"$code\" ${{page}}aim",
        page()
    ));
}

/// The status of the response to a request, which carries the cookie if there is one.
fn status(board: &mut Board, path: &str) -> String {
    let page = page();
    board.run(&format!(
        "curl -s -o /dev/null -w '%{{http_code}}' -m 20 -b {COOKIES} {page}{path}"
    ))
}

/// Fetches pictures until it is stopped, as the page does.
fn fetch_pictures(board: &mut Board) {
    let page = page();
    board.run(&format!(
        "systemd-run --quiet --collect --unit=aim-pictures sh -c \\
            \"while sleep 0.3; do curl -s -b {COOKIES} -o /run/aim-next {page}aim/picture \\
            && test -s /run/aim-next && mv /run/aim-next /run/aim-picture; done\""
    ));
}

/// Whether the LED blinks: it does so four times in two seconds.
fn is_blinking(board: &mut Board) -> bool {
    board.led_changes() >= 3
}

/// Waits for a line in the daemon's log.
fn said(board: &mut Board, line: &str) {
    board.until(
        line,
        &format!("journalctl -u affectd -o cat | grep -q \"{line}\""),
    );
}
