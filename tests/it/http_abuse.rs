//! Hostile requests to the HTTP server.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::common::{
    broker::until,
    http::{Events, Served, connect, get, send},
};

/// More memory than the server may keep of what it received.
const GROWTH: u64 = 4 << 20;

/// Pseudo-random numbers that are the same in every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// A malformed request.
fn malformed(numbers: &mut Numbers) -> Vec<u8> {
    let good = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: */*\r\n\r\n".to_vec();
    let mut request = good;
    match numbers.below(8) {
        // Bytes that no request begins with.
        0 => (0..64).map(|_| numbers.below(256) as u8).collect(),
        // One byte of the request line is replaced.
        1 => {
            request[numbers.below(14)] = b"\0\x7f\xff"[numbers.below(3)];
            request
        }
        2 => format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(20_000)).into_bytes(),
        3 => {
            let lines = "X: y\r\n".repeat(200 + numbers.below(200));
            format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").into_bytes()
        }
        4 => b"POST /privacy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n"
            .to_vec(),
        5 => {
            b"POST /privacy HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()
        }
        6 => b"POST /privacy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nON"
            .to_vec(),
        _ => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
    }
}

#[test]
fn ten_thousand_malformed_requests_are_refused_and_leave_nothing() {
    let served = Served::start(&[]);
    let mut numbers = Numbers(1);
    let mut refuse = |count: usize| {
        for _ in 0..count {
            let request = malformed(&mut numbers);
            let mut stream = connect(served.address);
            // The server may answer and close before it has read everything.
            let _ = stream.write_all(&request);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let is_success = answer.starts_with(b"HTTP/1.1 2") || answer.starts_with(b"HTTP/1.0 2");
            assert!(!is_success, "{}", request.escape_ascii());
        }
    };
    refuse(500);
    let before = served.settled();
    refuse(9_500);
    let after = served.daemon.resident();
    assert!(after < before + GROWTH, "{before} bytes before, {after} after");
    assert_eq!(get(served.address, "/healthz", "").status, 200);
}

#[test]
fn no_path_leads_out_of_the_page() {
    let served = Served::start(&[]);
    for path in [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/texts/../page.js",
        "/texts//en.json",
        "//page.js",
        "/page.js/",
        "/page.js%00",
        "/PAGE.JS",
        "/.git/config",
        "/texts/",
        "/events/",
        "/metrics/x",
    ] {
        let answer = get(served.address, path, "");
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        assert!(
            answer.head.contains("content-security-policy"),
            "{path}: {answer:?}"
        );
    }
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "POST"] {
        let answer = send(
            served.address,
            format!("{method} /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"),
        );
        assert!(matches!(answer.status, 400 | 405), "{method}: {answer:?}");
    }
}

#[test]
fn excess_connections_are_refused_and_idle_ones_expire() {
    let served = Served::start(&[]);
    let mut connections: Vec<TcpStream> = (0..200).map(|_| connect(served.address)).collect();
    // Connections beyond the limit receive an error and are closed.
    let mut told = 0;
    for stream in &mut connections[64..] {
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        told += usize::from(answer.starts_with("HTTP/1.1 503"));
    }
    assert!(told > 0, "nobody was told");
    // The idle ones do not keep others out for long.
    until("the server answers again", || {
        get(served.address, "/healthz", "").status == 200
    });
}

#[test]
fn readers_that_do_not_read_are_closed_and_cost_no_memory() {
    let served = Served::start(&[]);
    let before = served.settled();
    let silent: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = connect(served.address);
            write!(stream, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            stream
        })
        .collect();
    until("no more can follow the events", || {
        Events::status(served.address) == 503
    });
    // Endless requests, sent one byte at a time.
    let mut slow: Vec<TcpStream> = (0..8).map(|_| connect(served.address)).collect();
    for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\n" {
        for stream in &mut slow {
            let _ = stream.write_all(&[*byte]);
        }
    }
    assert_eq!(get(served.address, "/healthz", "").status, 200);
    until("the slow requests are ended", || {
        slow.iter_mut()
            .all(|stream| stream.write_all(b"X: y\r\n").is_err())
    });
    drop(silent);
    until("somebody else can follow the events", || {
        Events::status(served.address) == 200
    });
    let after = served.daemon.resident();
    assert!(after < before + GROWTH, "{before} bytes before, {after} after");
}
