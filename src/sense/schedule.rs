//! Decides when each region of the picture is searched.

use std::time::Duration;

use super::region::SearchRegion;

/// How many quarters there are.
const QUARTERS: u32 = 4;

/// A face that goes out of sight triggers an expedited search, at most this many times per interval.
const EXPEDITED_SEARCH_DIVISOR: u32 = 4;

/// How long a region is still searched at the full rate after it has settled, in seconds, because a face may
/// have stopped moving before a search could find it. After that the interval grows with the square of the
/// time at rest.
const SETTLED_S: f32 = 4.0;

/// A region that is searched only because of a tracked face's body is searched at this multiple of the
/// interval.
const BODY_INTERVALS: u32 = 3;

/// While windows are searched, whole regions are searched as a precaution at this multiple of their interval.
const WINDOW_INTERVALS: u32 = 4;

/// How long after the search of a window these searches stay that rare, in seconds. By the end of this time,
/// their interval has grown to the same length where nothing happens.
const WINDOW_S: f32 = 8.0;

/// How urgently something asks for a search of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegionDemand {
    /// Nothing asks for it.
    #[default]
    None,
    /// The only changes are where the body of a tracked face moves: a new face is unlikely there.
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
    /// Whether a face went out of sight, so the whole picture may be searched early.
    pub expedite: bool,
}

/// When to search, and which region.
///
/// At the full rate the whole picture is searched every interval, and between two such searches one of the
/// quarters, in turn. Regions that nothing asks for are searched as a precaution, at an interval that grows
/// from the full-rate interval to the still interval while they are settled.
#[derive(Debug)]
pub struct SearchSchedule {
    interval: Duration,
    still_interval: Duration,
    /// By index into [`SearchRegion::ALL`].
    regions: [RegionTimes; SearchRegion::COUNT],
    /// When any region was searched last.
    last: Option<Duration>,
    /// When a window was searched last.
    window: Option<Duration>,
    /// When a search that nothing asked for was last done.
    unasked: Duration,
    /// Whether the last search went to the whole picture although a quarter was due too: a camera slower than
    /// the interval must not starve the quarters.
    owes_quarter: bool,
}

/// The searches of one region.
#[derive(Debug, Clone, Copy, Default)]
struct RegionTimes {
    /// When all of it was searched last.
    searched: Option<Duration>,
    /// When all of it, or what had changed in it, was searched last.
    served: Option<Duration>,
    /// When a window first replaced its search since all of it was searched last.
    replaced: Option<Duration>,
    /// When it may be searched again.
    due: Duration,
    /// When something in it was last unexplained.
    unsettled: Duration,
}

impl RegionTimes {
    /// How long everything in it has been explained.
    fn rest(&self, now: Duration) -> Duration {
        now.saturating_sub(self.unsettled)
    }

    /// Records that the demand for a search was met at `now`.
    fn serve(&mut self, now: Duration, interval: Duration) {
        self.served = Some(now);
        // If on time, the schedule does not drift with the frames' times. If late, missed searches are not
        // made up for. A search that comes early by less than half an interval replaces the next.
        if now + interval / 2 > self.due {
            let next = self.due + interval;
            self.due = if now < next { next } else { now + interval };
        }
    }
}

/// The time since a search, or the longest possible if there was none.
fn since(search: Option<Duration>, now: Duration) -> Duration {
    search.map_or(Duration::MAX, |search| now.saturating_sub(search))
}

impl SearchSchedule {
    /// Searches the whole picture every `interval` at the full rate, and at least every `still_interval`.
    #[must_use]
    pub fn new(interval: Duration, still_interval: Duration) -> Self {
        Self {
            interval,
            still_interval,
            regions: [RegionTimes::default(); SearchRegion::COUNT],
            last: None,
            window: None,
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

    /// Whether everything in all searched regions has been explained for some seconds.
    #[must_use]
    pub fn is_settled(&self, now: Duration, quarters: bool) -> bool {
        let searched = if quarters { SearchRegion::COUNT } else { 1 };
        self.regions[..searched]
            .iter()
            .all(|region| region.rest(now).as_secs_f32() >= SETTLED_S)
    }

    /// The region to search at `now`, if any; without `quarters` only the whole picture is searched. The
    /// caller records what it searches.
    pub fn next(&mut self, now: Duration, demand: &Demand, quarters: bool) -> Option<SearchRegion> {
        let unsettled = demand.unsettled.iter().zip(&mut self.regions);
        for (_, region) in unsettled.filter(|(is_unsettled, _)| **is_unsettled) {
            region.unsettled = now;
        }
        let region = self.choose(now, demand, quarters);
        let quarter = self.due_quarter(now, demand, quarters);
        self.owes_quarter = region == Some(SearchRegion::Whole) && quarter.is_some();
        region
    }

    /// Records that all of `region` is searched at `now`.
    pub fn record(&mut self, region: SearchRegion, now: Duration, demand: &Demand) {
        let interval = self.full_interval(region);
        let times = &mut self.regions[region.index()];
        times.searched = Some(now);
        times.replaced = None;
        times.serve(now, interval);
        self.last = Some(now);
        if demand.regions[region.index()] == RegionDemand::None {
            self.unasked = now;
        }
    }

    /// Whether a window around everything that asks for a search may replace the search of `region`, which is
    /// due. It may not always, because some of what is there may not have moved.
    #[must_use]
    pub fn allows_window(&self, region: SearchRegion, now: Duration, demand: &Demand) -> bool {
        let index = region.index();
        let is_asked =
            demand.unsettled[index] && (demand.regions[index] == RegionDemand::Full || demand.expedite);
        is_asked && self.is_replaceable(region, now)
    }

    /// Records that a window is searched at `now` instead of whole regions. The next search comes when the
    /// whole picture is due; the quarters wait as long as if they had been searched, unless windows have
    /// replaced them for too long.
    pub fn record_window(&mut self, now: Duration) {
        self.regions[0].serve(now, self.interval);
        for quarter in SearchRegion::ALL[1..].iter().copied() {
            if self.is_replaceable(quarter, now) {
                self.regions[quarter.index()].due = now + self.full_interval(quarter);
            }
        }
        for region in &mut self.regions {
            region.served = Some(now);
            region.replaced.get_or_insert(now);
        }
        self.last = Some(now);
        self.window = Some(now);
        self.owes_quarter = false;
    }

    /// Whether a window may replace a search of `region`: only for some time after one first did.
    fn is_replaceable(&self, region: SearchRegion, now: Duration) -> bool {
        let longest = self.full_interval(region) * WINDOW_INTERVALS;
        self.regions[region.index()]
            .replaced
            .is_none_or(|replaced| now.saturating_sub(replaced) < longest)
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
        let times = &self.regions[region.index()];
        now >= times.due
            && match demand.regions[region.index()] {
                RegionDemand::None => false,
                RegionDemand::Body => since(times.served, now) >= self.full_interval(region) * BODY_INTERVALS,
                RegionDemand::Full => true,
            }
    }

    /// The due quarter that has waited longest, at the earliest half an interval after any other search.
    fn due_quarter(&self, now: Duration, demand: &Demand, quarters: bool) -> Option<SearchRegion> {
        let last = self.last?;
        if !quarters || now.saturating_sub(last) < self.interval / 2 {
            return None;
        }
        let due = |region: &SearchRegion| self.is_region_due(*region, now, demand);
        let quarters = SearchRegion::ALL[1..].iter().copied().filter(due);
        quarters.min_by_key(|region| self.regions[region.index()].due)
    }

    /// The region to search as a precaution: the whole picture or, in turn, a quarter that has waited long
    /// enough.
    fn choose_unasked(&self, now: Duration, demand: &Demand, quarters: bool) -> Option<SearchRegion> {
        // A search of a window covers everything that had changed.
        let since = |region: SearchRegion| since(self.regions[region.index()].searched.max(self.window), now);
        let is_due = |region: SearchRegion| {
            let is_unasked = demand.regions[region.index()] == RegionDemand::None;
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
        let least = if since(self.window, now).as_secs_f32() < WINDOW_S {
            self.full_interval(region) * WINDOW_INTERVALS
        } else {
            self.interval
        };
        let share = self.regions[region.index()].rest(now).as_secs_f32() / SETTLED_S;
        self.interval
            .mul_f32(share * share)
            .max(least)
            .min(self.still_interval.max(self.interval))
    }

    /// The time between two searches of a region at the full rate.
    fn full_interval(&self, region: SearchRegion) -> Duration {
        match region {
            SearchRegion::Whole => self.interval,
            SearchRegion::Quarter(_) => self.interval * QUARTERS,
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
