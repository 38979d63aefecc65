//! Suggestions for misspelled names.

use strsim::osa_distance;

/// The longest name that is compared, in characters: no key is longer, and the time is quadratic in the
/// length.
const MAX_LEN: usize = 64;

/// The candidate with the smallest edit distance to `word`, if that is small enough for a typing error: one
/// edit for every four characters, at least 1 and at most 3. An edit is an insertion, a deletion, a
/// substitution or a swap of neighbours.
#[must_use]
pub fn suggest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(MAX_LEN).flat_map(char::to_lowercase).collect();
    let length = word.chars().count();
    let allowed = (length / 4).clamp(1, 3);
    candidates
        .filter(|candidate| candidate.len().abs_diff(length) <= allowed)
        .map(|candidate| (osa_distance(&word, candidate), candidate))
        .filter(|(errors, _)| *errors <= allowed)
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_similar_names_are_suggested() {
        let keys = || ["camera.width", "camera.height", "mqtt.host", "rate"].into_iter();
        for (word, suggestion) in [
            ("camera.widht", Some("camera.width")),
            ("camera.widh", Some("camera.width")),
            ("camera.hight", Some("camera.height")),
            ("Camera.Height", Some("camera.height")),
            ("camera_width", Some("camera.width")),
            ("mqqt.hots", Some("mqtt.host")),
            ("mqqtt.hotss", None),
            ("rat", Some("rate")),
            ("ra", None),
            ("broker", None),
            ("", None),
        ] {
            assert_eq!(suggest(word, keys()), suggestion, "{word}");
        }
        assert_eq!(suggest(&"x".repeat(100_000), keys()), None);
    }
}
