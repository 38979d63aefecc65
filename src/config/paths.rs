//! What the settings leave to the machine: the device's name and the folder of the models.

use std::path::{Path, PathBuf};

use super::{names::DeviceId, settings::Settings};
use crate::text;

/// Where a package puts the models.
const INSTALLED_MODELS: &str = "/usr/share/affectd/models";

/// Where they are in the source tree that this program was built from.
const SOURCE_MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models");

/// There is no folder of models.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoModels {
    /// The setting `models` names no folder.
    #[error("models = {}: there is no such folder", text::path(.0))]
    Configured(PathBuf),
    /// The setting is empty, and neither of the usual folders exists.
    #[error(
        "no folder of models: neither {INSTALLED_MODELS} nor {SOURCE_MODELS} exists; name one with the setting models"
    )]
    Default,
}

impl Settings {
    /// The device's name: as set, or derived from the host's name.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        match &self.device {
            Some(device) => device.clone(),
            None => DeviceId::from_host_name(&host_name()),
        }
    }

    /// The folder of the model manifests: the one that is set; otherwise `/usr/share/affectd/models` if it exists,
    /// otherwise `models` in the source tree that this program was built from.
    ///
    /// # Errors
    /// [`NoModels`] if there is no such folder.
    pub fn models_dir(&self) -> Result<PathBuf, NoModels> {
        if !self.models.as_os_str().is_empty() {
            return if self.models.is_dir() {
                Ok(self.models.clone())
            } else {
                Err(NoModels::Configured(self.models.clone()))
            };
        }
        [INSTALLED_MODELS, SOURCE_MODELS]
            .into_iter()
            .map(Path::new)
            .find(|folder| folder.is_dir())
            .map(Path::to_owned)
            .ok_or(NoModels::Default)
    }
}

/// The kernel's name of this host, in whatever bytes an administrator chose.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
