//! Which region of the picture is searched when.

use std::time::Duration;

use super::search::SearchRegion;

/// How many quarters there are.
const QUARTERS: u32 = 4;

/// A face that got out of sight causes an expedited search, at most this many times per interval.
const EXPEDITED_SEARCH_DIVISOR: u32 = 4;

/// A settled region is searched at intervals of its rest divided by this: at the full rate for some seconds, since a
/// face may have stopped moving before a search could find it, and then ever more rarely.
const REST_DIVISOR: u32 = 8;

/// Searches of a region that only the body of a tracked face asks for come at this multiple of the interval.
const BODY_INTERVALS: u32 = 3;

/// How urgently something asks for a search of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum RegionDemand {
    /// Nothing asks for it.
    #[default]
    None,
    /// The only changes are where the body of a tracked face moves: a new face is hardly there.
    Body,
    /// At the full rate.
    Full,
}

/// What asks for a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// By index into [`SearchRegion::ALL`]: how urgently something asks for a search of the region.
    pub regions: [RegionDemand; SearchRegion::COUNT],
    /// By the same index: whether something in the region is not explained by the faces in sight.
    pub unsettled: [bool; SearchRegion::COUNT],
    /// Whether a face got out of sight, for which the whole picture may be searched early.
    pub expedite: bool,
}

/// When to search, and which region.
///
/// At the full rate the whole picture is searched every interval, and between two such searches one of the
/// quarters, in turn. Regions that nothing asks for are searched as a precaution, at an interval that grows from that
/// of the full rate to the still interval while they are settled.
#[derive(Debug)]
pub struct SearchSchedule {
    interval: Duration,
    still_interval: Duration,
    /// By index into [`SearchRegion::ALL`].
    regions: [RegionTimes; SearchRegion::COUNT],
    /// When any region was searched last.
    last: Option<Duration>,
    /// When the last search was that nothing asked for.
    unasked: Duration,
    /// Whether the last search went to the whole picture although a quarter was due too: a camera that is
    /// slower than the interval must not keep the quarters waiting for ever.
    owes_quarter: bool,
}

/// The searches of one region.
#[derive(Debug, Clone, Copy, Default)]
struct RegionTimes {
    /// When it was searched last.
    searched: Option<Duration>,
    /// When it may be searched again.
    due: Duration,
    /// When something in it was unexplained last.
    unsettled: Duration,
}

impl SearchSchedule {
    /// Searches the whole picture every `interval` at the full rate, and every `still_interval` at least.
    #[must_use]
    pub fn new(interval: Duration, still_interval: Duration) -> Self {
        Self {
            interval,
            still_interval,
            regions: [RegionTimes::default(); SearchRegion::COUNT],
            last: None,
            unasked: Duration::ZERO,
            owes_quarter: false,
        }
    }

    /// Sets the time between two searches of the whole picture at the full rate.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Whether [`SearchSchedule::next`] would return a region.
    #[must_use]
    pub fn is_due(&self, now: Duration, demand: &Demand, quarters: bool) -> bool {
        self.choose(now, demand, quarters).is_some()
    }

    /// The region to search at `now`, if any; without `quarters` only the whole picture is searched.
    pub fn next(&mut self, now: Duration, demand: &Demand, quarters: bool) -> Option<SearchRegion> {
        let unsettled = demand.unsettled.iter().zip(&mut self.regions);
        for (_, region) in unsettled.filter(|(is_unsettled, _)| **is_unsettled) {
            region.unsettled = now;
        }
        let region = self.choose(now, demand, quarters);
        let quarter = self.due_quarter(now, demand, quarters);
        self.owes_quarter = region == Some(SearchRegion::Whole) && quarter.is_some();
        if let Some(region) = region {
            self.record(region, now, demand.regions[region.index()] != RegionDemand::None);
        }
        region
    }

    fn choose(&self, now: Duration, demand: &Demand, quarters: bool) -> Option<SearchRegion> {
        let Some(last) = self.last else {
            return Some(SearchRegion::Whole);
        };
        let whole = self.is_region_due(SearchRegion::Whole, now, demand);
        match self.due_quarter(now, demand, quarters) {
            Some(quarter) if !whole || self.owes_quarter => return Some(quarter),
            _ if whole => return Some(SearchRegion::Whole),
            _ => {}
        }
        let since_last = now.saturating_sub(last);
        if demand.expedite && since_last >= self.interval / EXPEDITED_SEARCH_DIVISOR {
            return Some(SearchRegion::Whole);
        }
        if since_last >= self.interval / 2 {
            return self.choose_unasked(now, demand, quarters);
        }
        None
    }

    fn is_region_due(&self, region: SearchRegion, now: Duration, demand: &Demand) -> bool {
        let RegionTimes { searched, due, .. } = self.regions[region.index()];
        now >= due
            && match demand.regions[region.index()] {
                RegionDemand::None => false,
                RegionDemand::Body => searched.is_none_or(|searched| {
                    now.saturating_sub(searched) >= self.full_interval(region) * BODY_INTERVALS
                }),
                RegionDemand::Full => true,
            }
    }

    /// The quarter that is due and waits longest, half an interval after any other search.
    fn due_quarter(&self, now: Duration, demand: &Demand, quarters: bool) -> Option<SearchRegion> {
        let last = self.last?;
        if !quarters || now.saturating_sub(last) < self.interval / 2 {
            return None;
        }
        let due = |region: &SearchRegion| self.is_region_due(*region, now, demand);
        let quarters = SearchRegion::ALL[1..].iter().copied().filter(due);
        quarters.min_by_key(|region| self.regions[region.index()].due)
    }

    /// As a precaution, the whole picture, and in turn the quarters that have waited for long enough.
    fn choose_unasked(&self, now: Duration, demand: &Demand, quarters: bool) -> Option<SearchRegion> {
        let since = |region: SearchRegion| {
            let searched = self.regions[region.index()].searched;
            searched.map_or(Duration::MAX, |searched| now.saturating_sub(searched))
        };
        let is_due = |region: SearchRegion| {
            let is_unasked = demand.regions[region.index()] != RegionDemand::Body;
            is_unasked && since(region) >= self.precaution_interval(region, now)
        };
        if is_due(SearchRegion::Whole) {
            return Some(SearchRegion::Whole);
        }
        let longest = SearchRegion::ALL[1..]
            .iter()
            .copied()
            .max_by_key(|region| since(*region))?;
        let is_turn = now.saturating_sub(self.unasked) >= self.precaution_interval(longest, now) / 2;
        (quarters && is_turn && is_due(longest)).then_some(longest)
    }

    /// The time between two searches of a region that nothing asks for.
    fn precaution_interval(&self, region: SearchRegion, now: Duration) -> Duration {
        let rest = now.saturating_sub(self.regions[region.index()].unsettled);
        (rest / REST_DIVISOR).clamp(self.interval, self.still_interval.max(self.interval))
    }

    /// The time between two searches of a region at the full rate.
    fn full_interval(&self, region: SearchRegion) -> Duration {
        match region {
            SearchRegion::Whole => self.interval,
            SearchRegion::Quarter(_) => self.interval * QUARTERS,
        }
    }

    /// Records that `region` is searched at `now`, because something asked for it or as a precaution.
    fn record(&mut self, region: SearchRegion, now: Duration, was_asked: bool) {
        let interval = self.full_interval(region);
        let RegionTimes { searched, due, .. } = &mut self.regions[region.index()];
        *searched = Some(now);
        // On time: no drift caused by the frames' times. Late: missed searches are not made up for. An early
        // search replaces none.
        if now >= *due {
            let next = *due + interval;
            *due = if now < next { next } else { now + interval };
        }
        self.last = Some(now);
        if !was_asked {
            self.unasked = now;
        }
    }
}

#[cfg(test)]
mod tests {
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
            .filter_map(|now| {
                schedule
                    .next(now, &demand(now), quarters)
                    .map(|region| (now, region))
            })
            .collect()
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
    fn at_any_rate_the_whole_picture_comes_every_interval_and_each_quarter_every_fourth() {
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
        // In turn with the quarters, after the first.
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
        schedule.next(Duration::ZERO, &demand, true);
        let after = (0..10).filter(|ms| {
            schedule
                .next(Duration::from_millis(60_000 + ms), &demand, true)
                .is_some()
        });
        assert_eq!(after.count(), 1);
    }

    #[test]
    fn what_nothing_asks_for_is_searched_ever_more_rarely() {
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
                // As a precaution.
                (97_866, SearchRegion::Quarter(0)),
                (98_000, whole),
                (98_533, whole)
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
}
