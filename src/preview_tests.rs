#![allow(clippy::unwrap_used)]
//! Tests of the parent module.

use super::*;
use crate::privacy::Input;

const SECOND: Duration = Duration::from_secs(1);

/// An open gate, and a preview that is open for ten seconds.
fn open() -> (PrivacyGate, Preview) {
    let gate = PrivacyGate::new().unwrap();
    gate.set_switch(Input::Off);
    gate.set_command(Input::Off);
    let preview = Preview::new(&gate);
    preview.open(10 * SECOND);
    (gate, preview)
}

fn red(picture: &mut Picture) {
    picture.reset(1, 1).copy_from_slice(&[200, 0, 0]);
}

#[test]
fn a_picture_is_made_only_for_somebody_who_waits() {
    let (gate, preview) = open();
    let permit = gate.permit().unwrap();
    preview.offer(SECOND, permit, |_| panic!("nobody waits"));
    assert!(!preview.is_sending(SECOND));

    let mut receiver = preview.request(SECOND).unwrap();
    preview.offer(SECOND, permit, red);
    assert_eq!(receiver.try_recv().unwrap().picture().rgb(), [200, 0, 0]);
    assert!(preview.is_sending(2 * SECOND));
    assert!(
        !preview.is_sending(4 * SECOND),
        "nobody has asked for three seconds"
    );
}

#[test]
fn there_are_two_pictures_a_second() {
    let (gate, preview) = open();
    let permit = gate.permit().unwrap();
    let mut made = 0;
    for frame in 0..90 {
        let receiver = preview.request(SECOND);
        preview.offer(SECOND * frame / 30, permit, |picture| {
            made += 1;
            red(picture);
        });
        drop(receiver);
    }
    assert_eq!(made, 6, "in three seconds of 30 frames each");
}

#[test]
fn an_expired_preview_is_closed() {
    let (gate, preview) = open();
    assert!(preview.is_open(9 * SECOND));
    let mut receiver = preview.request(9 * SECOND).unwrap();
    preview.offer(10 * SECOND, gate.permit().unwrap(), |_| {
        panic!("its time is over")
    });
    assert!(receiver.try_recv().is_err());
    assert!(!preview.is_open(10 * SECOND) && preview.request(10 * SECOND).is_none());
}

#[test]
fn privacy_ends_the_preview() {
    let (gate, preview) = open();
    let permit = gate.permit().unwrap();
    let mut receiver = preview.request(SECOND).unwrap();
    gate.set_command(Input::On);
    assert_eq!(
        receiver.try_recv().unwrap_err(),
        oneshot::error::TryRecvError::Closed
    );
    gate.set_command(Input::Off);
    assert!(
        preview.request(SECOND).is_none(),
        "only the console opens it again"
    );

    // A picture that was being made while the gate closed is not handed over.
    preview.open(10 * SECOND);
    let mut receiver = preview.request(SECOND).unwrap();
    preview.offer(SECOND, permit, red);
    assert!(receiver.try_recv().is_err());
}
