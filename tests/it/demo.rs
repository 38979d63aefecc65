//! `affectd demo`: the two people of the clip appear and leave, and a table of costs follows.

use crate::common::daemon;
use daemon::output;

#[test]
fn the_demo_sees_both_people_come_and_go() {
    let output = output(&["demo"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    // A very slow machine may lose a face and find it again.
    assert!(count(" appeared") >= 2, "{text}");
    // A face that is found again continues its visit, which ends once.
    let left = count(" left after ");
    assert!(
        (2..=count(" appeared")).contains(&left),
        "everybody leaves: {text}"
    );
    // Collins smiles from her first picture to her last.
    assert!(text.contains("face 1: uncertain -> happiness"), "{text}");
    let (_, table) = text
        .split_once("\nframes ")
        .unwrap_or_else(|| panic!("no closing table: {text}"));
    // A slow machine drops frames, as with a camera.
    let frames: u32 = table.split_whitespace().next().unwrap().parse().unwrap();
    assert!((1..=130).contains(&frames), "{table}");
    for stage in [
        "decode", "detect", "follow", "classify", "track", "smooth", "publish", "total",
    ] {
        assert!(
            table.lines().any(|line| line.starts_with(stage)),
            "{stage} is missing: {table}"
        );
    }
    assert!(!text.contains('\x1b'), "a pipe gets no escape sequences");
}

#[test]
fn bench_prints_json() {
    let output = output(&["bench", "--seconds", "0", "--json"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(object["rss_bytes"].as_u64().unwrap() > 0);
    let runs = object["runs"].as_array().unwrap();
    let formats: Vec<_> = runs.iter().map(|run| run["format"].as_str().unwrap()).collect();
    assert_eq!(formats, ["YUYV", "MJPG"]);
    for run in runs {
        let outside = run["outside_networks"].as_f64().unwrap();
        assert!((0.0..1.0).contains(&outside), "{run}");
        for stage in ["decode", "detect", "follow", "classify", "total"] {
            assert!(
                run["stages"][stage]["p50_ms"].as_f64().unwrap() > 0.0,
                "{stage}: {run}"
            );
        }
    }
}
