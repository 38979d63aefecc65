//! Draws the results into a copy of the picture.

use image::{Rgb, RgbImage};

use super::{
    Face,
    font::{GLYPH_HEIGHT, GLYPH_WIDTH, glyph},
};
use crate::{
    picture::Picture,
    sense::geometry::{Point, Rect},
};

const FRAME: Rgb<u8> = Rgb([64, 224, 128]);
const MARK: Rgb<u8> = Rgb([255, 208, 64]);
const TEXT: Rgb<u8> = Rgb([255, 255, 255]);
const BACKGROUND: Rgb<u8> = Rgb([24, 32, 40]);

/// Shorter side of a picture at which one font pixel is one picture pixel.
const UNIT_SIDE: u32 = 320;

/// The picture with box, landmarks, category, valence and arousal of each face.
#[must_use]
pub fn draw(picture: &Picture, faces: &[Face]) -> RgbImage {
    let mut canvas = Canvas::new(picture);
    // Labels go on top of everything else.
    for face in faces {
        canvas.outline(&face.detection.rect);
        let marks = face.detection.landmarks;
        for mark in [marks.right_eye, marks.left_eye, marks.nose, marks.mouth] {
            canvas.mark(mark);
        }
    }
    for face in faces {
        canvas.label(&face.detection.rect, &labels(face));
    }
    canvas.image
}

/// One line for the category and one for valence and arousal, each only if the model predicts it, and one if
/// the crop is too poor to rely on them.
fn labels(face: &Face) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(probabilities) = face.prediction.probabilities {
        let (category, probability) = probabilities.argmax();
        lines.push(format!("{} {:.0}%", category.name(), probability * 100.0));
    }
    let values: Vec<String> = [("v", face.prediction.valence), ("a", face.prediction.arousal)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {:+.2}", value?)))
        .collect();
    if !values.is_empty() {
        lines.push(values.join(" "));
    }
    if face.poor {
        lines.push("poor crop".to_owned());
    }
    lines
}

struct Canvas {
    image: RgbImage,
    /// Size of a pixel of the font, and width of a line, in pixels of the picture.
    unit: i32,
}

impl Canvas {
    fn new(picture: &Picture) -> Self {
        let mut image = RgbImage::new(picture.width(), picture.height());
        image.copy_from_slice(picture.rgb());
        let shorter = picture.width().min(picture.height());
        Self {
            image,
            unit: ((shorter + UNIT_SIDE / 2) / UNIT_SIDE).max(1) as i32,
        }
    }

    /// Fills a rectangle, clipped to the picture.
    fn fill(&mut self, x: i32, y: i32, width: i32, height: i32, colour: Rgb<u8>) {
        let clip = |from: i32, size: i32, end: u32| {
            let to = from.saturating_add(size).clamp(0, end as i32);
            from.clamp(0, to) as u32..to as u32
        };
        for row in clip(y, height, self.image.height()) {
            for column in clip(x, width, self.image.width()) {
                self.image.put_pixel(column, row, colour);
            }
        }
    }

    fn outline(&mut self, rect: &Rect) {
        let (x, y) = (rect.x as i32, rect.y as i32);
        let (width, height) = (rect.width as i32, rect.height as i32);
        let line = self.unit;
        self.fill(x, y, width, line, FRAME);
        self.fill(x, y + height - line, width, line, FRAME);
        self.fill(x, y, line, height, FRAME);
        self.fill(x + width - line, y, line, height, FRAME);
    }

    fn mark(&mut self, place: Point) {
        let size = 3 * self.unit;
        self.fill(
            place.x as i32 - size / 2,
            place.y as i32 - size / 2,
            size,
            size,
            MARK,
        );
    }

    /// Writes lines above the box, or below it if there is no room above.
    fn label(&mut self, rect: &Rect, lines: &[String]) {
        let Some(longest) = lines.iter().map(|line| line.chars().count()).max() else {
            return;
        };
        let unit = self.unit;
        let (advance, leading) = ((GLYPH_WIDTH + 1) * unit, (GLYPH_HEIGHT + 2) * unit);
        let width = longest as i32 * advance + 3 * unit;
        let height = lines.len() as i32 * leading + 2 * unit;
        let (picture_width, picture_height) = (self.image.width() as i32, self.image.height() as i32);
        let x = (rect.x as i32).min(picture_width - width).max(0);
        let above = rect.y as i32 - height;
        let below = (rect.y + rect.height) as i32;
        let y = if above >= 0 {
            above
        } else {
            below.min(picture_height - height).max(0)
        };
        self.fill(x, y, width, height, BACKGROUND);
        for (row, line) in lines.iter().enumerate() {
            for (column, character) in line.chars().enumerate() {
                let (left, top) = (
                    x + 2 * unit + column as i32 * advance,
                    y + 2 * unit + row as i32 * leading,
                );
                self.glyph(left, top, character);
            }
        }
    }

    fn glyph(&mut self, left: i32, top: i32, character: char) {
        let unit = self.unit;
        for (y, row) in (0..).zip(glyph(character)) {
            for (x, pixel) in (0..).zip(row.bytes()) {
                if pixel == b'#' {
                    self.fill(left + x * unit, top + y * unit, unit, unit, TEXT);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        category::Probabilities,
        sense::{
            detection::{Detection, Landmarks},
            face::Prediction,
        },
    };

    fn face(rect: Rect) -> Face {
        let mut probabilities = [0.02; 8];
        probabilities[1] = 0.86;
        Face {
            detection: Detection {
                rect,
                score: 1.0,
                landmarks: Landmarks::default(),
            },
            prediction: Prediction {
                probabilities: Probabilities::from_weights(probabilities),
                valence: Some(0.25),
                arousal: Some(-0.5),
            },
            quality: 1.0,
            poor: false,
        }
    }

    #[test]
    fn the_label_shows_category_valence_and_arousal() {
        let face = face(Rect::default());
        assert_eq!(labels(&face), ["happiness 86%", "v +0.25 a -0.50"]);
        let poor = Face { poor: true, ..face };
        assert_eq!(labels(&poor)[2], "poor crop");
    }

    #[test]
    fn only_the_box_and_the_label_are_drawn() {
        let mut picture = Picture::default();
        picture.reset(300, 200).fill(100);
        let drawn = draw(
            &picture,
            &[face(Rect {
                x: 50.0,
                y: 100.0,
                width: 80.0,
                height: 90.0,
            })],
        );
        assert_eq!(*drawn.get_pixel(50, 150), FRAME);
        assert_eq!(*drawn.get_pixel(129, 150), FRAME);
        assert_eq!(*drawn.get_pixel(90, 150), Rgb([100; 3]));
        assert_eq!(*drawn.get_pixel(290, 10), Rgb([100; 3]));
        assert!(drawn.pixels().any(|p| *p == TEXT) && drawn.pixels().any(|p| *p == BACKGROUND));
    }

    #[test]
    fn a_face_outside_the_picture_is_clipped() {
        for (width, height) in [(1, 1), (40, 3), (100, 100)] {
            let mut picture = Picture::default();
            picture.reset(width, height).fill(0);
            for rect in [
                Rect {
                    x: -1e5,
                    y: -1e5,
                    width: 2e5,
                    height: 2e5,
                },
                Rect {
                    x: 90.0,
                    y: 95.0,
                    width: 50.0,
                    height: 50.0,
                },
                Rect {
                    x: -40.0,
                    y: -40.0,
                    width: 10.0,
                    height: 10.0,
                },
            ] {
                assert_eq!(draw(&picture, &[face(rect)]).dimensions(), (width, height));
            }
        }
    }
}
