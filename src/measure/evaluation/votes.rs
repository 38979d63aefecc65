//! Votes of several annotators on one face, counted as in FER+: E. Barsoum et al., "Training deep networks
//! for facial expression recognition with crowd-sourced label distribution", ICMI 2016.

use super::random::Random;
use crate::category::Category;

/// What an annotator can choose: the categories, "unknown", and "not a face".
const CHOICES: usize = 10;

/// Columns of a table of votes, in order.
pub(super) const COLUMNS: [&str; CHOICES] = [
    "votes_neutral",
    "votes_happiness",
    "votes_sadness",
    "votes_surprise",
    "votes_fear",
    "votes_disgust",
    "votes_anger",
    "votes_contempt",
    "votes_unknown",
    "votes_no_face",
];

/// The number of votes for each choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Votes([u8; CHOICES]);

impl Votes {
    /// Votes in the order of [`COLUMNS`].
    pub(super) fn new(votes: [u8; CHOICES]) -> Self {
        Self(votes)
    }

    /// The votes that count: a single vote is treated as an outlier and removed.
    fn counted(self) -> [u8; CHOICES] {
        self.0.map(|votes| if votes <= 1 { 0 } else { votes })
    }

    /// The category with the most votes, the first in a tie; `None` if no category has two votes.
    pub(super) fn label(self) -> Option<Category> {
        let counted = self.counted();
        let most = most(&counted);
        (most > 0)
            .then(|| {
                Category::ALL
                    .into_iter()
                    .find(|category| counted[*category as usize] == most)
            })
            .flatten()
    }

    /// Whether `category` has the most counted votes, ties included; false if there are none.
    pub(super) fn is_label(self, category: Category) -> bool {
        let counted = self.counted();
        let most = most(&counted);
        most > 0 && counted[category as usize] == most
    }

    /// Whether more than half of all annotators, including those who voted for "unknown" or "not a face",
    /// chose one category.
    pub(super) fn has_majority(self) -> bool {
        let total: u32 = self.0.iter().copied().map(u32::from).sum();
        2 * u32::from(most(&self.0)) > total
    }

    /// The same number of votes, drawn from these with replacement: a simulation of other annotators.
    pub(super) fn resample(self, random: &mut Random) -> Self {
        let total: u32 = self.0.iter().copied().map(u32::from).sum();
        let mut drawn = [0; CHOICES];
        for _ in 0..total {
            let mut ballot = random.below(total);
            for (choice, votes) in self.0.into_iter().enumerate() {
                if ballot < u32::from(votes) {
                    drawn[choice] += 1;
                    break;
                }
                ballot -= u32::from(votes);
            }
        }
        Self(drawn)
    }
}

/// The most votes of any category; votes for "unknown" and "not a face" do not count.
fn most(votes: &[u8; CHOICES]) -> u8 {
    let categories = &votes[..Category::ALL.len()];
    categories.iter().copied().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_votes_are_removed_and_a_tie_takes_the_first_label() {
        let tie = Votes::new([0, 4, 1, 0, 0, 0, 4, 1, 0, 0]);
        assert_eq!(tie.label(), Some(Category::Happiness));
        assert!(tie.is_label(Category::Anger) && !tie.is_label(Category::Sadness));
        // The majority refers to all annotators, including those whose votes were removed.
        assert!(!Votes::new([0, 5, 1, 1, 0, 0, 1, 1, 1, 0]).has_majority());
        assert!(Votes::new([0, 6, 1, 0, 0, 0, 1, 1, 1, 0]).has_majority());
        assert!(!Votes::new([0, 5, 0, 0, 0, 0, 0, 0, 5, 0]).has_majority());
        let scattered = Votes::new([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!((scattered.label(), scattered.has_majority()), (None, false));
        assert!(!scattered.is_label(Category::Neutral));
    }

    #[test]
    fn resampling_keeps_the_number_and_the_choices() {
        let votes = Votes::new([5, 0, 0, 3, 0, 0, 0, 0, 2, 0]);
        let mut random = Random::new(1);
        let mut neutral = 0;
        for _ in 0..1_000 {
            let drawn = votes.resample(&mut random);
            assert_eq!(drawn.0.iter().map(|n| u32::from(*n)).sum::<u32>(), 10);
            assert_eq!(drawn.0[1] + drawn.0[2] + drawn.0[9], 0);
            neutral += u32::from(drawn.0[0]);
        }
        // 10,000 draws of probability one half: five standard deviations are 250.
        assert!((4_750..5_250).contains(&neutral), "{neutral}");
        let unanimous = Votes::new([0, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(unanimous.resample(&mut random), unanimous);
    }
}
