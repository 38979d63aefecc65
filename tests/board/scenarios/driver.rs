//! Failures of the camera's driver while it is streaming.

use serde_json::Value;

use super::camera::boot;
use crate::board::Board;

/// Every few frames the driver marks one as damaged. These are dropped and sensing continues. Several good
/// frames arrive between two presses on any host, because the camera delivers 30 to 36 frames a second.
pub fn damaged_frames(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.run(
        "for press in $(seq 30); do
            v4l2-ctl -d 0 --set-ctrl inject_v4l2_buf_flag_error=1
            sleep 0.2
        done",
    );
    let after = board.messages.mark();
    let state = board.messages.wait_for_category(after, "happiness");
    assert_eq!(state.field("boot"), boot, "the daemon was restarted");
    assert!(
        board.messages.received(mark, "camera").is_empty(),
        "single damaged frames are no failure of the camera"
    );
    for state in board.messages.received(mark, "state") {
        assert_eq!(state.field("category"), "happiness", "{}", state.text);
    }
}

/// The driver reports an error that ends the stream. The camera is opened again.
pub fn stream_error(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.run("v4l2-ctl -d 0 --set-ctrl inject_fatal_streaming_error=1");
    let stalled = board.messages.wait_for_camera(mark, "stalled");
    assert!(
        stalled.text.contains("does not deliver a frame"),
        "{}",
        stalled.text
    );
    board.messages.wait_for_category(mark, "none");
    board.messages.wait_for_camera(stalled.index, "ok");
    is_shown_again(board, &boot);
}

/// The driver refuses to start streaming when the camera is opened again. The next attempt succeeds.
pub fn start_refused(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.run(
        "v4l2-ctl -d 0 --set-ctrl inject_vidioc_streamon_error=1
        v4l2-ctl -d 0 --set-ctrl inject_fatal_streaming_error=1",
    );
    let refused = board.messages.wait_for(mark, "camera", "the refusal", |message| {
        message.text.contains("does not start streaming")
    });
    board.messages.wait_for_camera(refused.index, "ok");
    is_shown_again(board, &boot);
}

/// The error also ended the stream that plays the subject. The daemon continues without a restart.
fn is_shown_again(board: &mut Board, boot: &Value) {
    let mark = board.messages.mark();
    board.show("astronaut");
    let state = board.messages.wait_for_category(mark, "happiness");
    assert_eq!(state.field("boot"), *boot, "the daemon was restarted");
}

/// The camera has another frame size when it is plugged in again.
pub fn other_size(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.pull_out();
    board.messages.wait_for_camera(mark, "missing");
    let mark = board.messages.mark();
    board.plug_in_with_size(800, 600);
    board.messages.wait_for(mark, "camera", "800x600", |message| {
        message.field("status") == "ok" && message.text.contains("800x600")
    });

    let mark = board.messages.mark();
    board.pull_out();
    board.messages.wait_for_camera(mark, "missing");
    let mark = board.messages.mark();
    board.plug_in();
    board.messages.wait_for_camera(mark, "ok");
    let state = board.messages.wait_for_category(mark, "happiness");
    assert_eq!(state.field("boot"), boot, "the daemon was restarted");
}
