//! Turns one picture into one report: tracks faces, classifies each at its rate, smooths, and reports what
//! changed.

use affectd_infer::InferError;
use std::time::Duration;

use jiff::civil::Date;

use super::{
    alignment::AlignedCrop,
    appearance::Appearance,
    attention::{Attention, HeadPose},
    cached_classification::CachedClassification,
    classify::{Classification, Classifications, Classifier},
    face::{Label, MAX_FACES, TrackedFace},
    face_tracker::{FaceTracker, FollowedFace},
    frame_quality::FrameQuality,
    intervals::Intervals,
    rate::RateLimiter,
    report::{Event, Report},
    scene::SceneSummary,
    smooth::Smoother,
    track_state::TrackState,
    visits::Visits,
};
use crate::{
    config::{self, Settings, Smoothing},
    health::Stage,
    luma::LumaGrid,
    picture::Picture,
};

/// The deterministic part of the daemon: pictures and their times go in, reports come out.
pub struct Sensor {
    face_tracker: FaceTracker,
    classifier: Box<dyn Classifier>,
    smoothing: Smoothing,
    attention: config::Attention,
    publish: config::Publish,
    /// Intervals at the full rate.
    full: Intervals,
    /// The fraction of the full rate at which to work.
    rate_fraction: f32,
    /// Limits frames while working below the full rate.
    frames: RateLimiter,
    /// Limits frames while nothing happens.
    rests: RateLimiter,
    /// Limits measurements of a whole picture's light and sharpness.
    qualities: RateLimiter,
    /// Limits how long they stay unmeasured when nothing else needs the picture.
    stale_quality: RateLimiter,
    tracks: heapless::Vec<TrackState, MAX_FACES>,
    results: Classifications,
    /// Whether the luma of this frame is known, so cached classifications may be reused.
    is_luma_known: bool,
    scene: SceneSummary,
    visits: Visits,
    report: Report,
}

/// When a frame was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTime {
    /// On the daemon's monotonic clock.
    pub captured: Duration,
    /// The local date, by which visits are counted.
    pub date: Date,
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Sense it.
    Sense,
    /// Nothing is happening and a frame was sensed recently, so this one needs no work.
    Rest,
    /// Drop it, because the machine works at a fraction of the full rate.
    Shed,
}

/// For each face of a frame, the classification that enters its means.
type FrameClassifications = [Option<Classification>; MAX_FACES];

/// Light changes slowly, and a technician who turns a lens wants to see the effect.
const QUALITY_INTERVAL: Duration = Duration::from_millis(250);

/// Sharpness can change without any other change of the picture.
const MAX_QUALITY_AGE: Duration = Duration::from_secs(5);

/// The changes of labels in one frame.
type Changes = heapless::Vec<Event, MAX_FACES>;

/// A face to classify in this frame.
#[derive(Debug, Clone, Copy)]
struct DueFace {
    /// Index into the frame's faces.
    index: usize,
    track: u32,
    crop: AlignedCrop,
    appearance: Appearance,
}

impl Sensor {
    /// Senses with the given face tracker and classifier.
    #[must_use]
    pub fn new(settings: &Settings, face_tracker: FaceTracker, classifier: Box<dyn Classifier>) -> Self {
        Self {
            face_tracker,
            classifier,
            smoothing: settings.smoothing,
            attention: settings.attention,
            publish: settings.publish,
            full: Intervals::full(settings),
            rate_fraction: 1.0,
            frames: RateLimiter::new(Duration::ZERO),
            rests: RateLimiter::new(Intervals::full(settings).follow),
            qualities: RateLimiter::new(QUALITY_INTERVAL),
            stale_quality: RateLimiter::new(MAX_QUALITY_AGE),
            tracks: heapless::Vec::new(),
            results: Classifications::new(),
            is_luma_known: false,
            scene: SceneSummary::new(&settings.smoothing, &settings.publish),
            visits: Visits::new(&settings.visit),
            report: Report::default(),
        }
    }

    /// Time spent inside the networks so far.
    #[must_use]
    pub fn network_time(&self) -> Duration {
        self.face_tracker.network_time() + self.classifier.network_time()
    }

    /// Works at a fraction of the full rate, above 0 and at most 1: fewer searches, classifications and,
    /// below 1, frames.
    pub fn set_rate_fraction(&mut self, rate_fraction: f32) {
        if rate_fraction == self.rate_fraction {
            return;
        }
        self.rate_fraction = rate_fraction;
        let intervals = self.full.at(rate_fraction, &self.smoothing);
        self.face_tracker.set_interval(intervals.search);
        self.frames.set_interval(intervals.frame);
        for track in &mut self.tracks {
            track.classifications.set_interval(intervals.classify);
        }
    }

    /// What to do with a frame that was captured at `captured`. At the full rate every frame is sensed while
    /// something happens, whatever the camera's rate.
    pub fn admit(&mut self, captured: Duration) -> Admission {
        if self.rate_fraction < 1.0 && !self.frames.is_due(captured) {
            return Admission::Shed;
        }
        self.frames.record(captured);
        if self.face_tracker.is_resting(captured) && !self.rests.is_due(captured) {
            return Admission::Rest;
        }
        self.rests.advance(captured);
        Admission::Sense
    }

    /// Takes the luma of a frame that was captured at `captured`. Returns whether its picture is needed; it
    /// is not if nothing has changed and no work is due.
    #[must_use = "tells whether to decode the frame"]
    pub fn observe(&mut self, luma: &LumaGrid, captured: Duration) -> bool {
        self.is_luma_known = !luma.cells().is_empty();
        self.report.size = (luma.width(), luma.height());
        let is_needed = self.face_tracker.observe(luma, captured);
        is_needed || self.stale_quality.is_due(captured)
    }

    /// Senses a frame after [`Sensor::observe`], from its picture if that is needed. `done` is called as each
    /// stage of the work ends, so the caller can time the stages.
    ///
    /// # Errors
    /// [`InferError`] if a network fails.
    pub fn sense(
        &mut self,
        picture: Option<&Picture>,
        time: FrameTime,
        done: &mut dyn FnMut(Stage),
    ) -> Result<&Report, InferError> {
        let FrameTime { captured, date } = time;
        self.face_tracker.update(picture, captured, done)?;
        let faces = self.face_tracker.faces();
        self.update_tracks(&faces);
        done(Stage::Track);

        let mut classifications = [None; MAX_FACES];
        if let Some(picture) = picture {
            let due = self.due_faces(&faces, picture, captured, &mut classifications);
            self.classify_due(picture, &due, captured, &mut classifications, done)?;
        }

        if let Some(picture) = picture
            && self.qualities.is_due(captured)
        {
            self.qualities.record(captured);
            self.stale_quality.restart(captured);
            self.report.quality = FrameQuality::measure(picture);
        }
        self.report.captured = Some(captured);
        self.report.faces.clear();
        self.report.events.clear();
        let changes = self.apply(&faces, &classifications, captured);
        self.summarize(captured, date, &changes);
        done(Stage::Smooth);
        Ok(&self.report)
    }

    /// How long an unseen face is kept. Without a usable frame for this long, all faces are lost.
    #[must_use]
    pub fn lost_after(&self) -> Duration {
        self.face_tracker.lost_after()
    }

    /// Drops all tracks and ends their visits, because no more usable frames arrive. The report has no faces,
    /// a `left` event for each visit unless single faces are withheld, and no time of a frame.
    pub fn lose_all(&mut self) -> &Report {
        self.face_tracker.clear();
        self.tracks.clear();
        let report = &mut self.report;
        report.faces.clear();
        report.events.clear();
        self.visits.end_all(&mut report.events);
        report.visits = self.visits.totals();
        report.scene = self.scene.update(&[], self.visits.is_any_open());
        report.withheld = false;
        report.quality = None;
        report.captured = None;
        if self.publish.min_faces > 1 {
            report.events.clear();
        }
        report
    }

    /// Drops the state of tracks that ended and adds that of new ones.
    fn update_tracks(&mut self, faces: &[FollowedFace]) {
        self.tracks
            .retain(|state| faces.iter().any(|face| face.track == state.track));
        let interval = self.full.at(self.rate_fraction, &self.smoothing).classify;
        for face in faces {
            if self.tracks.iter().all(|state| state.track != face.track) {
                // There is room for one state per face.
                let _ = self.tracks.push(TrackState {
                    track: face.track,
                    smoother: Smoother::new(&self.smoothing, self.publish.min_quality),
                    pose: None,
                    attention: Attention::new(&self.attention),
                    raw: None,
                    quality: None,
                    cached: None,
                    classifications: RateLimiter::new(interval),
                    label: Label::Uncertain,
                });
            }
        }
    }

    /// The state of a face in sight whose classification is due.
    fn due_state(&self, face: &FollowedFace, captured: Duration) -> Option<&TrackState> {
        let state = self.tracks.iter().find(|state| state.track == face.track)?;
        (face.seen && state.classifications.is_due(captured)).then_some(state)
    }

    /// The faces in sight that must be classified. If the cached classification is still valid, it is reused.
    /// Faces whose landmarks span no face are skipped; the next frame's landmarks may be better.
    fn due_faces(
        &self,
        faces: &[FollowedFace],
        picture: &Picture,
        captured: Duration,
        classifications: &mut FrameClassifications,
    ) -> heapless::Vec<DueFace, MAX_FACES> {
        let mut due = heapless::Vec::new();
        for (index, face) in faces.iter().enumerate() {
            let Some(state) = self.due_state(face, captured) else {
                continue;
            };
            let Some(crop) = AlignedCrop::fit(&face.detection.landmarks) else {
                continue;
            };
            let appearance = Appearance::of(picture, &crop);
            match &state.cached {
                Some(cached) if self.is_luma_known && cached.is_valid(&appearance, captured) => {
                    classifications[index] = Some(*cached.classification());
                }
                _ => {
                    // There is room for one per face.
                    let _ = due.push(DueFace {
                        index,
                        track: face.track,
                        crop,
                        appearance,
                    });
                }
            }
        }
        due
    }

    /// Classifies the faces in batches, and stores the results at the faces' indices.
    fn classify_due(
        &mut self,
        picture: &Picture,
        due: &[DueFace],
        captured: Duration,
        classifications: &mut FrameClassifications,
        done: &mut dyn FnMut(Stage),
    ) -> Result<(), InferError> {
        for batch in due.chunks(self.classifier.batch_size()) {
            let crops: heapless::Vec<AlignedCrop, MAX_FACES> = batch.iter().map(|face| face.crop).collect();
            self.classifier
                .classify_batch(picture, &crops, &mut self.results)?;
            for (face, result) in batch.iter().zip(&self.results) {
                classifications[face.index] = Some(*result);
                if let Some(state) = self.tracks.iter_mut().find(|state| state.track == face.track) {
                    let cached =
                        CachedClassification::new(result, &face.appearance, captured, state.cached.as_ref());
                    state.cached = Some(cached);
                }
            }
            done(Stage::Classify);
        }
        Ok(())
    }

    /// Updates the tracks' states with the classifications, reports every face, and returns the label
    /// changes.
    fn apply(
        &mut self,
        faces: &[FollowedFace],
        classifications: &FrameClassifications,
        captured: Duration,
    ) -> Changes {
        let mut changes = Changes::new();
        // With several threads, faces that arrived at different times should be classified in the same batch.
        let aligned = (self.classifier.batch_size() > 1)
            .then(|| {
                let next = |state: &TrackState| state.classifications.next_due(captured);
                self.tracks.iter().filter_map(next).min()
            })
            .flatten();
        for (face, classification) in faces.iter().zip(classifications) {
            let Some(state) = self.tracks.iter_mut().find(|state| state.track == face.track) else {
                continue;
            };
            if face.seen {
                state.pose = HeadPose::estimate(&face.detection.landmarks);
                state.attention.update(captured, state.pose);
            }
            if let Some(classification) = classification {
                state.classifications.record(captured);
                if let Some(due) = aligned {
                    state.classifications.align_to(due);
                }
                if let Some(event) = state.update(captured, classification) {
                    // There is room for one per face.
                    let _ = changes.push(event);
                }
            }
            // There is room for one face per track.
            let _ = self.report.faces.push(TrackedFace {
                track: face.track,
                detection: face.detection,
                seen: face.seen,
                pose: state.pose,
                attending: state.attention.is_attending(),
                quality: state.quality.map_or(0.0, |quality| quality.value()),
                crop: state.quality,
                raw: state.raw,
                smoothed: state.smoother.current(),
            });
        }
        changes
    }

    /// Reports the scene and the visits, and withholds single faces if only groups may be reported.
    fn summarize(&mut self, captured: Duration, date: Date, changes: &Changes) {
        let report = &mut self.report;
        self.visits
            .update(captured, date, &report.faces, &mut report.events);
        // After the visits' events: a face appears before its label changes.
        report.events.extend(changes.iter().copied());
        report.visits = self.visits.totals();
        report.scene = self.scene.update(&report.faces, self.visits.is_any_open());
        let groups_only = self.publish.min_faces > 1;
        report.withheld = groups_only && !report.faces.is_empty();
        if groups_only {
            report.faces.clear();
            report.events.clear();
        }
    }
}

#[cfg(test)]
#[path = "sensor_tests.rs"]
mod tests;
