//! The labelled pictures of `affectd model eval`.

use std::path::Path;

use affectd::measure::evaluation::labels;

use crate::target::fuzz;

#[test]
fn csv() {
    fuzz("labels__csv", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(rows) = labels::rows(Path::new("set/labels.csv"), &text) {
            assert!(!rows.is_empty() && rows.len() < text.lines().count());
        }
    });
}
