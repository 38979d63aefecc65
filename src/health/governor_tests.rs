//! Tests of the parent module, over simulated boards.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

const SETTINGS: Health = Health {
    hot_c: 75.0,
    cool_c: 70.0,
    dwell: Duration::from_millis(20000),
};

fn board(temperature_c: f32) -> Board {
    Board {
        temperature_c: Some(temperature_c),
        ..Board::default()
    }
}

/// Updates once a second for `seconds`, from the second `from` on; returns the rate fraction after each.
fn hold(governor: &mut Governor, from: u32, seconds: u32, board: &Board, load: f32) -> Vec<f32> {
    (from..from + seconds)
        .map(|second| governor.update(SECOND * second, board, load).fraction)
        .collect()
}

/// A board in a case behind glass: warms and cools with the sun and with its own work.
struct Kiosk {
    celsius: f32,
}

impl Kiosk {
    /// Self-heating at the full rate, in degrees.
    const WARMING: f32 = 42.0;
    const TIME_CONSTANT_S: f32 = 180.0;

    /// Simulates one second at hour 0 to 24 of the day, at the rate `fraction`.
    fn second(&mut self, hour: f32, fraction: f32) {
        // 12 degrees at four in the morning, 48 at four in the afternoon.
        let outside = 30.0 - 18.0 * ((hour - 4.0) / 24.0 * std::f32::consts::TAU).cos();
        let rest = outside + Self::WARMING * fraction;
        self.celsius += (rest - self.celsius) / Self::TIME_CONSTANT_S;
    }
}

#[test]
fn a_hot_day_stays_below_the_throttle_without_flapping() {
    let mut governor = Governor::new(SETTINGS);
    let mut kiosk = Kiosk { celsius: 40.0 };
    let (mut hottest, mut rate, mut changes) = (0.0_f32, WorkRate::FULL, Vec::new());
    for second in 0..24 * 3600 {
        let hour = second as f32 / 3600.0;
        kiosk.second(hour, rate.fraction);
        hottest = hottest.max(kiosk.celsius);
        let new = governor.update(SECOND * second, &board(kiosk.celsius), 0.5 * rate.fraction);
        if new.fraction != rate.fraction {
            changes.push((second, rate.fraction, new.fraction));
        }
        rate = new;
        if !(9.0..23.0).contains(&hour) {
            assert_eq!(
                rate,
                WorkRate::FULL,
                "at {hour:.1} h and {:.1} degrees",
                kiosk.celsius
            );
        }
        assert_eq!(rate.shed_reason.is_some(), rate.fraction < 1.0);
    }
    // Without a governor it would reach 90 degrees; a Raspberry Pi slows itself down at 80.
    assert!((75.0..77.0).contains(&hottest), "{hottest} degrees");
    assert!(
        changes.iter().any(|(_, _, fraction)| *fraction <= 0.7),
        "{changes:?}"
    );
    for pair in changes.windows(2) {
        let [(earlier, ..), (later, from, to)] = pair else {
            unreachable!()
        };
        let apart = if to > from { 60 } else { 20 };
        assert!(later - earlier >= apart, "{pair:?}");
    }
    // The board's own heat makes it oscillate around the limit, but slowly, because it must cool by five
    // degrees first.
    let hours = 14;
    assert!(changes.len() < 20 * hours, "{} changes", changes.len());
}

#[test]
fn a_warm_board_keeps_its_rate() {
    let mut governor = Governor::new(SETTINGS);
    assert_eq!(hold(&mut governor, 0, 1, &board(75.0), 0.5), [0.7], "at once");
    assert!(
        hold(&mut governor, 1, 3600, &board(72.0), 0.5)
            .iter()
            .all(|fraction| *fraction == 0.7)
    );
    let fractions = hold(&mut governor, 3601, 61, &board(69.9), 0.5);
    assert_eq!(
        (fractions[59], fractions[60]),
        (0.7, 1.0),
        "three times the dwell"
    );
}

#[test]
fn lasting_heat_lowers_the_rate_in_steps_to_a_minimum() {
    let mut governor = Governor::new(SETTINGS);
    let fractions = hold(&mut governor, 0, 200, &board(90.0), 0.5);
    assert_eq!(
        [
            fractions[0],
            fractions[19],
            fractions[20],
            fractions[40],
            fractions[60],
            fractions[199]
        ],
        [0.7, 0.7, 0.5, 0.35, 0.25, 0.25]
    );
    assert_eq!(governor.work_rate().shed_reason, Some(ShedReason::Hot));
}

#[test]
fn throttle_bits_of_this_moment_count_and_those_since_boot_do_not() {
    for (throttled, undervoltage, reason) in [
        (0b0001, true, Some(ShedReason::Undervoltage)),
        (0b0010, false, Some(ShedReason::Throttled)),
        (0b0100, false, Some(ShedReason::Throttled)),
        (0b1000, false, None),
        (0xf_0000, false, None),
    ] {
        let board = Board {
            throttled: Some(throttled),
            undervoltage: Some(undervoltage),
            ..board(50.0)
        };
        let mut governor = Governor::new(SETTINGS);
        assert_eq!(
            governor.update(SECOND, &board, 0.5).shed_reason,
            reason,
            "{throttled:b}"
        );
    }
}

#[test]
fn a_flickering_supply_keeps_the_low_rate() {
    let mut governor = Governor::new(SETTINGS);
    for second in 0..600 {
        let board = Board {
            undervoltage: Some(second % 45 == 0),
            ..Board::default()
        };
        governor.update(SECOND * second, &board, 0.3);
    }
    assert_eq!(
        governor.work_rate().fraction,
        0.25,
        "it dips more often than it is trusted again"
    );
    let fractions = hold(&mut governor, 600, 300, &Board::default(), 0.3);
    assert_eq!(fractions[299], 1.0);
}

#[test]
fn a_slow_board_finds_the_rate_that_it_can_keep_and_stays_there() {
    let mut governor = Governor::new(SETTINGS);
    // At the full rate the work takes 1.6 times as long as the camera's frames.
    let mut fractions = Vec::new();
    for second in 0..3600 {
        let load = (1.6 * governor.work_rate().fraction).min(1.0);
        fractions.push(governor.update(SECOND * second, &Board::default(), load).fraction);
    }
    assert_eq!(
        (fractions[19], fractions[20], fractions[39], fractions[41]),
        (1.0, 0.7, 0.7, 0.5)
    );
    assert!(
        fractions[41..].iter().all(|fraction| *fraction == 0.5),
        "it does not go back to what it cannot do"
    );
    assert_eq!(governor.work_rate().shed_reason, Some(ShedReason::Overload));
}

#[test]
fn short_bursts_of_work_keep_full_rate() {
    let mut governor = Governor::new(SETTINGS);
    for second in 0..600 {
        let load = if second % 20 == 0 { 0.6 } else { 1.0 };
        assert_eq!(
            governor.update(SECOND * second, &Board::default(), load),
            WorkRate::FULL
        );
    }
}
