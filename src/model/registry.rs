//! The folder of model manifests.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{error::ModelError, manifest::Manifest};
use crate::config::ModelName;

/// The one TOML file in the folder that is not a manifest: the boards' budgets.
const BUDGETS: &str = "budgets";

/// The manifests of one folder, by name. A broken manifest is an error only when it is requested.
#[derive(Debug, Clone)]
pub struct Registry {
    folder: PathBuf,
    names: Vec<ModelName>,
}

impl Registry {
    /// Lists the manifests (`<name>.toml`) of a folder. Files whose names are not valid model names are
    /// skipped.
    ///
    /// # Errors
    /// [`ModelError::List`] or [`ModelError::Empty`].
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let list = || -> io::Result<Vec<ModelName>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "toml")
                    && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
                    && stem != BUDGETS
                    && let Ok(name) = stem.parse()
                {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        let names = list().map_err(|source| ModelError::List {
            path: folder.to_owned(),
            source,
        })?;
        if names.is_empty() {
            return Err(ModelError::Empty(folder.to_owned()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            names,
        })
    }

    /// The names of all manifests, sorted.
    #[must_use]
    pub fn names(&self) -> &[ModelName] {
        &self.names
    }

    /// Reads the manifest of this name.
    ///
    /// # Errors
    /// [`ModelError::Unknown`] with the names that exist; [`ModelError::Read`] or [`ModelError::Manifest`].
    pub fn find(&self, name: &str) -> Result<Manifest, ModelError> {
        // Only names from the listing become paths, so no name can lead out of the folder.
        if !self.names.iter().any(|known| known.as_str() == name) {
            return Err(ModelError::Unknown {
                name: name.to_owned(),
                folder: self.folder.clone(),
                known: self.names.clone(),
            });
        }
        Manifest::read(&self.folder.join(format!("{name}.toml")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_unknown_name_error_lists_the_known_names() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Registry::open(folder.path()), Err(ModelError::Empty(_))));
        fs::write(folder.path().join("b.toml"), "").unwrap();
        fs::write(folder.path().join("a.toml"), "").unwrap();
        fs::write(folder.path().join("a.onnx"), "").unwrap();
        fs::write(folder.path().join("budgets.toml"), "").unwrap();
        fs::write(folder.path().join("\x1b[2J.toml"), "").unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        let names: Vec<&str> = registry.names().iter().map(|name| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let error = registry.find("c").unwrap_err().to_string();
        assert!(error.contains("\"c\"") && error.contains("a, b"), "{error}");
        assert!(matches!(registry.find("../a"), Err(ModelError::Unknown { .. })));
        assert!(matches!(
            Registry::open(&folder.path().join("gone")),
            Err(ModelError::List { .. })
        ));
    }
}
