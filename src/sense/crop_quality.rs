//! How well the crop of a face suits the expression network, part by part.

/// The parts of a crop's quality. Each is 0 to 1 unless stated otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CropQuality {
    /// Side of the crop, in pixels of the picture; the network's input may have more or fewer.
    pub side_px: f32,
    /// Pixels of the picture per pixel of the input, along the side, at most 1.
    pub size: f32,
    /// 0 without detail, 1 with all the detail that a crop needs.
    pub sharpness: f32,
    /// How well the landmarks fit those of a face seen from the front.
    pub frontal: f32,
    /// How much of the crop lies inside the picture.
    pub presence: f32,
    /// Mean luma of the crop. It is not part of [`Self::value`].
    pub light: f32,
}

/// What is wrong with a crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The face is too far away.
    Small,
    /// The face is out of focus or moving.
    Blurred,
    /// The face is turned to the side, up or down.
    Turned,
    /// The face is badly lit.
    Dark,
    /// Part of the face is outside the picture.
    CutOff,
}

/// A part below this counts as a flaw. At half the size, and at a sharpness between those of 1 and 2 pixels
/// of blur, the shipped network begins to lose accuracy (models/maxvit-ferplus-64.md, degraded faces).
pub const FLAWED: f32 = 0.5;

/// With less than this fraction of its crop inside the picture, a face is cut off.
const CUT_OFF: f32 = 0.9;

/// Below this mean luma a face counts as dark; correctly exposed faces have 0.3 to 0.7.
const DARK: f32 = 0.15;

impl CropQuality {
    /// The quality of a large, sharp, frontal and well-lit face.
    pub const PERFECT: Self = Self {
        side_px: 64.0,
        size: 1.0,
        sharpness: 1.0,
        frontal: 1.0,
        presence: 1.0,
        light: 0.5,
    };

    /// The quality, 0 to 1: the product of size, sharpness, frontal and presence.
    #[must_use]
    pub fn value(&self) -> f32 {
        self.size * self.sharpness * self.frontal * self.presence
    }

    /// What is wrong with the crop.
    pub fn flaws(&self) -> impl Iterator<Item = Flaw> {
        [
            (self.size < FLAWED, Flaw::Small),
            (self.sharpness < FLAWED, Flaw::Blurred),
            (self.frontal < FLAWED, Flaw::Turned),
            (self.light < DARK, Flaw::Dark),
            (self.presence < CUT_OFF, Flaw::CutOff),
        ]
        .into_iter()
        .filter_map(|(is_flawed, flaw)| is_flawed.then_some(flaw))
    }
}

impl Flaw {
    /// Every flaw.
    pub const ALL: [Self; 5] = [Self::Small, Self::Blurred, Self::Turned, Self::Dark, Self::CutOff];

    /// Its name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Blurred => "blurred",
            Self::Turned => "turned",
            Self::Dark => "dark",
            Self::CutOff => "cut_off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_own_flaw() {
        let perfect = CropQuality::PERFECT;
        assert_eq!(perfect.flaws().count(), 0);
        assert_eq!(perfect.value(), 1.0);
        let flawed = [
            CropQuality { size: 0.4, ..perfect },
            CropQuality {
                sharpness: 0.4,
                ..perfect
            },
            CropQuality {
                frontal: 0.4,
                ..perfect
            },
            CropQuality {
                light: 0.1,
                ..perfect
            },
            CropQuality {
                presence: 0.8,
                ..perfect
            },
        ];
        for (quality, flaw) in flawed.into_iter().zip(Flaw::ALL) {
            assert_eq!(quality.flaws().collect::<Vec<_>>(), [flaw]);
        }
        let all = CropQuality {
            side_px: 20.0,
            size: 0.3,
            sharpness: 0.2,
            frontal: 0.1,
            presence: 0.5,
            light: 0.0,
        };
        assert!(all.flaws().eq(Flaw::ALL));
        assert!((all.value() - 0.003).abs() < 1e-6);
    }
}
