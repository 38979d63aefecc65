#![allow(clippy::unwrap_used)]
//! Snapshots of every payload.

use std::time::Duration;

use serde::Serialize;

use super::{face::fractions, *};
use crate::{
    capture::CameraStatus,
    health::{Board, Health, ShedReason, Stage, StageLatency, Summary, WorkRate},
    json::Decimals,
    publish::{
        identity::Identity,
        samples::{face, identity, rate},
    },
    sense::{
        face::{Category, Label, Prediction, TrackedFace},
        geometry::Rect,
        report::Event,
        scene::{Scene, SceneCounts},
        visit::{Spread, Visit},
        visit_counters::{VisitCounters, VisitTotals},
    },
};

fn stamp() -> Stamp {
    Stamp {
        seq: 41,
        time: "2026-03-01T09:30:00.25Z".parse().unwrap(),
        age: Some(Duration::from_millis(52)),
    }
}

fn json(payload: impl Serialize) -> String {
    serde_json::to_string(&payload).unwrap()
}

fn state<'a>(identity: &'a Identity, faces: StateFaces<'_>, stamp: Stamp) -> StatePayload<'a> {
    StatePayload::new(identity, faces, Duration::from_secs(30), stamp)
}

fn scene_payload<'a>(identity: &'a Identity, scene: Option<&Scene>, stamp: Stamp) -> ScenePayload<'a> {
    ScenePayload::new(identity, scene, Duration::from_secs(30), stamp)
}

const NAMED: &str = r#"{"neutral":0.1,"happiness":0.7,"sadness":0.05,"surprise":0.05,"fear":0.025,"disgust":0.025,"anger":0.025,"contempt":0.025}"#;
const TAIL: &str = r#""boot":"00c0ffee00c0ffee","time":"2026-03-01T09:30:00.250Z""#;
const MODEL: &str = r#""model":{"name":"small","sha256":"0123456789ab","va":"projected"}"#;

#[test]
fn the_state_of_a_face() {
    let identity = identity();
    let attending = TrackedFace {
        attending: true,
        ..face(3)
    };
    let faces = [attending, face(4)];
    assert_eq!(
        json(state(&identity, StateFaces::Followed(&faces), stamp())),
        format!(
            r#"{{"category":"happiness","raw_category":"happiness","probabilities":{NAMED},"valence":0.65,"arousal":0.0,"attending":true,"raw":{{"probabilities":{NAMED},"valence":null,"arousal":0.0}},"faces":2,"track":3,"seq":41,{TAIL},"age":0.052,"refresh":30.0,{MODEL}}}"#
        )
    );
}

#[test]
fn the_state_without_a_face() {
    let identity = identity();
    for (faces, label, count) in [
        (StateFaces::Followed(&[]), "none", "0"),
        (StateFaces::Withheld, "withheld", "null"),
        (StateFaces::Unknown, "none", "null"),
    ] {
        let stamp = Stamp { age: None, ..stamp() };
        assert_eq!(
            json(state(&identity, faces, stamp)),
            format!(
                r#"{{"category":"{label}","raw_category":"{label}","probabilities":null,"valence":null,"arousal":null,"attending":null,"raw":null,"faces":{count},"track":null,"seq":41,{TAIL},"age":null,"refresh":30.0,{MODEL}}}"#
            )
        );
    }
}

#[test]
fn the_scene_of_a_group() {
    let identity = identity();
    let scene = Scene {
        counts: Some(SceneCounts {
            faces: 3,
            attending: 2,
            smiling: 1,
        }),
        label: Label::Category(Category::Happiness),
        prediction: Prediction {
            valence: Some(0.25),
            arousal: None,
            ..face(3).raw.unwrap()
        },
        occupied: true,
    };
    assert_eq!(
        json(scene_payload(&identity, Some(&scene), stamp())),
        format!(
            r#"{{"faces":3,"occupied":true,"attending":2,"smiling":1,"category":"happiness","probabilities":{NAMED},"valence":0.25,"arousal":null,"seq":41,{TAIL},"age":0.052,"refresh":30.0}}"#
        )
    );
}

#[test]
fn the_scene_without_faces() {
    let identity = identity();
    let withheld = Scene {
        counts: None,
        label: Label::Withheld,
        prediction: Prediction::default(),
        occupied: true,
    };
    let empty = Scene::default();
    let bridged = Scene {
        occupied: true,
        ..empty
    };
    for (scene, label, count, occupied) in [
        (Some(&empty), "none", "0", "false"),
        (Some(&bridged), "none", "0", "true"),
        (Some(&withheld), "withheld", "null", "null"),
        (None, "none", "null", "null"),
    ] {
        let stamp = Stamp { age: None, ..stamp() };
        assert_eq!(
            json(scene_payload(&identity, scene, stamp)),
            format!(
                r#"{{"faces":{count},"occupied":{occupied},"attending":{count},"smiling":{count},"category":"{label}","probabilities":null,"valence":null,"arousal":null,"seq":41,{TAIL},"age":null,"refresh":30.0}}"#
            )
        );
    }
}

#[test]
fn visits_of_another_day_are_not_today_s() {
    let identity = identity();
    let counters = VisitCounters {
        visits: 4,
        attended: 3,
        smiled: 1,
        seconds: 10.0,
        longest_s: 5.5,
    };
    let totals = VisitTotals {
        since_start: VisitCounters {
            visits: 5,
            ..counters
        },
        today: counters,
        day: Some("2026-03-01".parse().unwrap()),
    };
    let since_start = r#""since_start":{"visits":5,"attended":3,"smiled":1,"mean_s":2.0,"longest_s":5.5}"#;
    for (today, expected) in [
        (
            "2026-03-01",
            r#"{"visits":4,"attended":3,"smiled":1,"mean_s":2.5,"longest_s":5.5}"#,
        ),
        (
            "2026-03-02",
            r#"{"visits":0,"attended":0,"smiled":0,"mean_s":null,"longest_s":null}"#,
        ),
    ] {
        assert_eq!(
            json(VisitsPayload::new(
                &identity,
                &totals,
                today.parse().unwrap(),
                stamp().time
            )),
            format!(r#"{{{since_start},"today":{expected},"day":"{today}",{TAIL}}}"#)
        );
    }
}

#[test]
fn a_face_not_yet_classified_is_uncertain() {
    let identity = identity();
    let fresh = TrackedFace {
        raw: None,
        smoothed: None,
        ..face(3)
    };
    let payload = json(FacePayload::new(&identity, &fresh, (640, 480), stamp()));
    assert_eq!(
        payload,
        format!(
            r#"{{"category":"uncertain","raw_category":"uncertain","probabilities":null,"valence":null,"arousal":null,"attending":false,"raw":null,"track":3,"box":[0.1,0.1,0.25,0.5],"quality":0.8,"seq":41,{TAIL},"age":0.052,{MODEL}}}"#
        )
    );
}

#[test]
fn only_known_categories_are_named() {
    let identity = Identity {
        categories: Category::ALL[..7].to_vec(),
        ..identity()
    };
    let payload = json(FacePayload::new(&identity, &face(3), (640, 480), stamp()));
    assert!(
        payload.contains(r#""anger":0.025}"#) && !payload.contains("contempt"),
        "{payload}"
    );
}

#[test]
fn nan_and_infinity_become_null() {
    assert_eq!(
        json([f32::NAN, f32::INFINITY, -0.0].map(Decimals::<3>)),
        "[null,null,0.0]"
    );
    assert_eq!(json(fractions(&Rect::default(), (0, 0))), "[0.0,0.0,0.0,0.0]");
}

#[test]
fn events() {
    let identity = identity();
    let json = |event| json(EventPayload::new(&identity, &event, 9, stamp().time));
    let tail = format!(r#""seq":9,{TAIL}}}"#);
    assert_eq!(
        json(Event::Appeared {
            track: 1,
            continues: None
        }),
        format!(r#"{{"event":"appeared","track":1,"continues":null,{tail}"#)
    );
    assert_eq!(
        json(Event::Appeared {
            track: 2,
            continues: Some(1)
        }),
        format!(r#"{{"event":"appeared","track":2,"continues":1,{tail}"#)
    );
    assert_eq!(
        json(Event::Present {
            track: 1,
            seconds: 3.0
        }),
        format!(r#"{{"event":"present","track":1,"seconds":3.0,{tail}"#)
    );
    assert_eq!(
        json(Event::Left {
            track: 1,
            visit: Visit {
                seconds: 2.5,
                attended_s: 1.25,
                smiled_s: 0.5,
                shares: [0.5, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.125],
                valence: Some(Spread {
                    mean: 0.25,
                    min: -0.5,
                    max: 0.75
                }),
                arousal: None,
            }
        }),
        format!(
            r#"{{"event":"left","track":1,"seconds":2.5,"attended_s":1.25,"smiled_s":0.5,"shares":{{"neutral":0.5,"happiness":0.2,"sadness":0.0,"surprise":0.0,"fear":0.0,"disgust":0.0,"anger":0.0,"contempt":0.125}},"valence":{{"mean":0.25,"min":-0.5,"max":0.75}},"arousal":null,{tail}"#
        )
    );
    assert_eq!(
        json(Event::Changed {
            track: 1,
            from: Label::Uncertain,
            to: Label::Category(Category::Anger)
        }),
        format!(r#"{{"event":"changed","track":1,"from":"uncertain","to":"anger",{tail}"#)
    );
}

#[test]
fn camera_and_health() {
    let identity = identity();
    let time = stamp().time;
    assert_eq!(
        json(CameraPayload::new(
            &identity,
            CameraStatus::Missing,
            "no \"camera\"",
            time
        )),
        format!(r#"{{"status":"missing","reason":"no \"camera\"",{TAIL}}}"#)
    );
    let milliseconds = Duration::from_millis;
    let health = Health {
        fps: 14.96,
        drops: 3,
        latency: [StageLatency {
            stage: Stage::Detect,
            summary: Summary {
                p50: milliseconds(9),
                p95: milliseconds(12),
                p99: milliseconds(20),
                ..Summary::default()
            },
        }]
        .into_iter()
        .collect(),
        board: Board {
            rss_bytes: Some(90_000_000),
            temperature_c: Some(61.5),
            undervoltage: Some(false),
            ..Board::default()
        },
        work_rate: WorkRate {
            fraction: 0.7,
            shed_reason: Some(ShedReason::Hot),
        },
        uptime: Duration::from_millis(3_600_900),
    };
    assert_eq!(
        json(HealthPayload::new(&identity, &health, rate(0.5), 2, time)),
        format!(
            r#"{{"fps":15.0,"drops":3,"latency":{{"detect":{{"p50":9.0,"p95":12.0,"p99":20.0}}}},"temperature":61.5,"throttled":null,"undervoltage":false,"shed":0.3,"shed_reason":"hot","rss":90000000,"uptime":3600,"rate":0.5,"events_dropped":2,{TAIL}}}"#
        )
    );
}
