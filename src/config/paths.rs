//! Values that the settings may leave to the machine: the device's name and the folder of the models.

use std::path::{Path, PathBuf};

use super::{listen::Place, names::DeviceId, settings::Settings};
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

    /// The address of the live page for other machines, e.g. `http://lobby.local:8417/`; `None` if they
    /// cannot reach it. A server that listens on all addresses is given its multicast DNS name.
    #[must_use]
    pub fn page_url(&self) -> Option<String> {
        let place = self.http.listen.place().filter(|place| place.is_public())?;
        let Place::Tcp(address) = place else {
            return None;
        };
        let has_tls = !self.http.cert_file.as_os_str().is_empty();
        let scheme = if has_tls { "https" } else { "http" };
        if address.ip().is_unspecified() {
            let host = DeviceId::from_host_name(&host_name());
            return Some(format!("{scheme}://{host}.local:{}/", address.port()));
        }
        Some(format!("{scheme}://{address}/"))
    }

    /// The folder of the model manifests: the one that is set; otherwise `/usr/share/affectd/models` if it
    /// exists, otherwise `models` in the source tree that this program was built from.
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

/// The kernel's host name, which need not be UTF-8.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn the_page_has_an_address_if_others_can_reach_it() {
        let mut settings = crate::config::stack(None, &[], &[]).unwrap().settings;
        let mut url = |listen: &str| {
            settings.http.listen = listen.parse().unwrap();
            settings.page_url()
        };
        for listen in ["", "127.0.0.1:8417", "[::1]:8417", "unix:/run/affectd.sock"] {
            assert_eq!(url(listen), None, "{listen}");
        }
        assert_eq!(url("192.0.2.7:80").unwrap(), "http://192.0.2.7:80/");
        assert_eq!(url("[2001:db8::7]:8417").unwrap(), "http://[2001:db8::7]:8417/");
        let everywhere = url("0.0.0.0:8417").unwrap();
        assert!(everywhere.ends_with(".local:8417/"), "{everywhere}");
        settings.http.cert_file = "/etc/affectd/page.pem".into();
        assert!(settings.page_url().unwrap().starts_with("https://"));
    }
}
