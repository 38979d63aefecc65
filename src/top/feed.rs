//! Follows the daemon's events on a separate thread, so events and keyboard input do not block each other.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use crate::{
    error::chain,
    http::{Client, ClientError, view::View},
};

/// Delay before reconnecting to the daemon.
const RETRY: Duration = Duration::from_secs(1);

/// An update for the screen.
pub(super) enum Message {
    /// New figures.
    View(Box<View>),
    /// Why there are no figures.
    Problem(String),
}

/// The updates waiting for the screen. The thread ends with the process.
pub(super) struct Feed(Receiver<Message>);

impl Feed {
    /// Starts following.
    pub fn start(client: Client) -> io::Result<Self> {
        // A full channel blocks the thread and, by backpressure, the daemon's events.
        let (sender, receiver) = sync_channel(4);
        thread::Builder::new()
            .name("events".into())
            .spawn(move || follow(&client, &sender))?;
        Ok(Self(receiver))
    }

    /// The next update, if there is one.
    pub fn take(&self) -> Option<Message> {
        self.0.try_recv().ok()
    }
}

/// Follows the events and reconnects until the receiver is dropped.
fn follow(client: &Client, sender: &SyncSender<Message>) {
    loop {
        let Err(error) = forward(client, sender) else {
            return;
        };
        if sender.send(Message::Problem(chain(&error))).is_err() {
            return;
        }
        thread::sleep(RETRY);
    }
}

/// Forwards events until they end, which is an error, or until the receiver is dropped.
fn forward(client: &Client, sender: &SyncSender<Message>) -> Result<(), ClientError> {
    let mut events = client.follow()?;
    loop {
        let view = events.wait()?;
        if sender.send(Message::View(Box::new(view))).is_err() {
            return Ok(());
        }
    }
}
