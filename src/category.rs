//! The expression categories, which manifests name, networks tell and messages carry.

/// The published expression categories, in the order of CAGE and of every published list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Category {
    /// No expression.
    Neutral,
    /// A smile.
    Happiness,
    /// Corners of the mouth down.
    Sadness,
    /// Brows up, mouth open.
    Surprise,
    /// Eyes wide, mouth drawn back.
    Fear,
    /// Nose wrinkled.
    Disgust,
    /// Brows down, lips pressed.
    Anger,
    /// One corner of the mouth up.
    Contempt,
}

impl Category {
    /// All of them, in order; a category's place here is its index in published lists of probabilities.
    pub const ALL: [Self; 8] = [
        Self::Neutral,
        Self::Happiness,
        Self::Sadness,
        Self::Surprise,
        Self::Fear,
        Self::Disgust,
        Self::Anger,
        Self::Contempt,
    ];

    /// The published name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Happiness => "happiness",
            Self::Sadness => "sadness",
            Self::Surprise => "surprise",
            Self::Fear => "fear",
            Self::Disgust => "disgust",
            Self::Anger => "anger",
            Self::Contempt => "contempt",
        }
    }
}
