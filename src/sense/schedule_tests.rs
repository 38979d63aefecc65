//! When each region is searched.

use super::*;

fn schedule(rate: u32, seconds: u32, quarters: bool) -> Vec<(Duration, SearchRegion)> {
    searches(rate, seconds, quarters, |_| Demand {
        regions: [RegionDemand::Full; SearchRegion::COUNT],
        ..Demand::default()
    })
}

fn searches(
    rate: u32,
    seconds: u32,
    quarters: bool,
    demand: impl Fn(Duration) -> Demand,
) -> Vec<(Duration, SearchRegion)> {
    let mut schedule = new_schedule();
    let frames = (0..rate * seconds).map(|frame| Duration::from_secs(frame.into()) / rate);
    frames
        .filter_map(|now| search(&mut schedule, now, &demand(now), quarters).map(|region| (now, region)))
        .collect()
}

/// Searches the region that is due.
fn search(
    schedule: &mut SearchSchedule,
    now: Duration,
    demand: &Demand,
    quarters: bool,
) -> Option<SearchRegion> {
    let region = schedule.next(now, demand, quarters)?;
    schedule.record(region, now, demand);
    Some(region)
}

fn full_if(is_asked: bool) -> RegionDemand {
    if is_asked {
        RegionDemand::Full
    } else {
        RegionDemand::None
    }
}

fn new_schedule() -> SearchSchedule {
    SearchSchedule::new(Duration::from_millis(500), Duration::from_secs(10))
}

#[test]
fn the_whole_is_searched_each_interval_and_each_quarter_every_fourth() {
    for rate in [7, 10, 15, 30] {
        let searches = schedule(rate, 20, true);
        let count = |region: SearchRegion| searches.iter().filter(|(_, r)| *r == region).count();
        assert!(
            (39..=41).contains(&count(SearchRegion::Whole)),
            "at {rate}: {}",
            count(SearchRegion::Whole)
        );
        for corner in 0..4 {
            assert!(
                (9..=11).contains(&count(SearchRegion::Quarter(corner))),
                "at {rate}"
            );
        }
        assert!(searches.windows(2).all(|pair| pair[0].0 != pair[1].0));
    }
}

#[test]
fn a_slow_camera_still_gets_every_region() {
    let searches = schedule(1, 16, true);
    assert_eq!(searches.len(), 16);
    let whole = searches
        .iter()
        .filter(|(_, region)| *region == SearchRegion::Whole);
    // In turn with the quarters, after the first search.
    assert_eq!(whole.count(), 9);
}

#[test]
fn without_quarters_only_the_whole_is_searched() {
    let searches = schedule(20, 10, false);
    assert_eq!(searches.len(), 20);
    assert!(searches.iter().all(|(_, region)| *region == SearchRegion::Whole));
}

#[test]
fn after_a_pause_it_does_not_make_up_for_lost_searches() {
    let mut schedule = new_schedule();
    let demand = Demand {
        regions: [RegionDemand::Full; SearchRegion::COUNT],
        ..Demand::default()
    };
    search(&mut schedule, Duration::ZERO, &demand, true);
    let after = (0..10)
        .filter(|ms| search(&mut schedule, Duration::from_millis(60_000 + ms), &demand, true).is_some());
    assert_eq!(after.count(), 1);
}

#[test]
fn searches_without_demand_become_rarer() {
    let searches = searches(15, 200, true, |_| Demand::default());
    let at = |region: SearchRegion, seconds: std::ops::Range<f32>| -> Vec<f32> {
        let of = searches.iter().filter(|(_, other)| *other == region);
        let of = of.map(|(now, _)| now.as_secs_f32());
        of.filter(|now| seconds.contains(now)).collect()
    };
    let first = at(SearchRegion::Whole, 0.0..4.0);
    assert_eq!(first.len(), 8, "as at the full rate: {first:?}");
    let whole = at(SearchRegion::Whole, 0.0..200.0);
    let pauses: Vec<f32> = whole.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        pauses.windows(2).all(|pair| pair[1] > pair[0] - 0.1),
        "{pauses:?}"
    );
    assert!(
        pauses
            .iter()
            .rev()
            .take(5)
            .all(|pause| (pause - 10.0).abs() < 0.1),
        "{pauses:?}"
    );
    for corner in 0..4 {
        let quarter = at(SearchRegion::Quarter(corner), 120.0..200.0).len();
        assert!((1..=3).contains(&quarter), "quarter {corner}: {quarter}");
    }
}

#[test]
fn a_region_is_searched_at_the_full_rate_for_a_while_after_it_was_asked_for() {
    let moved = |now: Duration| {
        let unsettled = [(100..101).contains(&now.as_secs()), false, false, false, false];
        Demand {
            regions: unsettled.map(full_if),
            unsettled,
            expedite: false,
        }
    };
    let searches = searches(15, 110, false, moved);
    let count = |seconds: std::ops::Range<u64>| {
        let of = searches
            .iter()
            .filter(|(now, _)| seconds.contains(&now.as_secs()));
        of.count()
    };
    assert_eq!(count(90..100), 1);
    assert_eq!(count(100..105), 10);
    assert!(count(105..110) < 10);
}

#[test]
fn a_region_that_is_asked_for_after_a_rest_is_searched_at_once() {
    let moves = |now: Duration| Demand {
        regions: [now.as_secs() >= 97, false, now.as_secs() >= 97, false, false].map(full_if),
        ..Demand::default()
    };
    let searches = searches(15, 99, true, moves);
    let after: Vec<_> = searches
        .iter()
        .filter(|(now, _)| now.as_secs() >= 97)
        .map(|(now, region)| (now.as_millis(), *region))
        .collect();
    let (whole, quarter) = (SearchRegion::Whole, SearchRegion::Quarter(1));
    assert_eq!(
        after,
        [
            (97_000, whole),
            (97_266, quarter),
            (97_533, whole),
            (98_000, whole),
            (98_533, whole),
            (98_800, quarter)
        ]
    );
}

#[test]
fn a_face_out_of_sight_is_searched_for_early_and_not_in_every_frame() {
    let lost = |now: Duration| Demand {
        expedite: now > Duration::ZERO,
        ..Demand::default()
    };
    let searches = searches(20, 1, true, lost);
    assert_eq!(searches.len(), 7, "{searches:?}");
}

/// Searches a window where the schedule allows it, while everything asks for a search all the time. Returns
/// the times of the windows, and those of the regions.
fn windows_and_regions(seconds: u32) -> (Vec<Duration>, Vec<(Duration, SearchRegion)>) {
    let demand = Demand {
        regions: [RegionDemand::Full; SearchRegion::COUNT],
        unsettled: [true; SearchRegion::COUNT],
        expedite: false,
    };
    let mut schedule = new_schedule();
    let (mut windows, mut regions) = (Vec::new(), Vec::new());
    for now in (0..20 * seconds).map(|frame| Duration::from_secs(frame.into()) / 20) {
        let Some(region) = schedule.next(now, &demand, true) else {
            continue;
        };
        if schedule.allows_window(region, now, &demand) {
            schedule.record_window(now);
            windows.push(now);
        } else {
            schedule.record(region, now, &demand);
            regions.push((now, region));
        }
    }
    (windows, regions)
}

#[test]
fn windows_replace_whole_regions_for_a_bounded_time() {
    let (windows, regions) = windows_and_regions(40);
    assert!((60..=66).contains(&windows.len()), "{}", windows.len());
    let count = |region: SearchRegion| regions.iter().filter(|(_, r)| *r == region).count();
    // The whole picture is searched after four intervals of windows, each quarter after sixteen; nothing else
    // comes in between.
    assert!((15..=17).contains(&count(SearchRegion::Whole)), "{regions:?}");
    for quarter in &SearchRegion::ALL[1..] {
        assert!((3..=5).contains(&count(*quarter)), "{quarter:?}: {regions:?}");
    }
}

#[test]
fn only_an_unexplained_demand_allows_a_window() {
    let schedule = new_schedule();
    let asked = |demand: RegionDemand, is_unsettled: bool, expedite: bool| {
        let demand = Demand {
            regions: [demand; SearchRegion::COUNT],
            unsettled: [is_unsettled; SearchRegion::COUNT],
            expedite,
        };
        schedule.allows_window(SearchRegion::Whole, Duration::ZERO, &demand)
    };
    assert!(asked(RegionDemand::Full, true, false));
    assert!(asked(RegionDemand::None, true, true), "a face got out of sight");
    assert!(!asked(RegionDemand::Full, false, false), "a face that only moves");
    assert!(!asked(RegionDemand::Body, false, false));
    assert!(!asked(RegionDemand::None, false, false), "a precaution");
}
