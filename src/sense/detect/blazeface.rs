//! BlazeFace (Bazarevsky et al.: "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs",
//! arXiv:1907.05047), as in MediaPipe: one row of 16 values and one score for each anchor.

use super::{DetectError, HeadDecoder, nms::Candidates, output};
use crate::sense::{
    detection::{Detection, Landmarks},
    geometry::{Point, Rect},
};
use affectd_infer::{Output, OutputInfo};

/// Values of each anchor: centre, size, and six landmarks. The last two, the ears, are not used.
const ROW: usize = 16;

/// The index of each output, and the anchors.
#[derive(Debug)]
pub struct BlazeFace {
    anchors: Vec<Point>,
    regressors: usize,
    classificators: usize,
}

impl BlazeFace {
    /// Finds the two outputs and places the anchors for an input of `width` x `height`.
    ///
    /// # Errors
    /// [`DetectError::OutputShape`] if an output is missing or its number of anchors fits no known grid.
    pub fn new(outputs: &[OutputInfo], width: usize, height: usize) -> Result<Self, DetectError> {
        let count = outputs
            .iter()
            .find(|o| o.name == "classificators")
            .and_then(|o| o.shape.get(1))
            .copied();
        // MediaPipe's graphs: the short-range network has two grids, the full-range network has one.
        let layouts: [&[(usize, usize)]; 2] = [&[(8, 2), (16, 6)], &[(4, 1)]];
        let anchors = layouts
            .into_iter()
            .map(|grids| anchors(grids, width, height))
            .find(|anchors| Some(anchors.len()) == count)
            .ok_or_else(|| DetectError::OutputShape {
                output: "classificators".into(),
                found: format!("{count:?} anchors"),
                expected: "as many as the short-range or the full-range network has".into(),
            })?;
        Ok(Self {
            regressors: output(outputs, "regressors", &[1, anchors.len(), ROW])?,
            classificators: output(outputs, "classificators", &[1, anchors.len(), 1])?,
            anchors,
        })
    }
}

impl HeadDecoder for BlazeFace {
    fn decode(&self, outputs: &[Output<'_>], min_score: f32, candidates: &mut Candidates) {
        let (regressors, scores) = (outputs[self.regressors].data, outputs[self.classificators].data);
        decode(&self.anchors, regressors, scores, min_score, candidates);
    }
}

/// Centres of the anchors in input pixels, for grids of `(stride, anchors per cell)`.
fn anchors(grids: &[(usize, usize)], width: usize, height: usize) -> Vec<Point> {
    let mut all = Vec::new();
    for &(stride, repeats) in grids {
        for row in 0..height / stride {
            for column in 0..width / stride {
                let centre = Point {
                    x: (column as f32 + 0.5) * stride as f32,
                    y: (row as f32 + 0.5) * stride as f32,
                };
                all.extend(std::iter::repeat_n(centre, repeats));
            }
        }
    }
    all
}

/// Adds a candidate, in input pixels, for each anchor whose score reaches `min_score`.
/// `scores` are logits; all points in `regressors` are relative to the anchor.
pub fn decode(
    anchors: &[Point],
    regressors: &[f32],
    scores: &[f32],
    min_score: f32,
    candidates: &mut Candidates,
) {
    // Comparing logits saves an exponential for each anchor.
    let min_logit = (min_score / (1.0 - min_score)).ln();
    for ((anchor, row), &logit) in anchors.iter().zip(regressors.chunks_exact(ROW)).zip(scores) {
        if logit.is_nan() || logit < min_logit {
            continue;
        }
        let place = |which: usize| Point {
            x: anchor.x + row[2 * which],
            y: anchor.y + row[2 * which + 1],
        };
        let (centre, width, height) = (place(0), row[2], row[3]);
        candidates.push(Detection {
            rect: Rect {
                x: centre.x - width / 2.0,
                y: centre.y - height / 2.0,
                width,
                height,
            },
            score: 1.0 / (1.0 + (-logit).exp()),
            landmarks: Landmarks {
                right_eye: place(2),
                left_eye: place(3),
                nose: place(4),
                mouth: place(5),
            },
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sense::detect::{Detections, tests::assert_sound};

    #[test]
    fn both_networks_have_as_many_anchors_as_mediapipe_lays_out() {
        assert_eq!(anchors(&[(8, 2), (16, 6)], 128, 128).len(), 896);
        assert_eq!(anchors(&[(4, 1)], 192, 192).len(), 2304);
        let short = anchors(&[(8, 2), (16, 6)], 128, 128);
        assert_eq!(short[2], Point { x: 12.0, y: 4.0 });
        assert_eq!(short[512], Point { x: 8.0, y: 8.0 });
    }

    #[test]
    fn an_anchor_becomes_a_box_and_landmarks_relative_to_it() {
        let anchors = [Point { x: 20.0, y: 30.0 }, Point { x: 60.0, y: 30.0 }];
        let mut regressors = [0.0; 2 * ROW];
        regressors[ROW..ROW + 12]
            .copy_from_slice(&[1.0, 2.0, 10.0, 12.0, -2.0, -3.0, 4.0, -3.0, 1.0, 2.0, 1.0, 5.0]);
        let mut candidates = Candidates::default();
        decode(&anchors, &regressors, &[-3.0, 0.0], 0.5, &mut candidates);
        let mut found = Detections::new();
        candidates.suppress(&mut found);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].score, 0.5);
        assert_eq!(
            found[0].rect,
            Rect {
                x: 56.0,
                y: 26.0,
                width: 10.0,
                height: 12.0
            }
        );
        assert_eq!(found[0].landmarks.right_eye, Point { x: 58.0, y: 27.0 });
        assert_eq!(found[0].landmarks.left_eye, Point { x: 64.0, y: 27.0 });
        assert_eq!(found[0].landmarks.nose, Point { x: 61.0, y: 32.0 });
        assert_eq!(found[0].landmarks.mouth, Point { x: 61.0, y: 35.0 });
    }

    #[test]
    fn garbage_gives_sound_detections_or_none() {
        let anchors = anchors(&[(8, 2)], 32, 32);
        bolero::check!().with_type::<Vec<u32>>().for_each(|bits| {
            let numbers: Vec<f32> = bits
                .iter()
                .map(|b| f32::from_bits(*b))
                .chain(std::iter::repeat(3.0))
                .take(anchors.len() * 17)
                .collect();
            let (scores, regressors) = numbers.split_at(anchors.len());
            let mut candidates = Candidates::default();
            decode(&anchors, regressors, scores, 0.5, &mut candidates);
            let mut found = Detections::new();
            candidates.suppress(&mut found);
            assert_sound(&found, 0.5);
        });
    }
}
