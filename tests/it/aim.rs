//! `affectd aim`: the control socket, and the page that it opens, as a console, a browser and an intruder see
//! them. tests/page tests the same in a real browser.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use affectd::http::aim::protocol::{Message, Request};
use tempfile::TempDir;

use crate::common::{
    broker::until,
    daemon::{Daemon, data, output},
    http::{Answer, get, post},
    models,
};

/// A daemon without a broker and without `http.listen`.
struct Board {
    runtime: TempDir,
    daemon: Daemon,
    _models: TempDir,
}

impl Board {
    fn start() -> Self {
        let (runtime, models) = (tempfile::tempdir().unwrap(), models::folder());
        let settings = [
            "device=lobby".to_owned(),
            format!("models={}", models.path().display()),
            format!("expression.model={}", models::TINY),
            "camera.source=files".to_owned(),
            format!("camera.path={}", data("pictures/astronaut.jpg")),
            "camera.repeat=true".to_owned(),
            "camera.rate=5".to_owned(),
        ];
        let mut arguments = vec!["run"];
        for setting in &settings {
            arguments.extend(["--set", setting]);
        }
        let daemon = Daemon::start_in(runtime.path(), &arguments);
        let board = Self {
            runtime,
            daemon,
            _models: models,
        };
        until("the control socket is there", || board.control().exists());
        board
    }

    fn control(&self) -> PathBuf {
        self.runtime.path().join("control")
    }
}

/// A connection to the control socket.
struct Console {
    lines: BufReader<UnixStream>,
}

impl Console {
    fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self {
            lines: BufReader::new(stream),
        }
    }

    fn send(&mut self, line: &str) {
        self.lines.get_mut().write_all(line.as_bytes()).unwrap();
    }

    /// The next message; `None` when the daemon has closed the connection.
    fn receive(&mut self) -> Option<Message> {
        let mut line = String::new();
        let length = self.lines.read_line(&mut line).unwrap_or(0);
        (length > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Begins a session, and returns the address of its page and the code that opens it.
    fn begin(&mut self, preview: bool) -> (SocketAddr, String) {
        self.send(&format!(
            "{}\n",
            serde_json::to_string(&Request { preview }).unwrap()
        ));
        match self.receive() {
            Some(Message::Began {
                address,
                code,
                seconds,
            }) => {
                assert!(address.ip().is_loopback());
                assert_eq!(seconds, 600);
                (address, code)
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Sends a code as the page does.
fn enter(address: SocketAddr, code: &str) -> Answer {
    post(
        address,
        "/aim",
        code,
        &format!("Origin: http://{address}\r\nX-Affectd: 1\r\n"),
    )
}

/// The cookie of an answer, as a line for the next request.
fn cookie(answer: &Answer) -> String {
    let line = answer
        .head
        .lines()
        .find(|line| line.starts_with("set-cookie: "))
        .unwrap();
    for part in ["httponly", "samesite=strict"] {
        assert!(line.contains(part), "{line}");
    }
    let pair = line.trim_start_matches("set-cookie: ").split(';').next().unwrap();
    format!("Cookie: other=1; {pair}\r\n")
}

#[test]
fn the_code_opens_figures_and_the_picture_until_the_console_leaves() {
    let board = Board::start();
    let mut console = Console::connect(&board.control());
    let (address, code) = console.begin(true);
    for path in ["/events", "/aim/picture", "/healthz", "/readyz", "/nothing"] {
        assert_eq!(get(address, path, "").status, 403, "{path}");
        assert_eq!(
            get(address, path, "Cookie: affectd-aim=0\r\n").status,
            403,
            "{path}"
        );
    }
    assert_eq!(
        get(address, "/page.js", "").status,
        200,
        "the page itself shows nothing of the device"
    );

    let foreign = "Origin: http://elsewhere.example\r\nX-Affectd: 1\r\n";
    assert_eq!(post(address, "/aim", &code, foreign).status, 403);
    let opened = enter(address, &code);
    assert_eq!(opened.status, 200);
    assert_eq!(opened.json()["preview"], true);
    let cookie = cookie(&opened);
    assert_eq!(console.receive(), Some(Message::Entered));
    until("a picture", || {
        let picture = get(address, "/aim/picture", &cookie);
        assert!(matches!(picture.status, 200 | 204), "{}", picture.head);
        picture.status == 200 && picture.head.contains("content-type: image/jpeg")
    });
    assert_eq!(console.receive(), Some(Message::Sending));
    assert_eq!(get(address, "/readyz", &cookie).status, 200);

    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(enter(address, &code).status, 403, "it is valid once");
    drop(console);
    until("the page is closed", || TcpStream::connect(address).is_err());
    board.daemon.signal("TERM");
    let (exit, log) = board.daemon.wait();
    assert_eq!(exit, Some(0));
    for line in [
        "aiming began",
        "picture is being sent",
        "picture is no longer sent",
        "aiming ended",
    ] {
        assert!(log.contains(line), "{line:?} is missing in\n{log}");
    }
    assert!(!log.contains(&code));
}

#[test]
fn without_preview_there_is_no_picture() {
    let board = Board::start();
    let mut console = Console::connect(&board.control());
    let (address, code) = console.begin(false);
    let opened = enter(address, &code);
    assert_eq!(opened.json()["preview"], false);
    assert_eq!(get(address, "/aim/picture", &cookie(&opened)).status, 204);
}

#[test]
fn a_new_console_ends_the_old() {
    let board = Board::start();
    let mut first = Console::connect(&board.control());
    let (address, code) = first.begin(true);
    let cookie = cookie(&enter(address, &code));
    assert_eq!(get(address, "/", &cookie).status, 200);
    let mut second = Console::connect(&board.control());
    let (later, _) = second.begin(false);
    until("the first page is closed", || {
        TcpStream::connect(address).is_err()
    });
    assert_ne!(later, address);
    let mut last = first.receive();
    while let Some(message) = last
        .as_ref()
        .filter(|message| !matches!(message, Message::Ended { .. }))
    {
        assert!(matches!(
            message,
            Message::Entered | Message::Sending | Message::NotSending
        ));
        last = first.receive();
    }
    let reason = "another console began to aim".to_owned();
    assert_eq!(last, Some(Message::Ended { reason }));
}

#[test]
fn invalid_control_lines_begin_no_session() {
    let board = Board::start();
    let long = format!("{}\n", "x".repeat(100_000));
    for line in [
        "\n",
        "{}\n",
        "{\"preview\":1}\n",
        "{\"preview\":true,\"minutes\":60}\n",
        &long,
    ] {
        let mut console = Console::connect(&board.control());
        // The daemon may close while the line is written.
        let _ = console.lines.get_mut().write_all(line.as_bytes());
        assert_eq!(console.receive(), None, "{line:.40}");
    }
    let idle: Vec<Console> = (0..4).map(|_| Console::connect(&board.control())).collect();
    assert_eq!(
        Console::connect(&board.control()).receive(),
        None,
        "there are too many"
    );
    drop(idle);
    until("there is room again", || {
        let mut console = Console::connect(&board.control());
        console.send("{\"preview\":false}\n");
        matches!(console.receive(), Some(Message::Began { .. }))
    });
}

#[test]
fn a_missing_daemon_is_reported() {
    let missing = data("no/control");
    let run = output(&["aim", "--socket", &missing]);
    assert_eq!(run.status.code(), Some(69));
    let message = String::from_utf8_lossy(&run.stderr);
    assert!(
        message.contains(&missing) && message.contains("does it run"),
        "{message}"
    );
}
