//! The program with valid and invalid settings.

use super::*;

#[test]
fn the_program_refuses_a_wrong_configuration_with_its_exit_code() {
    let file = format!("{FOLDER}/invalid-everything.toml");
    let output = affectd(&["check", "--config", &file], &[]);
    assert_eq!(output.status.code(), Some(78));
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(
        messages.contains(&format!("{file}:6: camera.width: found \"640\"")),
        "{messages}"
    );
    assert!(output.stdout.is_empty());

    for (arguments, variables) in [
        (&["check", "--config", "/nonexistent/affectd.toml"][..], &[][..]),
        (&["check", "--config", FOLDER], &[]),
        (&["check", "--config", "/dev/zero"], &[]),
        (&["check", "--set", "camera.width=1"], &[]),
        (&["check"], &[("AFFECTD_CAMERA__WIDTH", "1")]),
        (&["check"], &[("AFFECTD_LOG", "loud")]),
    ] {
        let output = affectd(arguments, variables);
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {messages}");
        assert!(messages.contains("; allowed: "), "{messages}");
    }
}

#[test]
fn errors_reach_the_journal_with_their_priority() {
    use std::os::unix::fs::MetadataExt as _;
    let journal = tempfile::NamedTempFile::new().unwrap();
    let metadata = journal.as_file().metadata().unwrap();
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    let status = Command::new(env!("CARGO_BIN_EXE_affectd"))
        .args(["check", "--set", "camera.width=1"])
        .env_clear()
        .env("JOURNAL_STREAM", stream)
        .stderr(journal.reopen().unwrap())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(78));
    let messages = fs::read_to_string(journal.path()).unwrap();
    assert_eq!(messages.lines().count(), 2);
    assert!(messages.lines().all(|line| line.starts_with("<3>")), "{messages}");
}

#[test]
fn the_program_refuses_a_wrong_command_line_with_its_exit_code() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["check", "--nonsense"],
        &["check", "--set", "mqtt.host"],
        &["check", "--log-level", "loud"],
    ] {
        let output = affectd(arguments, &[]);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["check", "--help"],
        &["help", "check"],
    ] {
        let output = affectd(arguments, &[]);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            output.stderr.is_empty() && !output.stdout.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn the_program_prints_a_default_file() {
    // This works with an invalid configuration too.
    let output = affectd(&["check", "--defaults"], &[("AFFECTD_CAMERA__WIDTH", "1")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let loaded = stack(Some((Path::new("affectd.toml"), &printed)), &[], &[]).unwrap();
    assert_eq!(loaded.settings, stack(None, &[], &[]).unwrap().settings);
}

#[test]
fn the_program_prints_the_settings_in_force() {
    let file = format!("{FOLDER}/valid-kiosk.toml");
    let output = affectd(
        &["--set", "camera.rate=5", "check", "--print", "--config", &file],
        &[("AFFECTD_MQTT__HOST", "other")],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    for line in [
        "rate = 5  # option --set".to_owned(),
        "host = \"other\"  # environment AFFECTD_MQTT__HOST".to_owned(),
        format!("width = 1280  # {file}:6"),
    ] {
        assert!(
            printed.lines().any(|found| found == line),
            "{line} is not in\n{printed}"
        );
    }
    // The output is a valid configuration.
    let again = stack(Some((Path::new("printed.toml"), &printed)), &[], &[]).unwrap();
    assert_eq!(again.settings.mqtt.host, ["other"]);
}
