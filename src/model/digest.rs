//! SHA-256 of files (FIPS 180-4).

use std::{fmt, io::Read as _, path::Path, str::FromStr};

use sha2::{Digest, Sha256 as Hasher};

use crate::file::{self, FileError};

/// A SHA-256 digest; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of a regular file of at most `max` bytes.
    ///
    /// # Errors
    /// [`FileError`] if the file cannot be read or is larger.
    pub fn of_file(path: &Path, max: u64) -> Result<Self, FileError> {
        // A file that grows while it is read is cut off, so its digest differs.
        let mut file = file::open(path, max)?.take(max);
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Self(hasher.finalize().into())),
                n => hasher.update(&buffer[..n]),
            }
        }
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDigest;

impl FromStr for Sha256 {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let mut digest = [0; 32];
        let text = text.as_bytes();
        if text.len() != 64 {
            return Err(NoDigest);
        }
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |c: u8| (c as char).to_digit(16).ok_or(NoDigest);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // NIST's example for SHA-256, of the three bytes "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn digest_of_a_known_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let expected: Sha256 = ABC.parse().unwrap();
        assert_eq!(expected.to_string(), ABC);
        assert_eq!(Sha256::of_file(file.path(), 3).unwrap(), expected);
    }

    #[test]
    fn only_64_hexadecimal_digits_are_a_digest() {
        for text in [
            "",
            "ba78",
            &ABC.replace('b', "g"),
            &format!("{ABC}0"),
            &"ä".repeat(32),
        ] {
            assert_eq!(text.parse::<Sha256>(), Err(NoDigest), "{text}");
        }
    }
}
