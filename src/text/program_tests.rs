//! Credentials in the messages and arguments of common programs.

use super::*;

#[test]
fn what_is_taken_for_a_port_or_a_host_is_removed() {
    assert_shown(&[
        (
            "http.client.InvalidURL: nonnumeric port: 'hunter2@192.0.2.7'",
            "http.client.InvalidURL: nonnumeric port: '***@192.0.2.7'",
        ),
        (
            "ValueError: Port could not be cast to integer value as 'hunter2'",
            "ValueError: Port could not be cast to integer value as '***'",
        ),
        (
            r#"parse "rtsp://***@cam": invalid port ":hunter2" after host"#,
            r#"parse "rtsp://***@cam": invalid port ":***" after host"#,
        ),
        ("Invalid port: 'hunter2@cam'", "Invalid port: '***@cam'"),
        (
            "Failed to resolve hostname hunter2@cam: not known",
            "Failed to resolve hostname ***@cam: not known",
        ),
        (
            "getaddrinfo ENOTFOUND hunter2@cam",
            "getaddrinfo ENOTFOUND ***@cam",
        ),
        ("bad address 'hunter2@cam'", "bad address '***@cam'"),
        // Nothing says that these are secrets.
        ("port '8554' is in use", "port '8554' is in use"),
        ("mail from root@cam", "mail from root@cam"),
        ("the pipeline supports 'nv12'", "the pipeline supports 'nv12'"),
    ]);
}

#[test]
fn options_with_a_joined_value_lose_it() {
    assert_shown(&[
        ("curl -su admin:hunter2 http://cam/s", "curl -su *** http://cam/s"),
        ("curl -uadmin:hunter2 http://cam/s", "curl -u*** http://cam/s"),
        ("sshpass -phunter2 ssh cam", "sshpass -p*** ssh cam"),
        (
            "curl --cookie id=hunter2 http://cam",
            "curl --cookie *** http://cam",
        ),
        (
            "curl --oauth2-bearer hunter2 http://cam",
            "curl --oauth2-bearer *** http://cam",
        ),
        ("CAM_CREDS=admin:hunter2", "CAM_CREDS=***"),
        ("rtspsrc pass=(string)hunter2; x", "rtspsrc pass=*** x"),
        (r#"password=(string)"my hunter2""#, r#"password=(string)"***""#),
        (
            "ffmpeg -pix_fmt yuv420p -update 1",
            "ffmpeg -pix_fmt yuv420p -update 1",
        ),
    ]);
    let arguments = [
        "curl",
        "-su",
        "admin:hunter2",
        "-uadmin:hunter2",
        "--cookie",
        "id=x",
        "http://cam",
    ];
    let shown = redacted_arguments(&arguments.map(str::to_owned));
    assert_eq!(
        shown,
        ["curl", "-su", "***", "-u***", "--cookie", "***", "http://cam"]
    );
    let shown = redacted_arguments(&["sshpass".to_owned(), "-phunter2".to_owned()]);
    assert_eq!(shown, ["sshpass", "-p***"]);
}

#[test]
fn measures_and_unset_variables_are_kept() {
    for text in [
        "[ERROR:0@2.030] global cap.cpp:480",
        "mode 1920x1080@30/1 not supported",
        "bash: line 1: CAM_TOKEN: unbound variable",
    ] {
        assert_eq!(sanitized(text, 1000), text);
    }
}
