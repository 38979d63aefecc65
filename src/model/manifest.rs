//! A model's manifest: everything the daemon knows about a network.

use std::{fmt, path::PathBuf};

use super::{digest::Sha256, error::ModelError};
use crate::category::Category;

/// A parsed and validated manifest.
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
    /// Its purpose and how its outputs are decoded.
    pub kind: Kind,
}

/// The two kinds of models.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Classifies the expression of a cropped face.
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
    /// For each channel in the network's order, as a fraction of the full range.
    pub mean: Vec<f32>,
    /// For each channel in the network's order, as a fraction of the full range.
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

    /// Number of elements of the input.
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
    /// Largest allowed difference of an output from the stored one, relative to the vector's largest output
    /// if that exceeds 1.
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

/// How the weights are stored and the network is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats throughout.
    F32,
    /// Weights stored as int8; linear layers are computed in integers where that is faster on the processor.
    Int8Weights,
}

/// Where a model's valence and arousal come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaOrigin {
    /// Trained on pictures that people annotated with valence and arousal.
    Annotated,
    /// A mapping of the categories, fitted to people's ratings of faces; adds no information to the
    /// categories.
    Fitted,
    /// Trained on a projection of the categories onto their published means; adds no information to the
    /// categories.
    Projected,
    /// The model has neither.
    None,
}

impl VaOrigin {
    /// The name in manifests and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Annotated => "annotated",
            Self::Fitted => "fitted",
            Self::Projected => "projected",
            Self::None => "none",
        }
    }
}

/// A model's valence and arousal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValenceArousal {
    /// Index of valence in the output vector.
    pub valence: usize,
    /// Index of arousal in the output vector.
    pub arousal: usize,
    /// Where the training values came from; never [`VaOrigin::None`].
    pub origin: VaOrigin,
}

/// Whether the crop is rotated upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Rotated in the image plane until the face is upright.
    Roll,
    /// Not rotated.
    None,
}

/// How a face is cropped for an expression model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crop {
    /// Widening of the canonical face square, as a fraction of its side.
    pub margin: f32,
    /// Whether crops are rotated upright.
    pub align: Align,
    /// Whether the outputs are averaged with those of the mirrored crop: more accurate, at twice the cost.
    pub mirror: bool,
}

/// An expression model.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// How it is stored and computed.
    pub precision: Precision,
    /// How faces are cropped for it.
    pub crop: Crop,
    /// Each category with its index in the output vector (all outputs, concatenated); empty for a model of
    /// valence and arousal alone.
    pub logits: Vec<(Category, usize)>,
    /// Valence and arousal; `None` for a model of categories alone.
    pub valence_arousal: Option<ValenceArousal>,
    /// Logits are divided by this before the softmax.
    pub temperature: f32,
    /// Its accuracy, if it was measured.
    pub measured: Option<Measured>,
}

impl Expression {
    /// Where valence and arousal come from.
    #[must_use]
    pub fn va_origin(&self) -> VaOrigin {
        self.valence_arousal.map_or(VaOrigin::None, |va| va.origin)
    }
}

/// Accuracy of an expression model; a figure is `None` if the model or the data set cannot provide it.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The data set.
    pub dataset: String,
    /// The runtime that computed the network.
    pub runtime: String,
    /// Number of pictures.
    pub n: usize,
    /// Fraction of the pictures whose category is correct.
    pub accuracy: Option<f64>,
    /// Mean of the categories' F1 scores.
    pub macro_f1: Option<f64>,
    /// Expected calibration error.
    pub ece: Option<f64>,
    /// Root mean square error of valence and arousal.
    pub va_rmse: Option<f64>,
    /// Mean concordance correlation coefficient of valence and arousal.
    pub va_ccc: Option<f64>,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, n = {}, {}", self.dataset, self.n, self.runtime)?;
        let percent = self.accuracy.map(|accuracy| accuracy * 100.0);
        if let Some(percent) = percent {
            write!(f, "; accuracy {percent:.1} %")?;
        }
        for (name, figure) in [
            ("macro F1", self.macro_f1),
            ("ECE", self.ece),
            ("valence-arousal RMSE", self.va_rmse),
            ("valence-arousal CCC", self.va_ccc),
        ] {
            if let Some(figure) = figure {
                write!(f, "; {name} {figure:.3}")?;
            }
        }
        Ok(())
    }
}

impl Manifest {
    /// The expression model that this manifest describes.
    ///
    /// # Errors
    /// [`ModelError::Kind`] if it is a detector.
    pub fn expression(&self) -> Result<&Expression, ModelError> {
        match &self.kind {
            Kind::Expression(expression) => Ok(expression),
            Kind::Detector(_) => Err(self.other_kind("an expression model")),
        }
    }

    /// The detector that this manifest describes.
    ///
    /// # Errors
    /// [`ModelError::Kind`] if it is an expression model.
    pub fn detector(&self) -> Result<&Detector, ModelError> {
        match &self.kind {
            Kind::Detector(detector) => Ok(detector),
            Kind::Expression(_) => Err(self.other_kind("a detector")),
        }
    }

    /// The highest index into the output vector that this manifest uses.
    pub(super) fn highest_output(&self) -> Option<usize> {
        let Kind::Expression(expression) = &self.kind else {
            return None;
        };
        let logits = expression.logits.iter().map(|(_, index)| *index);
        logits
            .chain(
                expression
                    .valence_arousal
                    .into_iter()
                    .flat_map(|va| [va.valence, va.arousal]),
            )
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
