#![allow(clippy::unwrap_used)]

use ratatui::{Terminal, backend::TestBackend};
use serde_json::json;

use super::*;

/// A view as sent by a daemon that sees one face.
fn view(faces: serde_json::Value) -> Box<View> {
    let counters = json!({"visits": 12, "attended": 9, "smiled": 4, "mean_s": 8.5, "longest_s": 31.0});
    let view = json!({
        "device": "lobby", "version": "0.1.0", "boot": "0123456789abcdef", "time": "2026-03-01T09:30:00.250Z",
        "uptime": 3725.5,
        "model": {"name": "maxvit", "sha256": "0123", "va": "projected", "categories": ["happiness"], "input_px": 64},
        "privacy": {"on": false, "reason": null, "revocable": false},
        "camera": {"status": "ok", "reason": "/dev/video0", "fps": 14.9, "frames": 9, "dropped": 0, "unusable": 0},
        "frame": {
            "width": 640, "height": 480, "seq": 9, "age": 0.05, "withheld": false, "faces": faces,
            "quality": {"light": 0.1, "dark": 0.5, "bright": 0.0, "sharpness": 0.6, "hints": ["dark"]},
        },
        "scene": {
            "faces": 1, "attending": 1, "smiling": 1, "category": "happiness", "probabilities": [],
            "valence": 0.5, "arousal": 0.2,
        },
        "visits": {"since_start": counters, "today": counters},
        "stages": [{"stage": "detect", "p50": 12.25, "p95": 20.0, "p99": 31.0}],
        "board": {
            "fps": 14.8, "load": 0.42, "temperature": 61.5, "throttled": null, "undervoltage": false,
            "rss": 52_000_000, "shed": 0.3, "shed_reason": "hot",
        },
        "mqtt": {
            "state": "disconnected", "address": "mqtt://broker:1883", "connected_s": null, "connects": 1,
            "reason": "connection refused", "messages": 77,
        },
    });
    Box::new(serde_json::from_value(view).unwrap())
}

fn face() -> serde_json::Value {
    json!({
        "track": 3, "seen": true, "box": [10.0, 20.0, 80.0, 90.0],
        "landmarks": [[30.0, 50.0], [70.0, 50.0], [50.0, 70.0], [50.0, 90.0]],
        "width": 80.0, "min_width": 14.0, "full_width": 61.0, "needed_width": 31.0, "distance": 1.24,
        "pose": {"yaw": -12.4, "pitch": 3.1}, "attending": true,
        "quality": {
            "value": 0.31, "size": 1.0, "sharpness": 0.4, "frontal": 0.9, "presence": 0.86, "light": 0.4,
            "reasons": ["blurred", "cut_off"],
        },
        "category": "happiness", "poor": false,
        "probabilities": [{"category": "happiness", "probability": 0.82}],
        "valence": 0.5, "arousal": -0.25,
    })
}

/// The screen's text, a line for each row.
fn drawn(screen: &Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(frame, screen)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn everything_that_matters_is_on_the_screen() {
    let mut screen = Screen::default();
    screen.take(Message::View(view(json!([face()]))));
    let text = drawn(&screen, 160, 30);
    for part in [
        "lobby",
        "up 1:02:05",
        "faces in 640 x 480 pixels",
        "3 happiness",
        "████████ ",
        "0.82",
        "+0.50 -0.25",
        "80 (31) px",
        "1.2 m",
        "-12 +3",
        "yes",
        "0.31",
        "blurred, cut_off",
        "detect",
        "12.2",
        "31.0",
        "14.9/s",
        "light 0.10",
        "dark",
        "12 today, 9 attended, 4 smiled",
        "connection refused",
        "62 °C",
        "load 42 %",
        "52 MB",
        "30 %: hot",
        "q: quit",
        "●",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn a_small_terminal_shows_the_main_figures() {
    let mut screen = Screen::default();
    screen.take(Message::View(view(json!([face()]))));
    let text = drawn(&screen, 80, 24);
    for part in [
        "3 happiness",
        "0.82",
        "+0.50 -0.25",
        "80 (31) px",
        "1.2 m",
        "0.31",
        "blurred, cut",
        "detect      12.2    20.0",
        "camera   ok 14.9/s",
        "connection refused",
        "62 °C",
        "●",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn a_daemon_that_is_gone_leaves_no_old_figures() {
    let mut screen = Screen::default();
    screen.take(Message::View(view(json!([face()]))));
    screen.take(Message::Problem("127.0.0.1:8417 does not answer".into()));
    let text = drawn(&screen, 80, 24);
    assert!(
        text.contains("does not answer") && !text.contains("happiness"),
        "{text}"
    );
}

#[test]
fn the_trail_is_bounded_and_ends_with_the_face() {
    let mut screen = Screen::default();
    for _ in 0..3 * TRAIL {
        screen.take(Message::View(view(json!([face()]))));
    }
    assert_eq!(screen.trail.len(), TRAIL);
    screen.take(Message::View(view(json!([]))));
    assert!(screen.trail.is_empty());
    assert!(drawn(&screen, 80, 24).contains("no face"));
}

#[test]
fn drawing_in_a_tiny_terminal_does_not_panic() {
    let mut screen = Screen::default();
    screen.take(Message::View(view(json!([face()]))));
    for (width, height) in [(1, 1), (20, 5), (200, 2)] {
        drawn(&screen, width, height);
    }
}

#[test]
fn q_esc_and_ctrl_c_quit() {
    let key = |code, modifiers| ends(KeyEvent::new(code, modifiers));
    assert!(key(KeyCode::Char('q'), KeyModifiers::NONE) && key(KeyCode::Esc, KeyModifiers::NONE));
    assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(!key(KeyCode::Char('c'), KeyModifiers::NONE) && !key(KeyCode::Enter, KeyModifiers::NONE));
}
