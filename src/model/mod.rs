//! Models on disk: manifests, checksums, golden vectors. Nothing here knows a model by name.

mod catalogue;
mod error;
mod golden;
mod integrity;
mod load;
mod manifest;
mod read;
mod table;

pub use catalogue::Catalogue;
pub use error::ModelError;
pub use golden::{Golden, GoldenVector};
pub use integrity::Sha256;
pub use load::Verified;
pub use manifest::{
    Align, Colour, Crop, Decoder, Detector, Expression, GoldenFile, Input, Kind, Layout, Manifest, Measured,
    Precision, Task, VaOrigin,
};
