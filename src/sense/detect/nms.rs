//! Non-maximum suppression: merges a network's overlapping candidates into one detection per face.

use super::{Detections, MAX_DETECTIONS};
use crate::sense::detection::Detection;

/// Maximum number of candidates kept before suppression; of more, the best are kept. A face yields a handful.
const MAX_CANDIDATES: usize = 256;

/// Largest coordinate of a candidate, in pixels; a network's output can be any number.
const LARGEST_COORDINATE: f32 = 1e5;

/// Smallest width and height of a candidate, in pixels.
const MIN_SIZE: f32 = 1.0;

/// The candidates of one run, of fixed capacity.
#[derive(Debug, Default)]
pub struct Candidates {
    all: heapless::Vec<Detection, MAX_CANDIDATES>,
}

impl Candidates {
    /// Removes all candidates.
    pub fn clear(&mut self) {
        self.all.clear();
    }

    /// Adds a candidate, unless it is implausible (not finite, tiny or far outside). Scores are clamped to 1.
    /// When full, the candidate replaces a worse one.
    pub fn push(&mut self, mut candidate: Detection) {
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

    /// Merges the candidates of each face and writes the faces to `found`, the best first.
    ///
    /// Each face's box and landmarks are the mean of its candidates weighted by score (as in MediaPipe's
    /// weighted suppression), which is steadier from frame to frame than the best candidate alone.
    pub fn suppress(&mut self, found: &mut Detections) {
        found.clear();
        self.all.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        let mut taken = [false; MAX_CANDIDATES];
        for first in 0..self.all.len() {
            if taken[first] {
                continue;
            }
            if found.len() == MAX_DETECTIONS {
                return;
            }
            let best = self.all[first];
            let (mut mean, mut weight) = (best, 0.0);
            for (other, taken) in self.all.iter().zip(&mut taken).skip(first) {
                if !*taken && best.is_same_face(other) {
                    *taken = true;
                    weight += other.score;
                    mean = mean.lerp(other, other.score / weight);
                }
            }
            let _ = found.push(mean); // there is room: checked above
        }
    }
}

fn plausible(candidate: &Detection) -> bool {
    let Detection {
        rect,
        score,
        landmarks,
    } = candidate;
    let inside = |coordinate: f32| coordinate.abs() < LARGEST_COORDINATE;
    // Written so that NaN fails.
    *score > 0.0
        && rect.width >= MIN_SIZE
        && rect.height >= MIN_SIZE
        && [rect.x, rect.y, rect.width, rect.height].into_iter().all(inside)
        && landmarks
            .points()
            .iter()
            .all(|point| inside(point.x) && inside(point.y))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::sense::{detection::Landmarks, geometry::Rect};

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
        all.iter().for_each(|d| candidates.push(*d));
        let mut found = Detections::new();
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
        assert_eq!(found.len(), MAX_DETECTIONS);
        assert!(
            found
                .iter()
                .all(|d| d.rect.x >= (400 - MAX_DETECTIONS) as f32 * 50.0)
        );
    }

    proptest! {
        #[test]
        fn any_boxes_give_valid_bounded_detections(
            raw in proptest::collection::vec(any::<[f32; 5]>(), 0..400)
        ) {
            let all: Vec<_> = raw.iter().map(|[x, y, w, h, s]| Detection {
                rect: Rect { x: *x, y: *y, width: *w, height: *h },
                score: *s,
                landmarks: Landmarks::default(),
            }).collect();
            let found = suppress(&all);
            prop_assert!(found.len() <= MAX_DETECTIONS);
            for d in &found {
                prop_assert!(d.score > 0.0 && d.score <= 1.0 && d.rect.x.is_finite() && d.rect.width > 0.0);
            }
        }
    }
}
