//! The data about a tracked face apart from its position.

use std::time::Duration;

use super::{
    attention::{Attention, HeadPose},
    cached_classification::CachedClassification,
    classify::Classification,
    crop_quality::CropQuality,
    face::{Label, Prediction},
    rate::RateLimiter,
    report::Event,
    smooth::Smoother,
};

/// The state of a track apart from its position.
pub struct TrackState {
    /// Number of the track.
    pub track: u32,
    /// Means over time.
    pub smoother: Smoother,
    /// The head's estimated pose, if the landmarks show one.
    pub pose: Option<HeadPose>,
    /// Whether the face looks towards the camera, with hysteresis.
    pub attention: Attention,
    /// The network's last prediction, before smoothing.
    pub raw: Option<Prediction>,
    /// Quality of the last crop.
    pub quality: Option<CropQuality>,
    /// The last classification.
    pub cached: Option<CachedClassification>,
    /// Limits its classifications.
    pub classifications: RateLimiter,
    /// The label that was reported last.
    pub label: Label,
}

impl TrackState {
    /// Smooths a new classification; returns an event if the label changed.
    pub fn update(&mut self, captured: Duration, classification: &Classification) -> Option<Event> {
        self.raw = Some(classification.prediction);
        self.quality = Some(classification.quality);
        let smoothed = self.smoother.update(
            captured,
            &classification.prediction,
            classification.quality.value(),
        );
        let from = std::mem::replace(&mut self.label, smoothed.label);
        (from != smoothed.label).then_some(Event::Changed {
            track: self.track,
            from,
            to: smoothed.label,
        })
    }
}
