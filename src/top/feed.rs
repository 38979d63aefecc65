//! Follows the daemon's events on a thread of its own, so that the keyboard is never waited for.

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

/// Pause before the daemon is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// News for the screen.
pub(super) enum Message {
    /// New figures.
    View(Box<View>),
    /// Why there are none.
    Problem(String),
}

/// The news that wait for the screen. The thread ends with the process.
pub(super) struct Feed(Receiver<Message>);

impl Feed {
    /// Begins to follow.
    pub fn start(client: Client) -> io::Result<Self> {
        // A full channel holds the thread up, and with it the daemon's events.
        let (sender, receiver) = sync_channel(4);
        thread::Builder::new()
            .name("events".into())
            .spawn(move || follow(&client, &sender))?;
        Ok(Self(receiver))
    }

    /// The next news, if there are any.
    pub fn take(&self) -> Option<Message> {
        self.0.try_recv().ok()
    }
}

/// Follows, again and again, until nobody listens.
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

/// Forwards events until they end, which is an error, or until nobody listens.
fn forward(client: &Client, sender: &SyncSender<Message>) -> Result<(), ClientError> {
    let mut events = client.follow()?;
    loop {
        let view = events.wait()?;
        if sender.send(Message::View(Box::new(view))).is_err() {
            return Ok(());
        }
    }
}
