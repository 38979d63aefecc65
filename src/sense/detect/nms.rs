//! From a network's many overlapping candidates to one detection a face.

use super::{Found, MAX_FOUND};
use crate::sense::{
    face::{Detection, Landmarks},
    geometry::{Point, Rect},
};

/// Candidates kept before suppression; of more, the best. A face yields a handful.
const MAX_CANDIDATES: usize = 256;

/// Boxes that share more than this (intersection over union) are one face.
const SAME_FACE: f32 = 0.3;

/// No candidate lies further out than this, in pixels; networks fed with garbage answer with garbage.
const FARTHEST: f32 = 1e5;

/// No face is narrower or lower, in pixels.
const SMALLEST: f32 = 1.0;

/// What a decoder found in one run; fixed in size.
#[derive(Debug, Default)]
pub struct Candidates {
    all: heapless::Vec<Detection, MAX_CANDIDATES>,
}

impl Candidates {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.all.clear();
    }

    /// Takes a candidate, unless it is nonsense (not finite, tiny, absurdly far). A score above 1 counts as 1.
    pub fn offer(&mut self, mut candidate: Detection) {
        if !plausible(&candidate) {
            return;
        }
        candidate.score = candidate.score.min(1.0);
        if let Err(candidate) = self.all.push(candidate)
            && let Some(worst) = self.all.iter_mut().min_by(|a, b| a.score.total_cmp(&b.score))
            && worst.score < candidate.score
        {
            *worst = candidate;
        }
    }

    /// Merges the candidates of each face and writes the best faces first; at most as many as `found` holds.
    ///
    /// Each face's place is the mean of its candidates weighted by score (as in MediaPipe's weighted
    /// suppression), which is steadier from frame to frame than the best candidate alone.
    pub fn suppress(&mut self, found: &mut Found) {
        found.clear();
        self.all.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        let mut taken = [false; MAX_CANDIDATES];
        for first in 0..self.all.len() {
            if taken[first] {
                continue;
            }
            if found.len() == MAX_FOUND {
                return;
            }
            let best = self.all[first];
            let mut mean = Mean::default();
            for (other, taken) in self.all.iter().zip(&mut taken).skip(first) {
                if !*taken && best.rect.iou(&other.rect) > SAME_FACE {
                    *taken = true;
                    mean.add(other);
                }
            }
            let _ = found.push(mean.detection(best.score)); // there is room: checked above
        }
    }
}

fn plausible(candidate: &Detection) -> bool {
    let Detection {
        rect,
        score,
        landmarks: l,
    } = candidate;
    let places = [
        rect.x,
        rect.y,
        rect.width,
        rect.height,
        l.right_eye.x,
        l.right_eye.y,
        l.left_eye.x,
        l.left_eye.y,
        l.nose.x,
        l.nose.y,
        l.mouth.x,
        l.mouth.y,
    ];
    // Written so that NaN fails.
    *score > 0.0
        && rect.width >= SMALLEST
        && rect.height >= SMALLEST
        && places.iter().all(|v| v.abs() < FARTHEST)
}

/// A mean of detections, weighted by score.
#[derive(Debug, Default)]
struct Mean {
    weight: f32,
    rect: Rect,
    landmarks: Landmarks,
}

impl Mean {
    fn add(&mut self, detection: &Detection) {
        self.weight += detection.score;
        let part = detection.score / self.weight;
        let towards = |mean: &mut f32, value: f32| *mean += (value - *mean) * part;
        let towards_point = |mean: &mut Point, value: &Point| {
            towards(&mut mean.x, value.x);
            towards(&mut mean.y, value.y);
        };
        towards(&mut self.rect.x, detection.rect.x);
        towards(&mut self.rect.y, detection.rect.y);
        towards(&mut self.rect.width, detection.rect.width);
        towards(&mut self.rect.height, detection.rect.height);
        towards_point(&mut self.landmarks.right_eye, &detection.landmarks.right_eye);
        towards_point(&mut self.landmarks.left_eye, &detection.landmarks.left_eye);
        towards_point(&mut self.landmarks.nose, &detection.landmarks.nose);
        towards_point(&mut self.landmarks.mouth, &detection.landmarks.mouth);
    }

    fn detection(&self, score: f32) -> Detection {
        Detection {
            rect: self.rect,
            score,
            landmarks: self.landmarks,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn at(x: f32, y: f32, size: f32, score: f32) -> Detection {
        Detection {
            rect: Rect {
                x,
                y,
                width: size,
                height: size,
            },
            score,
            landmarks: Landmarks::default(),
        }
    }

    fn suppress(all: &[Detection]) -> Vec<Detection> {
        let mut candidates = Candidates::default();
        all.iter().for_each(|d| candidates.offer(*d));
        let mut found = Found::new();
        candidates.suppress(&mut found);
        found.to_vec()
    }

    #[test]
    fn overlapping_boxes_become_one_at_their_weighted_mean() {
        let found = suppress(&[
            at(10.0, 0.0, 40.0, 0.9),
            at(13.0, 0.0, 40.0, 0.45),
            at(200.0, 0.0, 40.0, 0.6),
        ]);
        assert_eq!(found.len(), 2);
        assert!(
            (found[0].rect.x - 11.0).abs() < 1e-4 && found[0].score == 0.9,
            "{found:?}"
        );
        assert_eq!(found[1].rect.x, 200.0);
    }

    #[test]
    fn the_best_survive_when_there_are_too_many() {
        let many: Vec<_> = (0..400)
            .map(|i| at(i as f32 * 50.0, 0.0, 40.0, 0.1 + i as f32 * 0.002))
            .collect();
        let found = suppress(&many);
        assert_eq!(found.len(), MAX_FOUND);
        assert!(found.iter().all(|d| d.rect.x >= (400 - MAX_FOUND) as f32 * 50.0));
    }

    proptest! {
        #[test]
        fn what_is_found_is_sound_and_no_two_overlap_as_one_face_would(
            raw in proptest::collection::vec(any::<[f32; 5]>(), 0..400)
        ) {
            let all: Vec<_> = raw.iter().map(|[x, y, w, h, s]| Detection {
                rect: Rect { x: *x, y: *y, width: *w, height: *h },
                score: *s,
                landmarks: Landmarks::default(),
            }).collect();
            let found = suppress(&all);
            prop_assert!(found.len() <= MAX_FOUND);
            for d in &found {
                prop_assert!(d.score > 0.0 && d.score <= 1.0 && d.rect.x.is_finite() && d.rect.width > 0.0);
            }
        }
    }
}
