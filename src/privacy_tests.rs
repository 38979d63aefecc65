#![allow(clippy::unwrap_used)]
//! Tests of the parent module.

use std::{sync::mpsc, thread, time::Duration};

use super::*;

fn unreadable() -> Input {
    Input::Unreadable("it is gone".into())
}

/// A gate whose inputs are both off.
fn open_gate() -> PrivacyGate {
    let gate = PrivacyGate::new().unwrap();
    gate.set_switch(Input::Off);
    gate.set_command(Input::Off);
    gate
}

#[test]
fn the_gate_opens_only_if_both_inputs_are_off() {
    let inputs = [Input::Unknown, Input::Off, Input::On, unreadable()];
    for command in &inputs {
        for switch in &inputs {
            let gate = PrivacyGate::new().unwrap();
            assert!(gate.permit().is_none(), "closed at the start");
            gate.set_switch(switch.clone());
            gate.set_command(command.clone());
            let opens = (command, switch) == (&Input::Off, &Input::Off);
            assert_eq!(gate.permit().is_some(), opens, "{command:?} and {switch:?}");
            assert_eq!(gate.interrupt().is_raised(), !opens);
            assert_eq!(gate.privacy().reason().is_none(), opens);
        }
    }
}

#[test]
fn each_reason_is_named() {
    let reason = |command, switch| Privacy { command, switch }.reason().unwrap();
    assert_eq!(
        reason(Input::Unknown, Input::Off),
        "the broker has not answered yet"
    );
    assert_eq!(
        reason(Input::On, Input::Off),
        "privacy was turned on by a command"
    );
    assert_eq!(
        reason(unreadable(), Input::Off),
        "privacy cannot be commanded: it is gone"
    );
    assert_eq!(
        reason(Input::Off, Input::Unknown),
        "the privacy switch has not been read yet"
    );
    assert_eq!(reason(Input::Off, Input::On), "the privacy switch is on");
    assert_eq!(
        reason(Input::On, unreadable()),
        "privacy was turned on by a command, and the privacy switch cannot be read: it is gone"
    );
}

#[test]
fn a_permit_lapses_for_good() {
    let gate = open_gate();
    let before = gate.permit().unwrap();
    assert!(before.is_valid());
    gate.set_command(Input::On);
    assert!(!before.is_valid() && gate.permit().is_none());
    gate.set_command(Input::Off);
    assert!(!before.is_valid(), "what was seen before is not used after");
    assert!(gate.permit().unwrap().is_valid());
}

#[test]
fn closing_ends_a_wait() {
    let gate = open_gate();
    let waiter = gate.clone();
    let thread = thread::spawn(move || waiter.interrupt().wait(Duration::from_secs(3600)));
    gate.set_switch(Input::On);
    assert!(thread.join().unwrap());
}

#[test]
fn observers_receive_each_change_and_command() {
    let gate = PrivacyGate::new().unwrap();
    let (sender, changes) = mpsc::channel();
    let reader = gate.clone();
    gate.observe(move |privacy| {
        // Observers and permits see the same state.
        sender.send((privacy.is_on(), reader.permit().is_some())).unwrap();
    });
    gate.set_switch(Input::Off);
    assert!(gate.set_command(Input::Off));
    gate.set_switch(Input::Off);
    assert!(!gate.set_command(Input::Off), "no news, but answered");
    gate.set_command(Input::On);
    let observed: Vec<_> = changes.try_iter().collect();
    let (on, off) = ((true, false), (false, true));
    assert_eq!(observed, [on, on, off, off, on]);
}

#[test]
fn only_local_commands_are_revoked_locally() {
    let gate = PrivacyGate::new().unwrap();
    gate.set_switch(Input::Off);
    assert!(!gate.revoke_here(), "the broker has not answered");
    gate.command_here();
    assert!(
        !gate.revoke_here() && !gate.is_revocable_here(),
        "what it would say is unknown"
    );

    gate.set_command(Input::Off);
    gate.command_here();
    assert!(gate.permit().is_none() && gate.is_revocable_here());
    assert!(gate.revoke_here() && gate.permit().is_some());

    gate.command_here();
    gate.set_command(Input::On);
    assert!(!gate.revoke_here(), "commanded over MQTT as well");
    gate.command_here();
    assert!(!gate.revoke_here() && gate.permit().is_none());
    gate.set_command(Input::Off);
    assert!(gate.revoke_here() && gate.permit().is_some());
}
