//! The newest frame.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{FaceView, rounded};
use crate::{
    http::{live::Frame, shared::Shared},
    sense::{
        crop_quality::{CropQuality, Flaw},
        frame_quality::FrameQuality,
    },
};

/// The newest frame: its size, light and faces, but not the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameView {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Number of the frame since the start.
    pub seq: u64,
    /// Seconds since it was captured.
    pub age: f32,
    /// Light and sharpness; `null` for a frame that is less than three pixels wide or high.
    pub quality: Option<FrameQualityView>,
    /// Whether there are faces that `publish.min_faces` withholds.
    pub withheld: bool,
    /// The tracked faces, primary face first.
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
    /// What is wrong: `dark`, `bright`, `backlit` (a face is much darker than what is behind it), `blurred`
    /// (every face is: the lens is out of focus).
    pub hints: Vec<String>,
}

/// Mean brightness below this is too dark.
const DARK: f32 = 0.15;
/// A frame with a larger share of nearly white pixels is too bright.
const BRIGHT: f32 = 0.3;
/// A face with less than this fraction of the frame's mean brightness is backlit.
const BACKLIT: f32 = 0.5;

impl FrameView {
    pub(super) fn new(frame: &Frame, seq: u64, now: Duration, shared: &Shared) -> Self {
        let face = |face| FaceView::new(face, frame.size, shared);
        let crops = || frame.faces.iter().filter_map(|face| face.crop);
        Self {
            width: frame.size.0,
            height: frame.size.1,
            seq,
            age: rounded(now.saturating_sub(frame.captured).as_secs_f32()),
            quality: frame
                .quality
                .as_ref()
                .map(|quality| FrameQualityView::new(quality, crops)),
            withheld: frame.withheld,
            faces: frame.faces.iter().map(face).collect(),
        }
    }
}

impl FrameQualityView {
    /// Sharpness depends on the scene, so only faces show whether a frame is out of focus.
    fn new<C: Iterator<Item = CropQuality>>(quality: &FrameQuality, crops: impl Fn() -> C) -> Self {
        let is_backlit = crops().any(|crop| crop.light < quality.light * BACKLIT);
        let is_blurred = |crop: CropQuality| crop.flaws().any(|flaw| flaw == Flaw::Blurred);
        let are_blurred = crops().next().is_some() && crops().all(is_blurred);
        let hints = [
            (quality.light < DARK, "dark"),
            (quality.bright > BRIGHT, "bright"),
            (is_backlit, "backlit"),
            (are_blurred, "blurred"),
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
        let hints = |quality: FrameQuality, crops: &[CropQuality]| {
            FrameQualityView::new(&quality, || crops.iter().copied())
                .hints
                .join(" ")
        };
        let face = CropQuality::PERFECT;
        let blurred = CropQuality {
            sharpness: 0.1,
            ..face
        };
        let shaded = CropQuality { light: 0.2, ..face };
        assert_eq!(hints(good, &[face]), "");
        assert_eq!(hints(good, &[face, shaded]), "backlit");
        assert_eq!(hints(FrameQuality { light: 0.1, ..good }, &[]), "dark");
        assert_eq!(hints(FrameQuality { bright: 0.4, ..good }, &[]), "bright");
        assert_eq!(hints(good, &[blurred]), "blurred");
        assert_eq!(hints(good, &[face, blurred]), "", "the lens is in focus");
        // An empty wall has no detail either.
        assert_eq!(
            hints(
                FrameQuality {
                    sharpness: 0.0,
                    ..good
                },
                &[]
            ),
            ""
        );
    }
}
