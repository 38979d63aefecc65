//! What the settings leave to the machine: the device's name and the folder of the models.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::settings::Settings;
use crate::error::{Exit, Failure};

/// Where a package puts the models.
const INSTALLED_MODELS: &str = "/usr/share/affectd/models";

/// Where they are in the source tree that this program was built from.
const SOURCE_MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models");

impl Settings {
    /// The device's name in topics: as set, or the host's name with everything but letters, digits, `-` and `_` replaced.
    #[must_use]
    pub fn device_name(&self) -> String {
        if self.device.is_empty() {
            sanitised(&host_name())
        } else {
            self.device.clone()
        }
    }

    /// The folder of the model manifests: the one that is set; otherwise `/usr/share/affectd/models` if it exists,
    /// otherwise `models` in the source tree that this program was built from.
    ///
    /// # Errors
    /// [`Exit::Input`] where there is no such folder.
    pub fn models_dir(&self) -> Result<PathBuf, Failure> {
        if !self.models.as_os_str().is_empty() {
            return if self.models.is_dir() {
                Ok(self.models.clone())
            } else {
                let models = self.models.display();
                Err(missing(format!("models = {models}: there is no such folder")))
            };
        }
        [INSTALLED_MODELS, SOURCE_MODELS]
            .into_iter()
            .map(Path::new)
            .find(|folder| folder.is_dir())
            .map(Path::to_owned)
            .ok_or_else(|| {
                missing(format!(
                    "no folder of models: neither {INSTALLED_MODELS} nor {SOURCE_MODELS} exists; name one with the setting models"
                ))
            })
    }
}

fn missing(message: String) -> Failure {
    Failure::new(Exit::Input, anyhow!(message))
}

/// The kernel's name of this host, in whatever bytes an administrator chose.
fn host_name() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

/// A host's name as a device's name.
fn sanitised(host: &str) -> String {
    let name: String = host
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .take(64)
        .collect();
    match name.trim_matches('-') {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_become_device_names() {
        for (host, name) in [
            ("kiosk-3", "kiosk-3"),
            ("kiosk.example.org", "kiosk-example-org"),
            ("Hall_2", "Hall_2"),
            ("größe #+/1", "gr--e----1"),
            (".", "unnamed"),
            ("", "unnamed"),
        ] {
            assert_eq!(sanitised(host), name);
        }
        assert_eq!(sanitised(&"x".repeat(300)).len(), 64);
    }

    #[test]
    fn this_host_has_a_name() {
        let name = sanitised(&host_name());
        assert!(!name.is_empty() && name.len() <= 64);
    }
}
