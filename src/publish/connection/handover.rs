//! Hands an open stream to the library.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use super::stream::Stream;

/// An open stream on its way to the library, which asks for one when it connects.
#[derive(Clone)]
pub struct Handover(Arc<Mutex<Option<Stream>>>);

impl Handover {
    /// A stream that can be taken once.
    pub fn new(stream: Stream) -> Self {
        Self(Arc::new(Mutex::new(Some(stream))))
    }

    /// The stream.
    ///
    /// # Errors
    /// If it was taken before: the library would connect a second time.
    pub fn take(&self) -> io::Result<Stream> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.take().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}
