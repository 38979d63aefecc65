//! Routes to a broker: client certificates, ALPN, Unix sockets, WebSocket, several brokers, slow links.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use affectd::{
    config::Mqtt,
    publish::{PublishErrorKind, probe_broker},
    sense::face::Category,
};

use crate::common::{
    broker::{Broker, until},
    proxy::{Behaviour, Proxy},
    publisher::{AVAILABILITY, Daemon, STATE, logged, showing},
};

/// Connects, publishes a state and checks that the broker has it.
fn publishes(broker: &Broker, settings: &Mqtt) {
    let daemon = Daemon::live(settings);
    daemon.report(Category::Surprise, &[]);
    until("the state is out", || {
        broker.retained_at(STATE).contains(&showing(Category::Surprise))
    });
    daemon.stop();
    assert_eq!(broker.retained_at(AVAILABILITY), "stopped");
}

/// Returns what `affectd check` reports.
fn check(settings: &Mqtt) -> String {
    match probe_broker(settings, &"lobby".parse().unwrap()) {
        Ok(probe) => probe.to_string(),
        Err(error) => {
            assert_ne!(error.kind, PublishErrorKind::Config);
            error.to_string()
        }
    }
}

fn with_certificate(broker: &Broker, certificate: &str, key: &Path) -> Mqtt {
    Mqtt {
        client_cert_file: broker.path(certificate),
        client_key_file: key.into(),
        ..broker.settings()
    }
}

/// Converts a key with openssl.
fn openssl(arguments: &[&str], input: &Path, output: &Path) {
    let made = Command::new("openssl")
        .args(arguments)
        .arg("-in")
        .arg(input)
        .arg("-out")
        .arg(output)
        .output()
        .expect("openssl is needed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_client_certificate_that_the_broker_requires() {
    let broker = Broker::with_lines("require_certificate true\n");
    let without = check(&broker.settings());
    assert!(without.contains("mqtt.client_cert_file"), "{without}");
    let foreign = check(&with_certificate(
        &broker,
        "other-server.pem",
        &broker.path("other-server.key"),
    ));
    assert!(
        foreign.contains("it does not accept the client certificate"),
        "{foreign}"
    );

    let pkcs8 = broker.path("client.key");
    let sec1 = broker.path("client-sec1.key");
    openssl(&["ec"], &pkcs8, &sec1);
    assert!(
        fs::read_to_string(&sec1)
            .unwrap()
            .contains("BEGIN EC PRIVATE KEY")
    );
    for key in [pkcs8, sec1] {
        let line = check(&with_certificate(&broker, "client.pem", &key));
        assert!(line.contains("accepts this device with MQTT 5"), "{line}");
    }
}

#[test]
fn a_unix_socket() {
    let folder = tempfile::TempDir::new().unwrap();
    let socket = folder.path().join("mqtt.sock");
    let broker = Broker::with_plain_lines(&format!("listener 0 {}\n", socket.display()));
    let settings = Mqtt {
        host: vec![socket.to_str().unwrap().to_owned()],
        ..broker.settings()
    };
    publishes(&broker, &settings);
    let nowhere = Mqtt {
        host: vec!["/nonexistent/mqtt.sock".to_owned()],
        ..settings
    };
    let line = check(&nowhere);
    assert!(
        line.starts_with("unix:/nonexistent/mqtt.sock: no connection"),
        "{line}"
    );
}

#[test]
fn a_websocket_with_and_without_tls() {
    for tls in [false, true] {
        let (broker, port) = Broker::with_websocket(tls);
        let settings = Mqtt {
            port,
            websocket_path: "/mqtt".into(),
            ..broker.settings()
        };
        let line = check(&settings);
        let scheme = if tls { "wss" } else { "ws" };
        assert!(
            line.starts_with(&format!("{scheme}://")) && line.contains("accepts"),
            "{line}"
        );
        publishes(&broker, &settings);
    }
}

#[test]
fn a_broker_that_does_not_speak_websocket_is_named() {
    let broker = Broker::without_tls();
    let line = check(&Mqtt {
        websocket_path: "/mqtt".into(),
        ..broker.settings()
    });
    assert!(line.contains("mqtt.websocket_path"), "{line}");
}

#[test]
fn a_wrong_server_name_is_reported() {
    let broker = Broker::start();
    let settings = Mqtt {
        host: vec!["127.0.0.1".to_owned()],
        server_name: "localhost".into(),
        ..broker.settings()
    };
    assert!(check(&settings).contains("accepts this device"));
    let wrong = Mqtt {
        server_name: "elsewhere".into(),
        ..settings
    };
    let line = check(&wrong);
    assert!(
        line.contains("subjectAltName for mqtt.server_name, elsewhere"),
        "{line}"
    );
}

/// A TLS endpoint of openssl with the broker's certificate, which offers one protocol (ALPN). It does not
/// speak MQTT.
struct TlsServer {
    process: Child,
    output: PathBuf,
    port: u16,
}

impl TlsServer {
    fn start(broker: &Broker, protocol: &str) -> Self {
        let output = broker.path(&format!("{}.output", protocol.replace('/', "-")));
        let process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-alpn", protocol])
            .arg("-cert")
            .arg(broker.path("server.pem"))
            .arg("-key")
            .arg(broker.path("server.key"))
            // It exits when its input is closed.
            .stdin(Stdio::piped())
            .stdout(File::create(&output).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is needed");
        let mut server = Self {
            process,
            output,
            port: 0,
        };
        until("openssl listens", || {
            let port = server
                .line("ACCEPT 127.0.0.1:")
                .and_then(|port| port.parse().ok());
            port.inspect(|port| server.port = *port).is_some()
        });
        server
    }

    /// What follows `start` in the first complete line that starts with it.
    fn line(&self, start: &str) -> Option<String> {
        let output = String::from_utf8_lossy(&fs::read(&self.output).unwrap()).into_owned();
        let line = output
            .split_inclusive('\n')
            .find(|line| line.starts_with(start))?;
        Some(line.strip_suffix('\n')?[start.len()..].trim().to_owned())
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_protocol_is_negotiated_in_the_tls_handshake() {
    let broker = Broker::start();
    let server = TlsServer::start(&broker, "x-amzn-mqtt-ca");
    let settings = Mqtt {
        port: server.port,
        alpn: "x-amzn-mqtt-ca".into(),
        ..broker.settings()
    };
    let daemon = Daemon::start(&settings);
    until("a protocol is selected", || {
        server.line("ALPN protocols selected:").as_deref() == Some("x-amzn-mqtt-ca")
    });
    drop(server);
    daemon.stop();

    let other = TlsServer::start(&broker, "http/1.1");
    let line = check(&Mqtt {
        port: other.port,
        ..settings
    });
    assert!(
        line.contains("it does not offer the protocol of mqtt.alpn"),
        "{line}"
    );
    assert_eq!(other.line("ALPN protocols selected:"), None);
}

#[test]
fn the_next_broker_is_used_and_the_first_is_retried_after_it() {
    let mut first = Broker::without_tls();
    first.end();
    let mut second = Broker::without_tls_at("127.0.0.2", first.port);
    let settings = Mqtt {
        host: vec!["127.0.0.1".into(), "127.0.0.2".into()],
        ..first.settings()
    };
    let line = check(&settings);
    assert!(
        line.contains("but mqtt://127.0.0.1") && line.contains("mqtt://127.0.0.2"),
        "{line}"
    );
    let daemon = Daemon::live(&settings);
    let port = first.port;
    assert_eq!(logged(&format!("127.0.0.1:{port} cannot be reached")), 1);
    daemon.report(Category::Sadness, &[]);
    until("the second has the state", || {
        second.retained_at(STATE).contains(&showing(Category::Sadness))
    });
    // The daemon keeps the second broker until that one goes away.
    first.run();
    second.end();
    until("the first has the state", || {
        first.retained_at(STATE).contains(&showing(Category::Sadness))
    });
    daemon.stop();
    assert_eq!(first.retained_at(AVAILABILITY), "stopped");
}

#[test]
fn states_on_a_slow_link_are_not_held_up_by_older_ones() {
    let broker = Broker::without_tls();
    let proxy = Proxy::start(
        broker.port,
        Behaviour {
            rate: Some(4000),
            ..Behaviour::default()
        },
    );
    let daemon = Daemon::live(&Mqtt {
        port: proxy.port,
        ..broker.settings()
    });
    let watcher = broker.watch();
    watcher.wait_for(STATE, "category");
    watcher.forget();
    // Far more than the link carries: 20 states and 20 faces a second, of about a kilobyte each.
    let begun = Instant::now();
    let before = Category::ALL
        .into_iter()
        .filter(|category| *category != Category::Contempt);
    for category in before
        .cycle()
        .take_while(|_| begun.elapsed() < Duration::from_secs(15))
    {
        daemon.report(category, &[]);
        thread::sleep(Duration::from_millis(50));
    }
    let arrived = watcher.messages().len();
    daemon.report(Category::Contempt, &[]);
    watcher.wait_for(STATE, &showing(Category::Contempt));
    // Only messages in flight come before it. Without a bound, those are all that the buffers hold.
    let messages = watcher.messages();
    let newest = messages
        .iter()
        .position(|message| message.topic == STATE && message.text().contains(&showing(Category::Contempt)));
    let older = newest.unwrap() - arrived;
    assert!(
        older <= 6,
        "{older} messages came before the newest state: {messages:#?}"
    );
    daemon.stop();
}
