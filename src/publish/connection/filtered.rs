//! A stream whose incoming bytes are changed on their way.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{foreign_protocol::ForeignProtocol, login::MAX_INCOMING};

/// The largest number of bytes that a filter gets at once.
pub const CHUNK: usize = 4096;

/// Why the bytes cannot be handed to the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The broker answered MQTT 5's CONNECT in the format of an earlier version.
    #[error("it does not speak MQTT 5")]
    EarlierVersion,
    /// Something other than a broker answered.
    #[error("{}", .0.describe())]
    ForeignProtocol(ForeignProtocol),
    /// A packet that cannot be cut has this many bytes.
    #[error("it sends a packet of {0} bytes, {MAX_INCOMING} are allowed")]
    TooLarge(usize),
}

/// Changes bytes.
pub trait Filter {
    /// Passes `bytes`, of which there are at most [`CHUNK`], on to `out`.
    ///
    /// # Errors
    /// Why the bytes cannot be passed on.
    fn filter(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Rejected>;
}

/// A stream whose incoming bytes are filtered.
pub struct Filtered<S, F> {
    inner: S,
    filter: F,
    /// Filtered bytes; those from `next` on have not been read yet.
    pending: Vec<u8>,
    next: usize,
}

impl<S, F> Filtered<S, F> {
    /// Filters what arrives on `inner` from now on.
    pub fn new(inner: S, filter: F) -> Self {
        Self {
            inner,
            filter,
            pending: Vec::new(),
            next: 0,
        }
    }
}

impl<S: AsyncRead + Unpin, F: Filter + Unpin> AsyncRead for Filtered<S, F> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.next == this.pending.len() {
            let mut bytes = [0; CHUNK];
            let mut chunk = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.pending.clear();
            this.next = 0;
            this.filter
                .filter(chunk.filled(), &mut this.pending)
                .map_err(io::Error::other)?;
        }
        let ready = &this.pending[this.next..];
        let taken = ready.len().min(buffer.remaining());
        buffer.put_slice(&ready[..taken]);
        this.next += taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin, F: Unpin> AsyncWrite for Filtered<S, F> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
