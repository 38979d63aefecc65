//! The word that was probably meant.

/// The candidate with the fewest typing errors between it and `word`, if they are few enough to be a slip.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(MAX_LEN).flat_map(char::to_lowercase).collect();
    let allowed = (word.len() / 4).clamp(1, 3);
    candidates
        .map(|candidate| (distance(&word, &candidate.chars().collect::<Vec<_>>()), candidate))
        .filter(|(errors, _)| *errors <= allowed)
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, candidate)| candidate)
}

/// No key is longer; the time taken grows with the square.
const MAX_LEN: usize = 64;

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`: the optimal string alignment
/// distance (L. Boytsov, *Indexing methods for approximate dictionary searching*, 2011).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_typing_errors() {
        for (a, b, errors) in [
            ("", "", 0),
            ("", "abc", 3),
            ("width", "width", 0),
            ("widht", "width", 1),
            ("witdh", "width", 1),
            ("widh", "width", 1),
            ("hight", "height", 1),
            ("kitten", "sitting", 3),
        ] {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            assert_eq!(distance(&chars(a), &chars(b)), errors, "{a} {b}");
            assert_eq!(distance(&chars(b), &chars(a)), errors, "{b} {a}");
        }
    }

    #[test]
    fn names_only_what_is_near() {
        let keys = || ["camera.width", "camera.height", "mqtt.host"].into_iter();
        assert_eq!(nearest("camera.widht", keys()), Some("camera.width"));
        assert_eq!(nearest("Camera.Height", keys()), Some("camera.height"));
        assert_eq!(nearest("camera_width", keys()), Some("camera.width"));
        assert_eq!(nearest("broker", keys()), None);
        assert_eq!(nearest(&"x".repeat(100_000), keys()), None);
    }
}
