//! Where messages go: the broker or standard output.

/// A message to publish.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its content.
    pub payload: Payload<'a>,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// Whether the broker must acknowledge it: QoS 1 instead of 0.
    pub acknowledged: bool,
}

impl<'a> Message<'a> {
    /// A retained and acknowledged message of one word.
    #[must_use]
    pub fn retained_word(topic: &'a str, word: &'a str) -> Self {
        Self {
            topic,
            payload: Payload::Word(word),
            retain: true,
            acknowledged: true,
        }
    }
}

/// A message's content.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Payload<'a> {
    /// JSON text.
    Json(&'a [u8]),
    /// A bare word.
    Word(&'a str),
}

impl<'a> Payload<'a> {
    /// The bytes that go to the broker.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Json(json) => json,
            Self::Word(word) => word.as_bytes(),
        }
    }
}

/// The transport cannot accept a message now; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backpressure;

/// Where messages go. Does not block.
pub trait Transport {
    /// Accepts a message.
    ///
    /// # Errors
    /// [`Backpressure`] if it cannot be accepted now.
    fn send(&mut self, message: Message<'_>) -> Result<(), Backpressure>;
}
