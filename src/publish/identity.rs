//! The identity of the publisher.

use super::random::random;
use crate::{
    category::Category,
    config::DeviceId,
    health::Hardware,
    model::{Manifest, ModelError, VaOrigin},
};

/// The device, its model and this run of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name in topics and in Home Assistant.
    pub device: DeviceId,
    /// Name of the expression model's manifest.
    pub model: String,
    /// The first twelve digits of the model file's SHA-256.
    pub sha256: String,
    /// The daemon's version.
    pub version: String,
    /// 16 hexadecimal digits drawn at each start of the process, so that subscribers notice a restart.
    pub boot: String,
    /// The categories that the model predicts; empty for a model of valence and arousal only.
    pub categories: Vec<Category>,
    /// Where the model's valence and arousal come from, if it has them.
    pub va: VaOrigin,
    /// The board; unknown unless set.
    pub hardware: Hardware,
    /// The address of the live page for other machines; `None` if there is no page, and until it is set.
    pub page: Option<String>,
}

impl Identity {
    /// The identity of `device` with the expression model of `manifest`, see [`Identity::new`].
    ///
    /// # Errors
    /// If the manifest is not that of an expression model.
    pub fn of(device: DeviceId, manifest: &Manifest) -> Result<Self, ModelError> {
        let expression = manifest.expression()?;
        let categories: Vec<_> = expression.logits.iter().map(|(category, _)| *category).collect();
        let sha256 = manifest.sha256.to_string();
        Ok(Self::new(
            device,
            &manifest.name,
            &sha256,
            &categories,
            expression.va_origin(),
        ))
    }

    /// An identity with a new boot id. `sha256` is shortened.
    #[must_use]
    pub fn new(device: DeviceId, model: &str, sha256: &str, categories: &[Category], va: VaOrigin) -> Self {
        Self {
            device,
            model: model.into(),
            sha256: sha256.chars().take(12).collect(),
            version: env!("CARGO_PKG_VERSION").into(),
            boot: format!("{:016x}", random()),
            categories: categories.to_vec(),
            va,
            hardware: Hardware::default(),
            page: None,
        }
    }
}
