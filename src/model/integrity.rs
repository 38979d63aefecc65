//! Verifies files by their digests.

use std::path::Path;

use super::{digest::Sha256, error::ModelError};

/// Rejects a file that has another digest or more than `max` bytes.
///
/// # Errors
/// [`ModelError::Read`] or [`ModelError::Hash`].
pub(super) fn verify(path: &Path, expected: Sha256, max: u64) -> Result<(), ModelError> {
    let found = Sha256::of_file(path, max).map_err(|source| ModelError::Read {
        path: path.to_owned(),
        source,
    })?;
    if found == expected {
        return Ok(());
    }
    Err(ModelError::Hash {
        path: path.to_owned(),
        found,
        expected,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn another_file_is_rejected() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let expected = Sha256::of_file(file.path(), 3).unwrap();
        verify(file.path(), expected, 3).unwrap();

        std::fs::write(file.path(), "abd").unwrap();
        let error = verify(file.path(), expected, 3).unwrap_err();
        assert!(matches!(error, ModelError::Hash { .. }));
        assert!(error.to_string().contains(&expected.to_string()));
    }
}
