//! CenterFace (Xu, Yan, Sun, Yang, Luo: "CenterFace: Joint Face Detection and Alignment Using Face as Point",
//! arXiv:1911.03599): one map each of scores, sizes, offsets and landmarks, at a quarter of the input's size.

use super::{DetectError, HeadDecoder, nms::Candidates, output};
use crate::sense::{
    detection::{Detection, Landmarks},
    geometry::{Point, Rect},
};
use affectd_infer::{Output, OutputInfo};

/// Input pixels per cell of the maps.
const STRIDE: f32 = 4.0;

/// Sizes are logarithms; above this value a box is larger than any picture.
const LARGEST_LOG: f32 = 7.0;

/// The index of each output.
#[derive(Debug)]
pub struct CenterFace {
    rows: usize,
    columns: usize,
    heatmap: usize,
    scale: usize,
    offset: usize,
    landmarks: usize,
}

impl CenterFace {
    /// Finds the four maps among a network's outputs, for an input of `width` x `height`.
    ///
    /// # Errors
    /// [`DetectError::OutputShape`] if one is missing or has another shape.
    pub fn new(outputs: &[OutputInfo], width: usize, height: usize) -> Result<Self, DetectError> {
        let (columns, rows) = (width / STRIDE as usize, height / STRIDE as usize);
        Ok(Self {
            rows,
            columns,
            heatmap: output(outputs, "heatmap", &[1, 1, rows, columns])?,
            scale: output(outputs, "scale", &[1, 2, rows, columns])?,
            offset: output(outputs, "offset", &[1, 2, rows, columns])?,
            landmarks: output(outputs, "landmarks", &[1, 10, rows, columns])?,
        })
    }
}

impl HeadDecoder for CenterFace {
    fn decode(&self, outputs: &[Output<'_>], min_score: f32, candidates: &mut Candidates) {
        let maps = Maps {
            rows: self.rows,
            columns: self.columns,
            heatmap: outputs[self.heatmap].data,
            scale: outputs[self.scale].data,
            offset: outputs[self.offset].data,
            landmarks: outputs[self.landmarks].data,
        };
        decode(&maps, min_score, candidates);
    }
}

/// The network's outputs: each a stack of planes of `rows` x `columns`.
#[derive(Debug, Clone, Copy)]
pub struct Maps<'a> {
    /// Rows of a plane.
    pub rows: usize,
    /// Columns of a plane.
    pub columns: usize,
    /// 1 plane: score of a face centred in this cell, 0 to 1.
    pub heatmap: &'a [f32],
    /// 2 planes: logarithm of height, of width, in cells.
    pub scale: &'a [f32],
    /// 2 planes: the centre's offset within the cell, y, x.
    pub offset: &'a [f32],
    /// 10 planes, y and x of: right eye, left eye, nose, right and left corner of the mouth; as fractions of
    /// the box, from its top left corner.
    pub landmarks: &'a [f32],
}

/// Adds a candidate, in input pixels, for each cell whose score reaches `min_score`.
pub fn decode(maps: &Maps<'_>, min_score: f32, candidates: &mut Candidates) {
    let plane = maps.rows * maps.columns;
    for (cell, &score) in maps.heatmap.iter().enumerate().take(plane) {
        if score.is_nan() || score < min_score {
            continue;
        }
        let (row, column) = ((cell / maps.columns) as f32, (cell % maps.columns) as f32);
        let size = |which: usize| maps.scale[which * plane + cell].min(LARGEST_LOG).exp() * STRIDE;
        let centre = |which: usize, at: f32| (at + maps.offset[which * plane + cell] + 0.5) * STRIDE;
        let (height, width) = (size(0), size(1));
        let rect = Rect {
            x: centre(1, column) - width / 2.0,
            y: centre(0, row) - height / 2.0,
            width,
            height,
        };
        let place = |which: usize| Point {
            x: rect.x + maps.landmarks[(2 * which + 1) * plane + cell] * width,
            y: rect.y + maps.landmarks[2 * which * plane + cell] * height,
        };
        candidates.push(Detection {
            rect,
            score,
            landmarks: Landmarks {
                right_eye: place(0),
                left_eye: place(1),
                nose: place(2),
                mouth: place(3).midpoint(place(4)),
            },
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sense::detect::{Detections, tests::assert_sound};

    const ROWS: usize = 3;
    const COLUMNS: usize = 5;
    const PLANE: usize = ROWS * COLUMNS;

    fn run(numbers: &[f32]) -> Detections {
        let (heatmap, rest) = numbers.split_at(PLANE);
        let (scale, rest) = rest.split_at(2 * PLANE);
        let (offset, landmarks) = rest.split_at(2 * PLANE);
        let mut candidates = Candidates::default();
        let maps = Maps {
            rows: ROWS,
            columns: COLUMNS,
            heatmap,
            scale,
            offset,
            landmarks,
        };
        decode(&maps, 0.5, &mut candidates);
        let mut found = Detections::new();
        candidates.suppress(&mut found);
        found
    }

    #[test]
    fn a_cell_becomes_a_box_around_its_centre_with_landmarks_inside() {
        let mut numbers = vec![0.0; 15 * PLANE];
        let cell = COLUMNS + 2; // row 1, column 2
        numbers[cell] = 0.8;
        numbers[PLANE + cell] = 2.0_f32.ln(); // 8 pixels high
        numbers[2 * PLANE + cell] = 3.0_f32.ln(); // 12 wide
        numbers[3 * PLANE + cell] = 0.25; // 1 pixel further down
        let landmarks = [0.25, 0.25, 0.25, 0.75, 0.5, 0.5, 0.75, 0.25, 0.75, 0.75];
        for (which, value) in landmarks.into_iter().enumerate() {
            numbers[(5 + which) * PLANE + cell] = value;
        }
        let found = run(&numbers);
        assert_eq!(found.len(), 1);
        let Detection {
            rect,
            score,
            landmarks,
        } = found[0];
        assert_eq!(score, 0.8);
        // Centre at (2.5, 1.75) cells.
        let expected = Rect {
            x: 10.0 - 6.0,
            y: 7.0 - 4.0,
            width: 12.0,
            height: 8.0,
        };
        assert!(rect.iou(&expected) > 0.9999, "{rect:?}");
        let near = |p: Point, x: f32, y: f32| (p.x - x).abs() < 1e-3 && (p.y - y).abs() < 1e-3;
        assert!(near(landmarks.right_eye, 7.0, 5.0), "{landmarks:?}");
        assert!(near(landmarks.left_eye, 13.0, 5.0), "{landmarks:?}");
        assert!(near(landmarks.nose, 10.0, 7.0), "{landmarks:?}");
        assert!(near(landmarks.mouth, 10.0, 9.0), "{landmarks:?}");
    }

    #[test]
    fn garbage_gives_sound_detections_or_none() {
        bolero::check!().with_type::<Vec<u32>>().for_each(|bits| {
            let numbers: Vec<f32> = bits
                .iter()
                .map(|b| f32::from_bits(*b))
                .chain(std::iter::repeat(0.9))
                .take(15 * PLANE)
                .collect();
            assert_sound(&run(&numbers), 0.5);
        });
    }
}
