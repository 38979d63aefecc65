//! The folder of model manifests.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{error::ModelError, manifest::Manifest};

/// The one TOML file among the manifests that is none: what the models may cost on which board.
const BUDGETS: &str = "budgets";

/// The manifests of one folder, by name. A broken manifest hurts only the one who asks for it.
#[derive(Debug, Clone)]
pub struct Catalogue {
    folder: PathBuf,
    names: Vec<String>,
}

impl Catalogue {
    /// Lists the manifests (`<name>.toml`) of a folder.
    ///
    /// # Errors
    /// [`ModelError::Read`] or [`ModelError::Empty`].
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "toml")
                    && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
                    && stem != BUDGETS
                {
                    names.push(stem.to_owned());
                }
            }
            names.sort();
            Ok(names)
        };
        let names = list().map_err(|source| ModelError::Read {
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
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads the manifest of this name.
    ///
    /// # Errors
    /// [`ModelError::Unknown`] with the names that are there; [`ModelError::Read`], [`ModelError::Syntax`] or
    /// [`ModelError::Manifest`].
    pub fn find(&self, name: &str) -> Result<Manifest, ModelError> {
        // Only names from the listing become paths, so no name can lead out of the folder.
        if !self.names.iter().any(|known| known == name) {
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
    fn an_unknown_name_is_answered_with_those_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            Catalogue::open(folder.path()),
            Err(ModelError::Empty(_))
        ));
        fs::write(folder.path().join("b.toml"), "").unwrap();
        fs::write(folder.path().join("a.toml"), "").unwrap();
        fs::write(folder.path().join("a.onnx"), "").unwrap();
        fs::write(folder.path().join("budgets.toml"), "").unwrap();
        let catalogue = Catalogue::open(folder.path()).unwrap();
        assert_eq!(catalogue.names(), ["a", "b"]);
        let error = catalogue.find("c").unwrap_err().to_string();
        assert!(error.contains("\"c\"") && error.contains("a, b"), "{error}");
        assert!(matches!(catalogue.find("../a"), Err(ModelError::Unknown { .. })));
        assert!(matches!(
            Catalogue::open(&folder.path().join("gone")),
            Err(ModelError::Read { .. })
        ));
    }
}
