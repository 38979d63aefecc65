//! A model's manifest: everything the daemon knows of a network.

use std::path::PathBuf;

use super::{error::ModelError, integrity::Sha256};
use crate::category::Category;

/// A read and checked manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The manifest's own file.
    pub path: PathBuf,
    /// The model's name, which is also the manifest's file name.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// Licence of the model.
    pub licence: String,
    /// Where it comes from, in a sentence.
    pub provenance: String,
    /// The ONNX file.
    pub file: PathBuf,
    /// Checksum of the ONNX file.
    pub sha256: Sha256,
    /// How to present a picture to it.
    pub input: Input,
    /// Known inputs and outputs for the self-test; an expression model always has them.
    pub golden: Option<GoldenFile>,
    /// What it is for and how to read its outputs.
    pub kind: Kind,
}

/// The two kinds of models.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Reads the expression of a cropped face.
    Expression(Expression),
    /// Finds faces.
    Detector(Detector),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Expression(_) => "an expression model",
            Self::Detector(_) => "a detector",
        }
    }
}

/// Order of the input's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// Channels of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// One channel of luma.
    Gray,
}

impl Colour {
    /// Number of channels.
    #[must_use]
    pub fn channels(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Gray => 1,
        }
    }
}

/// How a picture is presented to the network: each channel's value `v` (0 to 1) becomes `(v - mean) / std`.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Order of the dimensions.
    pub layout: Layout,
    /// Channels and their order.
    pub colour: Colour,
    /// For each channel in the network's order, in units of the whole range.
    pub mean: Vec<f32>,
    /// For each channel in the network's order, in units of the whole range.
    pub std: Vec<f32>,
}

impl Input {
    /// The input's dimensions, with a batch of one.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        let channels = self.colour.channels();
        match self.layout {
            Layout::Nchw => [1, channels, self.height, self.width],
            Layout::Nhwc => [1, self.height, self.width, channels],
        }
    }

    /// Numbers in the whole input.
    #[must_use]
    pub fn size(&self) -> usize {
        self.shape().iter().product()
    }
}

/// A file of golden vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its checksum.
    pub sha256: Sha256,
    /// Number of vectors.
    pub count: usize,
    /// Largest difference of any output from the stored one, as a share of the vector's largest output where
    /// that is above one.
    pub tolerance: f32,
}

/// Which decoder reads a detector's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// Heat map, scale, offset and landmarks at a stride of 4.
    CenterFace,
    /// Two grids of anchors with six key points.
    BlazeFace,
    /// Three strides, twelve outputs.
    YuNet,
}

/// A face detector.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    /// How its outputs are read.
    pub decoder: Decoder,
}

/// What an expression model tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Categories only.
    Categories,
    /// Valence and arousal only.
    ValenceArousal,
    /// Both.
    Combined,
}

/// Numbers that the weights are stored in and the network is computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats throughout.
    F32,
    /// Weights stored in 8 bits; linear layers are computed in them where the processor is faster at it.
    Int8Weights,
    /// Stored and computed in 8 bits.
    Int8,
}

/// Where the training's valence and arousal came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaOrigin {
    /// From people who judged each picture.
    Annotated,
    /// Computed from the categories.
    Projected,
}

/// Whether the crop is turned upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Turned in the picture's plane until the face is upright.
    Roll,
    /// Not turned.
    None,
}

/// How a face is cut out of the picture and shown to an expression model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crop {
    /// Widening of the canonical face square, as a fraction of its side.
    pub margin: f32,
    /// Whether crops are turned upright.
    pub align: Align,
    /// Whether the network is also shown the face's mirror image, and the mean of both outputs counts: closer to what people see, for
    /// twice the work.
    pub mirror: bool,
}

/// An expression model.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// What it tells.
    pub task: Task,
    /// How it is stored and computed.
    pub precision: Precision,
    /// Where valence and arousal were learnt from; `None` where it has none.
    pub va: Option<VaOrigin>,
    /// What it is shown.
    pub crop: Crop,
    /// Each category with its index in the output vector (all outputs, one after another); empty for
    /// [`Task::ValenceArousal`].
    pub logits: Vec<(Category, usize)>,
    /// Indices of valence and arousal in the output vector.
    pub valence_arousal: Option<(usize, usize)>,
    /// Logits are divided by this before the softmax.
    pub temperature: f32,
    /// Accuracy as measured by the daemon's own runtime.
    pub measured: Option<Measured>,
}

/// Accuracy of an expression model; `None` where it cannot be measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The pictures.
    pub dataset: String,
    /// What computed the network.
    pub runtime: String,
    /// Number of pictures.
    pub n: usize,
    /// Part of the pictures whose category is right.
    pub accuracy: Option<f32>,
    /// Mean over the categories of their F1.
    pub macro_f1: Option<f32>,
    /// Expected calibration error.
    pub ece: Option<f32>,
    /// Root mean square error of valence and arousal.
    pub va_rmse: Option<f32>,
    /// Mean concordance correlation of valence and arousal.
    pub va_ccc: Option<f32>,
}

impl Manifest {
    /// What it says as an expression model.
    ///
    /// # Errors
    /// [`ModelError::Kind`] where it is a detector.
    pub fn expression(&self) -> Result<&Expression, ModelError> {
        match &self.kind {
            Kind::Expression(expression) => Ok(expression),
            Kind::Detector(_) => Err(self.other_kind("an expression model")),
        }
    }

    /// What it says as a detector.
    ///
    /// # Errors
    /// [`ModelError::Kind`] where it is an expression model.
    pub fn detector(&self) -> Result<&Detector, ModelError> {
        match &self.kind {
            Kind::Detector(detector) => Ok(detector),
            Kind::Expression(_) => Err(self.other_kind("a detector")),
        }
    }

    /// The highest index of the output vector that this manifest names.
    pub(super) fn highest_output(&self) -> Option<usize> {
        let Kind::Expression(expression) = &self.kind else {
            return None;
        };
        let logits = expression.logits.iter().map(|(_, index)| *index);
        logits
            .chain(expression.valence_arousal.into_iter().flat_map(|(v, a)| [v, a]))
            .max()
    }

    fn other_kind(&self, needed: &'static str) -> ModelError {
        ModelError::Kind {
            path: self.path.clone(),
            found: self.kind.name(),
            needed,
        }
    }
}
