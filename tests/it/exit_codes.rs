//! Invalid input ends the program with a clear message and the documented exit code, never with a panic.

use crate::common::{daemon, models};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use daemon::{data, output};

/// Checks exit code and message.
fn expect(arguments: &[&str], code: i32, expected: &[&str]) -> Output {
    let output = output(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    for part in expected {
        assert!(
            error.contains(part),
            "{arguments:?} does not contain {part:?}: {error}"
        );
    }
    assert!(!error.contains("panicked at"), "{error}");
    output
}

/// `run` on photographs with the models of `folder`.
fn run_with(folder: &Path) -> Vec<String> {
    let settings = [
        format!("models={}", folder.display()),
        format!("expression.model={}", models::TINY),
        "camera.source=files".to_owned(),
        format!("camera.path={}", data("pictures")),
    ];
    let settings = settings
        .into_iter()
        .flat_map(|setting| ["--set".to_owned(), setting]);
    ["run".to_owned()].into_iter().chain(settings).collect()
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[test]
fn a_wrong_command_line_is_64() {
    expect(&["dance"], 64, &["dance"]);
    expect(&["run", "--sett", "a=b"], 64, &["--sett"]);
    expect(&["bench", "--seconds=-1"], 64, &["0 to 3600"]);
}

#[test]
fn a_wrong_configuration_is_78() {
    expect(
        &["run", "--config", "/nonexistent/affectd.toml"],
        78,
        &["/nonexistent/affectd.toml"],
    );
    expect(
        &["run", "--set", "mqtt.hots=broker"],
        78,
        &["mqtt.hots", "mqtt.host"],
    );
    expect(&["run", "--set", "camera.rate=0"], 78, &["camera.rate", "0.1"]);
}

#[test]
fn a_damaged_model_is_66() {
    let folder = models::folder();
    let network = folder.path().join(format!("{}.onnx", models::TINY));
    let mut bytes = fs::read(&network).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&network, bytes).unwrap();
    expect(
        &borrowed(&run_with(folder.path())),
        66,
        &["SHA-256", &network.display().to_string()],
    );
}

/// Expects `model verify` of a damaged network with a correct checksum to exit with 66 and one line naming
/// the file.
fn expect_damaged(folder: &str, name: &str) {
    let models = data(&format!("damaged/{folder}"));
    let file = format!("{models}/{name}.onnx");
    let output = expect(
        &["--set", &format!("models={models}"), "model", "verify", name],
        66,
        &[&file],
    );
    let lines = String::from_utf8(output.stderr).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
}

#[test]
fn networks_on_which_the_onnx_library_panics_are_66() {
    expect_damaged("permutation", "tiny-va");
    expect_damaged("unknown-node", "tiny-va");
    expect_damaged("raw-tensor", "tiny-combined");
}

#[test]
fn a_network_that_made_the_onnx_library_loop_is_66() {
    expect_damaged("endless", "tiny-combined");
}

#[test]
fn a_manifest_that_is_a_pipe_is_66() {
    let folder = models::folder();
    let manifest = folder.path().join(format!("{}.toml", models::TINY));
    fs::remove_file(&manifest).unwrap();
    assert!(Command::new("mkfifo").arg(&manifest).status().unwrap().success());
    expect(
        &borrowed(&run_with(folder.path())),
        66,
        &[
            &manifest.display().to_string(),
            "it is a named pipe, not a regular file",
        ],
    );
}

#[test]
fn a_missing_model_is_66_and_lists_the_available_ones() {
    let folder = models::folder();
    fs::remove_file(folder.path().join(format!("{}.toml", models::TINY))).unwrap();
    expect(
        &borrowed(&run_with(folder.path())),
        66,
        &[models::TINY, "centerface"],
    );
}

#[test]
fn a_camera_path_without_pictures_is_reported_as_the_cameras_fault() {
    let folder = models::folder();
    let mut arguments = run_with(folder.path());
    arguments.extend(["--set".to_owned(), "camera.source=v4l2".to_owned()]);
    arguments.extend(["--set".to_owned(), "camera.device=/dev/null".to_owned()]);
    expect(&borrowed(&arguments), 74, &["/dev/null"]);
}

#[test]
fn unusable_pictures_are_66_and_the_others_are_still_analysed() {
    let (models, scratch) = (models::folder(), tempfile::tempdir().unwrap());
    let picture = fs::read(data("pictures/astronaut.jpg")).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = scratch.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    // A PNG header for 100,000 x 100,000 pixels without data.
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bomb.extend([0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0, 8, 2, 0, 0, 0]);
    let files = [
        write("empty.jpg", b""),
        write("cut-off.jpg", &picture[..picture.len() / 3]),
        write("noise.png", &[7; 1000]),
        write("huge.png", &bomb),
        scratch.path().join("missing.jpg").display().to_string(),
    ];
    let (folder, model) = (
        format!("models={}", models.path().display()),
        format!("expression.model={}", models::TINY),
    );
    let good = data("pictures/astronaut.jpg");
    let mut arguments = vec!["--set", &folder, "--set", &model, "analyze"];
    arguments.extend(files.iter().map(String::as_str));
    arguments.push(&good);
    let names = ["empty.jpg", "cut-off.jpg", "noise.png", "huge.png", "missing.jpg"];
    let output = expect(&arguments, 66, &names);
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        lines
            .lines()
            .filter(|line| line.contains("astronaut.jpg"))
            .count(),
        1,
        "{lines}"
    );
}
