//! Strings in /proc, /sys and the device tree.

use std::{fs, path::Path};

/// Longest string that is kept, in characters.
const MAX_LENGTH: usize = 120;

/// The string in `file`: without surrounding white space, without control characters and without the zero
/// byte that ends strings of the device tree. `None` if it cannot be read or is empty.
pub(super) fn string(file: &Path) -> Option<String> {
    let bytes = fs::read(file).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    let text: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_LENGTH)
        .collect();
    (!text.is_empty()).then_some(text)
}

/// The board's name from the device tree below `root`; `None` on a machine without one.
pub(super) fn board_model(root: &Path) -> Option<String> {
    string(&root.join("proc/device-tree/model"))
}
