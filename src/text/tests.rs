#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[path = "program_tests.rs"]
mod programs;

/// Asserts what is shown of each text.
fn assert_shown(table: &[(&str, &str)]) {
    for (text, shown) in table {
        assert_eq!(sanitized(text, 1000), *shown, "{text}");
    }
}

#[test]
fn urls_lose_their_credentials_and_keep_the_rest() {
    assert_shown(&[
        (
            "rtsp://admin:gartenzwerg7@192.0.2.7/stream1: Connection refused",
            "rtsp://***@192.0.2.7/stream1: Connection refused",
        ),
        ("rtsp://admin@cam/x", "rtsp://***@cam/x"),
        ("rtsp://a:p@ss/w:rd@cam/x", "rtsp://***@cam/x"),
        ("rtsp://a:my pass@cam/x failed", "rtsp://***@cam/x failed"),
        ("rtsp://a:my p@ss@cam/x failed", "rtsp://***@cam/x failed"),
        ("rtsp://a:p@ss word@cam/x failed", "rtsp://***@cam/x failed"),
        ("rtsp://admin:cut-o", "rtsp://***"),
        ("rtsp://admin:1234567", "rtsp://***"),
        ("rtsp://admin:1234567/x", "rtsp://***"),
        ("rtsp://admin:1234 5678@cam/x", "rtsp://***@cam/x"),
        ("rtsp://admin:12 34 56@cam/x", "rtsp://***@cam/x"),
        ("rtsp://admin:12/34 56@cam/x", "rtsp://***@cam/x"),
        (
            "[in#0] http://a:b@h/, http://c:d@i/",
            "[in#0] http://***@h/, http://***@i/",
        ),
        ("admin:hunter2@cam: refused", "***@cam: refused"),
        ("url=admin:hunter2@cam", "url=***@cam"),
        ("/x/admin:hunter2@cam", "/x/***@cam"),
        (r"rtsp:\/\/admin:hunter2@cam\/x", r"***@cam\/x"),
        ("ter2@cam/x failed", "***@cam/x failed"),
        ("ter2@192.0.2.7:554", "***@192.0.2.7:554"),
    ]);
}

#[test]
fn headers_lose_their_values() {
    assert_shown(&[
        ("Authorization: Basic YWRt", "Authorization: ***"),
        ("Authorization:Basic YWRt", "Authorization:***"),
        ("Authorization : Basic YWRt", "Authorization : ***"),
        ("Proxy-Authorization: Basic YWRt x", "Proxy-Authorization: ***"),
        ("Authorization: Bearer abc", "Authorization: ***"),
        (
            r#"authorization: Digest username="a", response="0123""#,
            "authorization: ***",
        ),
        ("Authorization: Basic\nYWRt\nnext", r"Authorization: ***\nnext"),
        (
            r#"{"Authorization": "Basic YWRt", "error": "timeout"}"#,
            r#"{"Authorization": "***", "error": "timeout"}"#,
        ),
        (r#"curl -H "X-Api-Key: abc" x"#, r#"curl -H "X-Api-Key: ***"#),
        ("Cookie: session=abc; id=7", "Cookie: ***"),
        ("Set-Cookie: id=7; Path=/", "Set-Cookie: ***"),
        ("sent Basic YWRt to cam", "sent Basic *** to cam"),
        ("sent basic YWRt to cam", "sent basic *** to cam"),
        ("sent Bearer abc to cam", "sent Bearer *** to cam"),
        (r#"Digest username="a", response="0123""#, "Digest ***"),
        (r#" response="0123", qop=auth"#, r#" response="***", qop=auth"#),
    ]);
}

#[test]
fn values_after_a_separator_are_removed() {
    assert_shown(&[
        ("password: hunter2", "password: ***"),
        ("Password = hunter2", "Password = ***"),
        ("password : my hunter2 rejected", "password : *** rejected"),
        ("password: hunter2 host: cam", "password: *** host: cam"),
        ("password -> hunter2", "password -> ***"),
        ("password:\nhunter2", r"password:\n***"),
        (
            r#"{"user": "admin", "password": "hunter2"}"#,
            r#"{"user": "admin", "password": "***"}"#,
        ),
        (
            r#"{\"password\": \"my \\\"hunter2\", \"n\": 1}"#,
            r#"{\"password\": \"***\", \"n\": 1}"#,
        ),
        (r#"{"api_key":"abc","n":1}"#, r#"{"api_key":"***","n":1}"#),
        (
            "['-i', '--password', 'my x', 'y']",
            "['-i', '--password', '***', 'y']",
        ),
        ("Token: abc", "Token: ***"),
        ("auth: abc", "auth: ***"),
        ("key: abc", "key: ***"),
        ("key: token: abc", "key: *** ***"),
        ("secret key: abc", "secret ***"),
        ("stream key: abc", "stream key: ***"),
        ("PIN code: 1234", "PIN code: ***"),
        (r#"password="my hunter2" x"#, r#"password="***" x"#),
        ("password='a b hunter2' x", "password='***' x"),
        (r#"password="a"hunter2 x"#, r#"password="*** x"#),
        (r#"password="my hunter2"#, r#"password="***"#),
        ("password=b'my hunter2' x", "password=***' x"),
        (r#""password=my hunter2" x"#, r#""password=***" x"#),
        ("password=abc,hunter2 x", "password=*** x"),
        ("password=abc&hunter2 x", "password=*** x"),
        ("password,hunter2", "password,***"),
        ("password('my hunter2') x", "password*** x"),
        ("<password>my hunter2</password>", "<password>***</password>"),
        (
            r#"credentials: {"login": "a", "code": "b"} x"#,
            "credentials: *** x",
        ),
        ("--password=abc def", "--password=*** def"),
        ("user-id=admin user-pw=hunter2 x", "user-id=admin user-pw=*** x"),
        (
            "cgi?loginuse=admin&loginpas=hunter2",
            "cgi?loginuse=admin&loginpas=***",
        ),
        ("cgi?u=admin&p=hunter2", "cgi?u=admin&p=***"),
        (
            "http://cam/v.cgi?user=a&pwd=b&n=1",
            "http://cam/v.cgi?user=a&pwd=***",
        ),
        ("/user=admin_password=x_channel=1", "/user=admin_password=***"),
        ("psk=a pin=1 sid=2 jwt=b", "psk=*** pin=*** sid=*** jwt=***"),
        (
            "streamkey=a access_key=b authkey=c",
            "streamkey=*** access_key=*** authkey=***",
        ),
        (
            "Mot de passe : x, Passwort: y",
            "Mot de passe : *** Passwort: ***",
        ),
    ]);
}

#[test]
fn values_without_a_separator_are_removed() {
    assert_shown(&[
        ("password hunter2", "password ***"),
        ("PASS hunter2", "PASS ***"),
        ("secret abc", "secret ***"),
        ("token abc", "token ***"),
        ("API key abc", "API key ***"),
        ("--password hunter2", "--password ***"),
        ("--password 'my hunter2' x", "--password '***' x"),
        ("--key abc", "--key ***"),
        ("-u admin:hunter2 -i x", "-u *** -i x"),
        ("--user 'admin:my hunter2' x", "--user '***' x"),
        ("login admin:hunter2 failed", "login *** failed"),
        ("-P hunter2 -t x", "-P *** -t x"),
        ("the password is hunter2", "the password is ***"),
        ("password has been set to hunter2", "password has been set to ***"),
        ("password for user admin is hunter2", "password for user ***"),
        ("password for 'admin': hunter2", "password for '***"),
        ("password hunter2: rejected", "password ***"),
        ("password incorrect: hunter2", "password incorrect: ***"),
        ("secret password hunter2", "secret *** ***"),
    ]);
}

#[test]
fn credentials_are_found_behind_an_encoding() {
    assert_shown(&[
        (
            "src=rtsp%3A%2F%2Fadmin%3Ahunter2%40cam",
            "src=rtsp%3A%2F%2F***%40cam",
        ),
        (
            "rtsp%253A%252F%252Fadmin%253Ahunter2%2540cam",
            "rtsp%253A%252F%252F***%2540cam",
        ),
        ("?password%3Dhunter2 x", "?password%3D*** x"),
        ("p%61ssword=hunter2", "p%61ssword=***"),
        ("pass\u{200b}word=hunter2", r"pass\u{200b}word=***"),
        (
            "\x1b[3mpassword\x1b[0m=\x1b[1mhunter2",
            r"\u{1b}[3mpassword\u{1b}[0m=\u{1b}[1m***",
        ),
        ("100 % of 50%zz and %", "100 % of 50%zz and %"),
    ]);
}

#[test]
fn ordinary_messages_are_kept() {
    for text in [
        "http://cam:8080/x and http://[::1]:80/",
        "http://cam:8080/x and mail to admin@example.org",
        "rtsp://cam:554 1920x1080 @ 25 fps",
        "rtsp://192.0.2.7:554 is not admin@example.org",
        "open rtsp://cam: Connection refused",
        "udp://@239.0.0.1:1234",
        "mail to admin@example.org at 12:30",
        "user@host",
        "no such file: /dev/video0",
        "/run/credentials/affectd@lobby.service/mqtt-password: No such file",
        "(/base/soc/i2c0mux/i2c@1/imx219@10)",
        "401 Unauthorized (authorization failed)",
        "authentication failed",
        "[rtsp @ 0x55d0c8] method DESCRIBE failed: 401 Unauthorized",
        "frame=  12 fps=0.0 q=-1.0 size=    1KiB time=00:00:00.40 bitrate=  10.7kbits/s",
        "keyframe interval: 25",
        "no key frame",
        "author: Jane",
        "compass: 3, passed: 5",
        "Passive mode: on",
        "highpass=f=200",
        "pass 1 of 2",
        "token ring",
        "unexpected token",
        "wrong password",
        "wrong password, try again",
        "(wrong password) closing",
        "wrong password\nclosing",
        "password incorrect",
        "the password is wrong",
        "the password is not set",
        "Access token has expired",
        "Bearer token invalid",
        "Basic authentication required",
        "response: 401",
        "auth::login failed",
        "server -p 8554",
    ] {
        assert_eq!(redacted(text), text);
    }
}

#[test]
fn an_argument_may_announce_the_next() {
    let shown = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        redacted_arguments(&arguments).join("|")
    };
    assert_eq!(
        shown(&["cam", "--password", "my x", "-i"]),
        "cam|--password|***|-i"
    );
    assert_eq!(shown(&["--password=my x", "y"]), "--password=***|y");
    assert_eq!(shown(&["-u", "admin:x", "-u", "admin"]), "-u|***|-u|admin");
    assert_eq!(shown(&["-p", "8554", "-P", "x"]), "-p|8554|-P|***");
    assert_eq!(shown(&["-H", "Authorization: Basic x"]), "-H|Authorization: ***");
    assert_eq!(shown(&["Authorization:", "Basic", "x"]), "Authorization:|***|***");
    assert_eq!(shown(&["--token", "", "x"]), "--token||x");
    assert_eq!(shown(&["-i", "rtsp://a:b@cam/"]), "-i|rtsp://***@cam/");
}

#[test]
fn a_credential_may_begin_in_the_line_before_and_end_after_the_cut() {
    let line = |before: &str, line: &str| redacted_line(before, line, false, &KnownSecrets::default());
    assert_eq!(line("rtsp://admin:hun", "ter2@cam/x"), "***@cam/x");
    assert_eq!(line("rtsp://admin:hun", "ter2@cam"), "***@cam");
    assert_eq!(line("password:", "hunter2"), "***");
    assert_eq!(line("wrong password", "closing"), "closing");
    let cut = |line| redacted_line("", line, true, &KnownSecrets::default());
    assert_eq!(cut("x rtsp://a:1234"), "x rtsp://***");
    assert_eq!(cut("x rtsp://a:12 34"), "x rtsp://***");
    assert_eq!(cut("x rtsp://a:my hunt"), "x rtsp://***");
    assert_eq!(cut("x admin:hunt"), "x ***");
    assert_eq!(cut("x rtsp%3A%2F%2Fa%3Ahun"), "x rtsp%3A%2F%2F***");
    assert_eq!(cut("http://cam:80/ has ended"), "http://cam:80/ has ended");
}

#[test]
fn long_lines_take_linear_time() {
    for part in [
        "password ",
        "token: (",
        "'key=",
        "a://b:c ",
        "a://b:1/x y@",
        "-p x ",
        "%2525",
        "\x1b[",
    ] {
        let text = part.repeat(100_000 / part.len());
        assert!(redacted(&text).len() <= 2 * text.len());
    }
}

#[test]
fn terminal_controls_are_escaped() {
    assert_eq!(
        sanitized("a\x1b[31mred\r\n\u{9b}\u{202e}\u{fffe}ü", 100),
        "a\\u{1b}[31mred\\r\\n\\u{9b}\\u{202e}\\u{fffe}ü"
    );
    assert_eq!(
        escaped("\u{61c}\u{180e}\u{2028}\u{2029}", 9),
        r"\u{61c}\u{180e}\u{2028}\u{2029}"
    );
    assert_eq!(quoted("a\"\x07"), r#""a\"\u{7}""#);
    assert_eq!(path(Path::new("/tmp/\x1b[2J/größe")), "/tmp/\\u{1b}[2J/größe");
}

#[test]
fn a_path_may_be_a_url() {
    assert_eq!(path(Path::new("rtsp://admin:x@cam/y")), "rtsp://***@cam/y");
    assert_eq!(path(Path::new("/dev/rtsp:/admin:x@cam/y")), "/dev/***@cam/y");
    let by_path = "/dev/v4l/by-path/pci-0000:00:14.0-usb-0:5:1.0-video-index0";
    assert_eq!(path(Path::new(by_path)), by_path);
    assert_eq!(
        path(Path::new("/photos/password list/a")),
        "/photos/password list/a"
    );
}

#[test]
fn long_text_is_cut() {
    assert_eq!(sanitized("abcdef", 6), "abcdef");
    assert_eq!(sanitized("abcdefg", 6), "abcdef…");
    assert_eq!(quoted(&"ä".repeat(61)), format!("\"{}…\"", "ä".repeat(60)));
}

#[test]
fn noncharacters_are_those_of_every_plane() {
    for c in [
        '\u{fffe}',
        '\u{ffff}',
        '\u{1fffe}',
        '\u{10ffff}',
        '\u{fdd0}',
        '\u{fdef}',
    ] {
        assert!(is_noncharacter(c), "{c:?}");
    }
    for c in ['a', '\u{fffd}', '\u{fdcf}', '\u{fdf0}', '\u{10000}'] {
        assert!(!is_noncharacter(c), "{c:?}");
    }
}

proptest! {
    #[test]
    fn no_password_of_a_url_is_left(password in "[!-~]{6,20}", host in "[a-z]{3,8}") {
        let safe = sanitized(&format!("open rtsp://admin:{password}@{host}/x: refused"), 200);
        prop_assert!(!safe.contains(&password), "{}", safe);
        // Parts such as "pw=" within the password hide more.
        if !password.contains(['=', ':', '>', '|', '(']) {
            prop_assert!(safe.ends_with(&format!("@{host}/x: refused")), "{}", safe);
        }
    }

    #[test]
    fn no_secret_is_left_in_any_text(before in "\\PC*", after in "\\PC*", line_break in any::<bool>()) {
        let secret = "gartenzwerg7";
        prop_assume!(!before.contains(secret) && !after.contains(secret));
        for form in [
            format!("rtsp://admin:{secret}@cam/"),
            format!("password={secret}"),
            format!("Password: {secret}"),
            format!(r#""password": "{secret}""#),
            format!("--password {secret}"),
            format!("Authorization: Basic {secret}"),
        ] {
            let text = format!("{before}{}{form}{after}", if line_break { "\n" } else { "" });
            let safe = redacted(&text);
            prop_assert!(!safe.contains(secret), "{text:?} {safe:?}");
        }
    }

    #[test]
    fn any_text_becomes_one_bounded_safe_line(text in any::<String>(), max in 0_usize..50) {
        let safe = sanitized(&text, max);
        prop_assert!(!safe.contains(is_unsafe));
        prop_assert!(safe.chars().count() <= 10 * max + 1);
    }
}
