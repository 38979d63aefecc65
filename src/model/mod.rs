//! Models on disk: manifests, checksums, golden vectors. Nothing here depends on a particular model.

mod digest;
mod error;
mod golden;
mod integrity;
mod load;
mod manifest;
mod read;
mod registry;

pub use digest::Sha256;
pub use error::ModelError;
pub use golden::{Golden, GoldenVector};
pub use load::Verified;
pub use manifest::{
    Align, Colour, Crop, Decoder, Detector, Expression, GoldenFile, Input, Kind, Layout, Manifest, Measured,
    Precision, VaOrigin, ValenceArousal,
};
pub use registry::Registry;
