//! Failures of the camera's driver while it is streaming.

use crate::board::Board;

use super::camera::boot;

/// Every few frames the driver marks one as damaged: they are dropped, and sensing goes on.
pub fn damaged_frames(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.run(
        "for press in $(seq 100); do
            v4l2-ctl -d 0 --set-ctrl inject_v4l2_buf_flag_error=1
        done",
    );
    let after = board.messages.mark();
    let state = board.wait_for_category(after, "happiness");
    assert_eq!(state.field("boot"), boot, "the daemon was restarted");
    assert!(
        board.received(mark, "camera").is_empty(),
        "single damaged frames are no failure of the camera"
    );
    for state in board.received(mark, "state") {
        assert_eq!(state.field("category"), "happiness", "{}", state.text);
    }
}

/// The driver reports an error that ends the stream. The camera is opened again.
pub fn stream_error(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.run("v4l2-ctl -d 0 --set-ctrl inject_fatal_streaming_error=1");
    let missing = board.wait_for_camera(mark, "missing");
    assert!(missing.text.contains("stopped streaming"), "{}", missing.text);
    board.wait_for_category(mark, "none");
    let open = board.wait_for_camera(missing.index, "ok");
    let state = board.wait_for_category(open.index, "happiness");
    assert_eq!(state.field("boot"), boot, "the daemon was restarted");
}

/// The driver refuses to start streaming when the camera is opened again. The next attempt succeeds.
pub fn start_refused(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.run(
        "v4l2-ctl -d 0 --set-ctrl inject_vidioc_streamon_error=1
        v4l2-ctl -d 0 --set-ctrl inject_fatal_streaming_error=1",
    );
    let missing = board.wait_for_camera(mark, "missing");
    let refused = board.wait_for(missing.index, "camera", "the refusal", |message| {
        message.text.contains("does not start")
    });
    let open = board.wait_for_camera(refused.index, "ok");
    let state = board.wait_for_category(open.index, "happiness");
    assert_eq!(state.field("boot"), boot, "the daemon was restarted");
}

/// The camera that is plugged in again has frames of another size.
pub fn other_size(board: &mut Board) {
    let boot = boot(board);
    let mark = board.messages.mark();
    board.pull_out();
    board.wait_for_camera(mark, "missing");
    let mark = board.messages.mark();
    board.plug_in_with_size(800, 600);
    board.wait_for_camera(mark, "ok");
    board.until(
        "frames of the other size are read",
        "journalctl -u affectd -o cat | grep 'camera is delivering' | tail -n 1 | grep 800x600",
    );

    board.pull_out();
    board.wait_for_camera(mark, "missing");
    let mark = board.messages.mark();
    board.plug_in();
    board.wait_for_camera(mark, "ok");
    let state = board.wait_for_category(mark, "happiness");
    assert_eq!(state.field("boot"), boot, "the daemon was restarted");
}
