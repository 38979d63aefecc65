//! A server with a token and TLS, as other machines reach it, and one on a Unix socket.

use std::fs;

use crate::common::{
    broker::{Broker, until},
    daemon::{Daemon, data, output},
    http::free_address,
    models,
};
use tempfile::TempDir;

const TOKEN: &str = "correct-horse-battery-staple";

/// A daemon on loopback whose server is set up as for a network, and the settings of that server.
struct Public {
    settings: Vec<String>,
    _daemon: Daemon,
    _folders: [TempDir; 2],
    /// Provides the certificates; nothing is published to it.
    _broker: Broker,
}

impl Public {
    fn start() -> Self {
        let (address, broker) = (free_address(), Broker::start());
        let (models, folder) = (models::folder(), TempDir::new().unwrap());
        let token = folder.path().join("token");
        fs::write(&token, format!("{TOKEN}\n")).unwrap();
        let settings = vec![
            format!("http.listen={address}"),
            format!("http.token_file={}", token.display()),
            format!("http.cert_file={}", broker.path("server.pem").display()),
            format!("http.key_file={}", broker.path("server.key").display()),
        ];
        let mut all = settings.clone();
        all.extend([
            format!("models={}", models.path().display()),
            format!("expression.model={}", models::TINY),
            "camera.source=files".to_owned(),
            format!("camera.path={}", data("pictures/astronaut.jpg")),
            "camera.repeat=true".to_owned(),
            "camera.rate=5".to_owned(),
        ]);
        let mut arguments = vec!["run"];
        for setting in &all {
            arguments.extend(["--set", setting]);
        }
        let daemon = Daemon::start(&arguments);
        Self {
            settings,
            _daemon: daemon,
            _folders: [models, folder],
            _broker: broker,
        }
    }

    /// Runs `affectd check --running` with additional settings.
    fn check(&self, more: &[&str]) -> (Option<i32>, String) {
        let mut arguments = vec!["check", "--running"];
        for setting in self
            .settings
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
        {
            arguments.extend(["--set", setting]);
        }
        let output = output(&arguments);
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text.into_owned())
    }
}

#[test]
fn the_running_daemon_is_asked_with_its_token_over_tls() {
    let public = Public::start();
    until("the daemon is ready", || public.check(&[]).0 == Some(0));
    let (_, text) = public.check(&[]);
    assert!(text.contains("progress") && text.contains("results"), "{text}");

    let other = TempDir::new().unwrap();
    let wrong = other.path().join("token");
    fs::write(&wrong, "another-token-of-some-length").unwrap();
    let (code, text) = public.check(&[&format!("http.token_file={}", wrong.display())]);
    assert!(code == Some(69) && text.contains("401"), "{text}");

    // A certificate other than the daemon's is not trusted, so the token is not sent.
    let stranger = Broker::start();
    let certificate = format!("http.cert_file={}", stranger.path("server.pem").display());
    let key = format!("http.key_file={}", stranger.path("server.key").display());
    let (code, text) = public.check(&[&certificate, &key]);
    assert!(code == Some(69) && text.contains("certificate"), "{text}");
}

#[test]
fn a_missing_daemon_or_http_address_is_reported() {
    let listen = format!("http.listen={}", free_address());
    let asked = output(&["check", "--running", "--set", &listen]);
    let text = String::from_utf8_lossy(&asked.stdout);
    assert!(
        asked.status.code() == Some(69) && text.contains("does not answer"),
        "{text}"
    );
    let asked = output(&["check", "--running"]);
    let text = String::from_utf8_lossy(&asked.stderr);
    assert!(
        asked.status.code() == Some(78) && text.contains("http.listen is empty"),
        "{text}"
    );
}

#[test]
fn a_unix_socket_is_served_and_removed() {
    let (models, folder) = (models::folder(), TempDir::new().unwrap());
    let socket = folder.path().join("http.sock");
    let listen = format!("http.listen=unix:{}", socket.display());
    // The socket of a daemon that was killed.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let models = format!("models={}", models.path().display());
    let model = format!("expression.model={}", models::TINY);
    let path = format!("camera.path={}", data("pictures/astronaut.jpg"));
    let daemon = Daemon::start(&[
        "run",
        "--set",
        &listen,
        "--set",
        &models,
        "--set",
        &model,
        "--set",
        "camera.source=files",
        "--set",
        &path,
        "--set",
        "camera.repeat=true",
    ]);
    until("the daemon is ready", || {
        output(&["check", "--running", "--set", &listen]).status.code() == Some(0)
    });
    daemon.signal("TERM");
    assert_eq!(daemon.wait().0, Some(0));
    assert!(!socket.exists());
}
