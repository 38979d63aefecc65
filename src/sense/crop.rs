//! Cuts a face out of a picture as the network's input, and measures the quality of the crop.

use super::{
    alignment::AlignedCrop,
    crop_quality::CropQuality,
    geometry::Point,
    input::{InputTensor, luma},
    resample::{Region, resample},
};
use crate::{
    model::{Align, Crop, Input},
    picture::Picture,
};

/// Cuts crops for one network. Allocates nothing after its creation.
#[derive(Debug, Clone)]
pub struct Cropper {
    input: InputTensor,
    crop: Crop,
    /// The luma (0 to 255) of the crop, row by row, from which its sharpness is measured.
    luma: Vec<f32>,
}

impl Cropper {
    /// A cropper for a network's input and the crop that its manifest describes.
    #[must_use]
    pub fn new(input: &Input, crop: Crop) -> Self {
        Self {
            input: InputTensor::new(input),
            crop,
            luma: vec![0.0; input.width * input.height],
        }
    }

    /// Writes the crop of a face into the network's input tensor and returns the crop's quality:
    ///
    /// - size: pixels of the picture per pixel of the input, along the side, at most 1;
    /// - sharpness: mean absolute Laplacian of the input's luma over its standard deviation, which makes it
    ///   independent of exposure, times the input's side in pixels, which makes it comparable between
    ///   networks; from 0 at [`BLURRED`] to 1 at [`SHARP`];
    /// - frontalness: residual of the landmarks against the template, from 1 at [`FRONTAL`] to 0 at
    ///   [`TURNED`];
    /// - presence: how much of the crop lies inside the picture;
    /// - light: mean of the input's luma.
    pub fn face(&mut self, picture: &Picture, square: &AlignedCrop, tensor: &mut [f32]) -> CropQuality {
        let region = presented(square, self.crop);
        let presence = self.write(picture, &region, tensor);
        let side_px = square.side * (1.0 + self.crop.margin);
        self.quality(side_px, 1.0 - ramp(square.residual, FRONTAL, TURNED), presence)
    }

    /// Writes a whole picture, stretched to the input's size, and returns its quality as [`Self::face`] does.
    /// It counts as frontal and complete, because there are no landmarks to judge by.
    pub fn whole(&mut self, picture: &Picture, tensor: &mut [f32]) -> CropQuality {
        self.write(picture, &Region::whole(picture), tensor);
        self.quality(picture.width().min(picture.height()) as f32, 1.0, 1.0)
    }

    /// The quality of the crop written last, whose side is `side_px` pixels of the picture.
    fn quality(&self, side_px: f32, frontal: f32, presence: f32) -> CropQuality {
        let pixels = self.input.width().max(self.input.height()) as f32;
        CropQuality {
            side_px,
            size: (side_px / pixels).min(1.0),
            sharpness: ramp(sharpness(&self.luma, self.input.width()) * pixels, BLURRED, SHARP),
            frontal,
            presence,
            light: self.luma.iter().sum::<f32>() / self.luma.len() as f32 / 255.0,
        }
    }

    /// Mirrors the written crop, left to right.
    pub fn mirror(&self, tensor: &mut [f32]) {
        self.input.mirror(tensor);
    }

    /// Returns how much of the region lies inside the picture, 0 to 1.
    fn write(&mut self, picture: &Picture, region: &Region, tensor: &mut [f32]) -> f32 {
        let (input, grey) = (&self.input, &mut self.luma);
        resample(
            picture,
            region,
            (input.width(), input.height()),
            |row, column, rgb| {
                grey[row * input.width() + column] = luma(rgb);
                input.put(tensor, row, column, rgb);
            },
        )
    }
}

/// The square that a manifest asks for: its margin is the fraction added to the side, around the centre;
/// without alignment the square is upright around the same centre.
fn presented(square: &AlignedCrop, crop: Crop) -> Region {
    let side = square.side * (1.0 + crop.margin);
    let right = match crop.align {
        Align::Roll => square.right,
        Align::None => Point { x: 1.0, y: 0.0 },
    };
    Region {
        centre: square.centre,
        across: Point {
            x: side * right.x,
            y: side * right.y,
        },
        down: Point {
            x: -side * right.y,
            y: side * right.x,
        },
    }
}

/// Mean absolute Laplacian (four neighbours) over the standard deviation of the luma; 0 for a flat crop.
fn sharpness(luma: &[f32], width: usize) -> f32 {
    let (mut laplacian, mut sum, mut squares, mut count) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
    let rows = luma.chunks_exact(width);
    for ((above, here), below) in rows.clone().zip(rows.clone().skip(1)).zip(rows.skip(2)) {
        for (column, three) in here.windows(3).enumerate() {
            let around = above[column + 1] + below[column + 1] + three[0] + three[2];
            laplacian += (around - 4.0 * three[1]).abs();
            sum += three[1];
            squares += three[1] * three[1];
            count += 1.0;
        }
    }
    let mean = sum / count;
    let deviation = (squares / count - mean * mean).max(0.0).sqrt();
    // Below one 8-bit level there is no texture to measure.
    if deviation < 1.0 {
        0.0
    } else {
        laplacian / count / deviation
    }
}

/// Sharpness of a crop without detail: faces of 48 pixels have 4 after a Gaussian blur of 2 pixels.
pub const BLURRED: f32 = 3.0;
/// Sharpness of a crop with all the detail it needs: 95 % of faces of 48 pixels have more than 16 unblurred,
/// and 9 after a Gaussian blur of 1 pixel.
pub const SHARP: f32 = 12.0;
/// Residual of the landmarks of a frontal face.
pub const FRONTAL: f32 = 0.03;
/// Residual of the landmarks of a face in profile.
pub const TURNED: f32 = 0.12;

/// From 0 at `low` to 1 at `high`.
fn ramp(value: f32, low: f32, high: f32) -> f32 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

#[cfg(test)]
#[path = "crop_tests.rs"]
mod tests;
