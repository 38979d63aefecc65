//! tests/target/run.sh, the report script for owners of boards, with this machine as the board, busybox for
//! the tools, a clip as the camera and a real broker.

use crate::common::{broker, daemon, models};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use broker::Broker;
use daemon::clip;
use serde_json::Value;
use tempfile::TempDir;

const SOURCE: &str = env!("CARGO_MANIFEST_DIR");
const PROGRAM: &str = env!("CARGO_BIN_EXE_affectd");

/// A board that has only busybox, and an `ssh` command that runs on it.
struct Board {
    folder: TempDir,
}

impl Board {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tools = folder.path().join("tools");
        fs::create_dir(&tools).unwrap();
        let listed = Command::new("busybox").arg("--list").output();
        let listed = listed.expect("busybox is needed (Debian package busybox)");
        for applet in String::from_utf8(listed.stdout).unwrap().lines() {
            symlink("/bin/busybox", tools.join(applet)).unwrap();
        }
        let ssh = folder.path().join("ssh");
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = me@board ] || exit 255\nexec env -i PATH={0} TMPDIR={1} {0}/sh -c \"$2\"\n",
            tools.display(),
            folder.path().display()
        );
        fs::write(&ssh, script).unwrap();
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// Runs the script without settings from the environment.
    fn script(&self, arguments: &[&str]) -> Output {
        Command::new(format!("{SOURCE}/tests/target/run.sh"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("SSH", self.folder.path().join("ssh"))
            .output()
            .unwrap()
    }
}

/// Writes a configuration with the bundled clip as the camera.
fn configuration(folder: &Path, broker: &str) -> PathBuf {
    let file = folder.join("affectd.toml");
    let clip = clip();
    let text = format!(
        "device = \"board\"\n[expression]\nmodel = \"{}\"\n[camera]\nsource = \"files\"\npath = \"{clip}\"\nrepeat = true\nrate = 10\n{broker}",
        models::TINY
    );
    fs::write(&file, text).unwrap();
    file
}

fn report(folder: &Path) -> (Value, String) {
    let json = fs::read_to_string(folder.join("affectd-report.json")).unwrap();
    let text = fs::read_to_string(folder.join("affectd-report.md")).unwrap();
    (
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}")),
        text,
    )
}

/// Checks what every report contains.
fn assert_whole(json: &Value, text: &str) {
    assert_eq!(json["format"], 1);
    assert_eq!(json["missed"], "none");
    let version = format!("affectd {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(json["version"].as_str().unwrap(), version);
    assert_eq!(json["program_sha256"].as_str().unwrap().len(), 64);
    assert!(json["memory_bytes"].as_u64().unwrap() > 1 << 28);
    let models = json["models"].as_array().unwrap();
    for name in ["blazeface", "centerface", models::TINY] {
        let model = models.iter().find(|model| model["name"] == name).unwrap();
        assert_eq!(model["sha256"].as_str().unwrap().len(), 64);
        assert!(model["run_ms"].as_f64().unwrap() >= 0.0);
    }
    let bench = json["bench"].as_array().unwrap();
    assert!(!bench.is_empty());
    for line in bench.iter().chain([&json["soak"]]) {
        assert!(line["machine"]["cores"].as_u64().unwrap() >= 1, "{line}");
        for run in line["runs"].as_array().unwrap() {
            assert!(run["stages"]["total"]["p50_ms"].as_f64().unwrap() > 0.0, "{run}");
        }
        for format in ["YUYV", "MJPG"] {
            let runs = line["runs"].as_array().unwrap();
            assert!(runs.iter().any(|run| run["format"] == format), "{line}");
        }
    }
    // The first row of the table matches the first measurement.
    let row = text.lines().find(|line| line.contains("| YUYV |")).unwrap();
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    let run = &bench[0]["runs"][0];
    for (cell, pointer) in [
        (3, "/fps"),
        (5, "/stages/detect/p50_ms"),
        (8, "/stages/total/p50_ms"),
    ] {
        let figure = run.pointer(pointer).unwrap().as_f64().unwrap();
        assert_eq!(cells[cell], format!("{figure:.1}"), "{pointer}: {row}");
    }
    assert!(text.contains("None: no budget"), "{text}");
}

#[test]
fn a_board_is_measured_over_ssh() {
    let (board, broker) = (Board::new(), Broker::start());
    let out = tempfile::tempdir().unwrap();
    let settings = format!(
        "[mqtt]\nhost = \"localhost\"\nport = {}\ntls = true\nca_file = \"{}\"\nusername = \"affectd\"\npassword_file = \"{}\"\n",
        broker.port,
        broker.path("ca.pem").display(),
        broker.path("password").display()
    );
    let config = configuration(out.path(), &settings);
    let models = models::folder();
    let (out_path, config) = (out.path().to_str().unwrap(), config.to_str().unwrap());
    let models = models.path().to_str().unwrap();
    let quick = ["--seconds", "0", "--camera", "3", "--soak", "1"];
    let mut arguments = vec![
        "--affectd",
        PROGRAM,
        "--models",
        models,
        "--config",
        config,
        "--out",
        out_path,
    ];
    arguments.extend(quick);
    arguments.push("me@board");
    let output = board.script(&arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("== not measured"), "{stderr}");
    let (json, text) = report(out.path());
    assert_whole(&json, &text);
    assert!(
        json["latency"]["subscriber"]["messages"].as_u64().unwrap() >= 1,
        "{json}"
    );
    assert!(json["latency"]["frames"].as_u64().unwrap() >= 1, "{json}");
    assert!(text.contains("At a subscriber: "), "{text}");
    // No files remain on the board.
    let left: Vec<_> = fs::read_dir(board.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "tools and ssh: {left:?}");

    // An unreachable board.
    *arguments.last_mut().unwrap() = "me@elsewhere";
    let output = board.script(&arguments);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn missing_parts_are_reported_and_the_rest_is_measured() {
    let (board, out) = (Board::new(), tempfile::tempdir().unwrap());
    let config = configuration(out.path(), "[mqtt]\nhost = \"nowhere.invalid\"\n");
    let (out_path, config) = (out.path().to_str().unwrap(), config.to_str().unwrap());
    let models = models::folder();
    let usual = [
        "--affectd",
        PROGRAM,
        "--models",
        models.path().to_str().unwrap(),
        "--seconds",
        "0",
        "--soak",
        "0",
        "--out",
        out_path,
    ];
    let with = |more: &[&str]| {
        let output = board.script(&[&usual[..], more].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = with(&["--config", config, "--camera", "2"]);
    assert_eq!(code, Some(0), "{stderr}");
    let (json, text) = report(out.path());
    assert_eq!(
        (&json["latency"]["subscriber"], &json["soak"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        text.contains("No broker: ") && text.contains("its name is not known here"),
        "{text}"
    );

    let text = fs::read_to_string(config).unwrap();
    let text = text.replace("source = \"files\"", "device = \"/dev/nonexistent\"");
    fs::write(config, text.replace("nowhere.invalid", "")).unwrap();
    let (code, stderr) = with(&["--config", config, "--camera", "1"]);
    assert_eq!(code, Some(0), "{stderr}");
    let (json, text) = report(out.path());
    let why = json["latency"]["skipped"].as_str().unwrap();
    assert!(why.contains("no frame in 1 s: /dev/nonexistent"), "{why}");
    assert!(text.contains("Skipped: no frame in 1 s"), "{text}");

    // Errors that invalidate all measurements end the script.
    for (more, word) in [
        (vec!["--models", "/nonexistent"], "/nonexistent"),
        (vec!["--seconds", "ten"], "whole seconds"),
        (vec!["--affectd", "/nonexistent/affectd"], "does not run"),
        (vec!["--out", "/nonexistent"], "no folder"),
        (vec!["--verbose"], "tests/target/run.sh user@board"),
    ] {
        let (code, stderr) = with(&more);
        assert_eq!(code, Some(2), "{more:?}: {stderr}");
        assert!(stderr.contains(word), "{more:?}: {stderr}");
    }
}
