//! The HTTP server of a running daemon, as a browser, a monitoring system and an intruder see it.

use crate::common::{
    broker::until,
    http::{Events, Served, get, post, send},
};

fn has_a_face(view: &serde_json::Value) -> bool {
    view["frame"]["faces"]
        .as_array()
        .is_some_and(|faces| !faces.is_empty())
}

#[test]
fn the_events_show_faces_until_privacy_is_commanded() {
    let served = Served::start(&[]);
    let mut events = Events::follow(served.address);
    let view = events.wait("a classified face", |view| {
        has_a_face(view) && view["frame"]["faces"][0]["quality"].is_object()
    });
    assert_eq!(
        (&view["device"], &view["camera"]["status"]),
        (&"lobby".into(), &"ok".into())
    );
    assert_eq!(view["mqtt"]["state"], "off");
    let frame = &view["frame"];
    let face = &frame["faces"][0];
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let (width, height) = (number(&frame["width"]), number(&frame["height"]));
    // The nose lies inside the box, and the box inside the frame.
    let [left, top, across, down] = [0, 1, 2, 3].map(|index| number(&face["box"][index]));
    let (x, y) = (number(&face["landmarks"][2][0]), number(&face["landmarks"][2][1]));
    assert!(
        left < x && x < left + across && top < y && y < top + down,
        "{face}"
    );
    assert!(
        left > 0.0 && left + across < width && top > 0.0 && top + down < height,
        "{face}"
    );
    let sum: f64 = face["probabilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|share| number(&share["probability"]))
        .sum();
    assert!((sum - 1.0).abs() < 1e-3, "{face}");
    assert!((0.2..3.0).contains(&number(&face["distance"])), "{face}");
    assert!(
        (0.1..0.9).contains(&number(&frame["quality"]["light"])),
        "{frame}"
    );

    assert_eq!(served.press("ON").json()["on"], true);
    let view = events.wait("privacy", |view| view["privacy"]["on"] == true);
    assert!(view["frame"].is_null() && view["scene"].is_null(), "{view}");
    assert_eq!(
        (&view["privacy"]["reason"], &view["privacy"]["revocable"]),
        (&"privacy was turned on by a command".into(), &true.into())
    );
    assert_eq!(served.press("OFF").json()["on"], false);
    events.wait("a face again", has_a_face);
}

#[test]
fn programs_learn_whether_the_daemon_works() {
    let served = Served::start(&[]);
    let mut events = Events::follow(served.address);
    events.wait("a face", has_a_face);
    for path in ["/healthz", "/readyz"] {
        let answer = get(served.address, path, "");
        assert_eq!(
            (answer.status, answer.json()["ok"].as_bool()),
            (200, Some(true)),
            "{answer:?}"
        );
    }
    // The camera is not wanted.
    served.press("ON");
    assert_eq!(get(served.address, "/readyz", "").status, 200);
    drop(served);

    let blind = Served::start(&[
        "camera.source=pipe",
        "camera.command=[\"sh\", \"-c\", \"exit 3\"]",
    ]);
    let mut answer = get(blind.address, "/readyz", "");
    until("the program has ended", || {
        answer = get(blind.address, "/readyz", "");
        answer.body.contains("ended")
    });
    assert_eq!(
        (answer.status, answer.json()["ok"].as_bool()),
        (503, Some(false)),
        "{answer:?}"
    );
    assert_eq!(
        get(blind.address, "/healthz", "").status,
        200,
        "no camera is no fault of the daemon"
    );
}

#[test]
fn the_page_is_served_with_restrictive_headers() {
    let served = Served::start(&[]);
    for (path, kind) in [
        ("/", "text/html"),
        ("/page.js", "text/javascript"),
        ("/page.css", "text/css"),
        ("/texts/en.json", "application/json"),
    ] {
        let answer = get(served.address, path, "");
        assert!(
            answer.status == 200 && answer.head.contains(&format!("content-type: {kind}")),
            "{answer:?}"
        );
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "cache-control: no-store",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(answer.head.contains(header), "{path}: {header}: {answer:?}");
        }
        assert!(!answer.head.contains("access-control"), "{answer:?}");
    }
}

#[test]
fn only_the_page_s_own_script_commands_privacy() {
    let served = Served::start(&[]);
    let own = format!("Origin: http://{}\r\n", served.address);
    for lines in [
        String::new(),
        own.clone(),
        "X-Affectd: 1\r\n".to_owned(),
        "X-Affectd: 1\r\nOrigin: http://evil.example\r\n".to_owned(),
        "X-Affectd: 1\r\nOrigin: null\r\n".to_owned(),
        format!("{own}{own}X-Affectd: 1\r\n"),
        format!("{own}X-Affectd: 1\r\nSec-Fetch-Site: cross-site\r\n"),
        format!("{own}X-Affectd: 1\r\nSec-Fetch-Site: same-site\r\n"),
    ] {
        let answer = post(served.address, "/privacy", "ON", &lines);
        assert_eq!(answer.status, 403, "{lines}: {answer:?}");
    }
    let own = format!("{own}X-Affectd: 1\r\n");
    for (body, status) in [
        ("on", 400),
        ("", 400),
        ("ON\n", 400),
        (&"O".repeat(17), 413),
        ("OFF", 200),
    ] {
        assert_eq!(
            post(served.address, "/privacy", body, &own).status,
            status,
            "{body}"
        );
    }
    assert_eq!(get(served.address, "/privacy", &own).status, 405);
    // Before a browser sends the header to another origin, it sends a preflight request.
    let preflight = format!(
        "OPTIONS /privacy HTTP/1.0\r\nHost: {}\r\nOrigin: http://evil.example\r\n\
         Access-Control-Request-Method: POST\r\n\r\n",
        served.address
    );
    let answer = send(served.address, preflight);
    assert!(
        answer.status == 405 && !answer.head.contains("access-control"),
        "{answer:?}"
    );
    let mut events = Events::follow(served.address);
    assert_eq!(events.next()["privacy"]["on"], false);
}

#[test]
fn foreign_host_names_are_refused() {
    let served = Served::start(&[]);
    let with_host = |host: &str| {
        send(
            served.address,
            format!("GET / HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
        )
    };
    for host in [
        "Host: evil.example\r\n",
        "Host: evil.example:8417\r\n",
        "Host: localhost.evil.example\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "Host: 192.168.0.7\r\n",
        "Host: 0.0.0.0\r\n",
        "Host: localhost:80:80\r\n",
    ] {
        assert_eq!(with_host(host).status, 421, "{host}");
    }
    for host in [
        "",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: \u{e4}\r\n",
    ] {
        assert_eq!(with_host(host).status, 400, "{host}");
    }
    for host in [
        "Host: localhost\r\n",
        "Host: 127.0.0.1:1\r\n",
        "Host: [::1]:9\r\n",
    ] {
        assert_eq!(with_host(host).status, 200, "{host}");
    }
    let target = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(send(served.address, target).status, 400);
}
