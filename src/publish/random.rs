//! Random numbers for boot ids and jitter; not for secrets.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A random number from the seed of the standard library's hash maps, which the operating system provides.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
