//! Renders payloads and hands them to a transport.

use serde::Serialize;

use crate::publish::transport::{Backpressure, Message, Payload, Transport};

/// How a message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    retain: bool,
    acknowledged: bool,
}

impl Delivery {
    /// A state: the broker keeps the newest one for later subscribers.
    pub const STATE: Self = Self {
        retain: true,
        acknowledged: true,
    };
    /// An event: delivered now or never.
    pub const EVENT: Self = Self {
        retain: false,
        acknowledged: true,
    };
    /// Retained like a state, but soon followed by the next one, so losing one is harmless.
    pub const PERIODIC: Self = Self {
        retain: true,
        acknowledged: false,
    };
    /// One of many in a row.
    pub const SAMPLE: Self = Self {
        retain: false,
        acknowledged: false,
    };
}

/// A buffer that is reused for every payload.
#[derive(Debug)]
pub struct Renderer {
    buffer: Vec<u8>,
}

impl Renderer {
    /// With room for any usual payload.
    pub fn new() -> Self {
        Self {
            buffer: Vec::with_capacity(4096),
        }
    }

    /// Sends `payload` as JSON to `topic`.
    ///
    /// # Errors
    /// [`Backpressure`] if it cannot be sent now.
    pub fn send(
        &mut self,
        transport: &mut impl Transport,
        topic: &str,
        delivery: Delivery,
        payload: &impl Serialize,
    ) -> Result<(), Backpressure> {
        self.buffer.clear();
        // Serializing these types to memory cannot fail.
        let _ = serde_json::to_writer(&mut self.buffer, payload);
        transport.send(Message {
            topic,
            payload: Payload::Json(&self.buffer),
            retain: delivery.retain,
            acknowledged: delivery.acknowledged,
        })
    }
}
