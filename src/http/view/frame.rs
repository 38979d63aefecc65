//! The newest frame.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{FaceView, rounded};
use crate::{
    http::{live::Frame, shared::Shared},
    sense::frame_quality::FrameQuality,
};

/// The newest frame: its size, its light, and the faces in it. There is no picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameView {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Counts the frames since the start.
    pub seq: u64,
    /// Seconds since it was captured.
    pub age: f32,
    /// Light and sharpness; `null` for a frame of less than three pixels.
    pub quality: Option<FrameQualityView>,
    /// Whether there are faces that `publish.min_faces` withholds.
    pub withheld: bool,
    /// The followed faces, the primary one first.
    pub faces: Vec<FaceView>,
}

/// Light and sharpness of a whole frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameQualityView {
    /// Mean brightness.
    pub light: f32,
    /// Share of the pixels that are nearly black.
    pub dark: f32,
    /// Share of the pixels that are nearly white.
    pub bright: f32,
    /// 0 without detail, 1 with the detail of a focused lens; depends on the scene.
    pub sharpness: f32,
    /// What is wrong: `dark`, `bright`, `backlit` (faces much darker than what is behind them), `blurred`.
    pub hints: Vec<String>,
}

/// Mean brightness below this is too dark.
const DARK: f32 = 0.15;
/// With a larger share of nearly white pixels the frame is too bright.
const BRIGHT: f32 = 0.3;
/// A face with less than this part of the frame's mean brightness is lit from behind.
const BACKLIT: f32 = 0.5;
/// Sharpness below this is out of focus.
const BLURRED: f32 = 0.2;

impl FrameView {
    pub(super) fn new(frame: &Frame, seq: u64, now: Duration, shared: &Shared) -> Self {
        let face = |face| FaceView::new(face, frame.size, shared);
        let light_of_faces = frame.faces.iter().filter_map(|face| Some(face.crop?.light));
        Self {
            width: frame.size.0,
            height: frame.size.1,
            seq,
            age: rounded(now.saturating_sub(frame.captured).as_secs_f32()),
            quality: frame
                .quality
                .as_ref()
                .map(|quality| FrameQualityView::new(quality, light_of_faces.reduce(f32::min))),
            withheld: frame.withheld,
            faces: frame.faces.iter().map(face).collect(),
        }
    }
}

impl FrameQualityView {
    /// `darkest_face` is the mean brightness of the darkest face.
    fn new(quality: &FrameQuality, darkest_face: Option<f32>) -> Self {
        let is_backlit = darkest_face.is_some_and(|face| face < quality.light * BACKLIT);
        let hints = [
            (quality.light < DARK, "dark"),
            (quality.bright > BRIGHT, "bright"),
            (is_backlit, "backlit"),
            (quality.sharpness < BLURRED, "blurred"),
        ];
        Self {
            light: rounded(quality.light),
            dark: rounded(quality.dark),
            bright: rounded(quality.bright),
            sharpness: rounded(quality.sharpness),
            hints: hints
                .into_iter()
                .filter(|(is_wrong, _)| *is_wrong)
                .map(|(_, hint)| hint.to_owned())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_what_is_wrong_with_the_light() {
        let good = FrameQuality {
            light: 0.5,
            dark: 0.0,
            bright: 0.0,
            sharpness: 0.6,
        };
        let hints = |quality: FrameQuality, face| FrameQualityView::new(&quality, face).hints.join(" ");
        assert_eq!(hints(good, Some(0.4)), "");
        assert_eq!(hints(good, Some(0.2)), "backlit");
        assert_eq!(hints(FrameQuality { light: 0.1, ..good }, None), "dark");
        assert_eq!(hints(FrameQuality { bright: 0.4, ..good }, None), "bright");
        let blurred = FrameQuality {
            sharpness: 0.1,
            light: 0.1,
            ..good
        };
        assert_eq!(hints(blurred, Some(0.01)), "dark backlit blurred");
    }
}
