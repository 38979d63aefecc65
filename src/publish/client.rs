//! Connects to the broker, and connects again after the connection was lost.

use std::{sync::Arc, time::Duration};

use rumqttc::{AsyncClient, MqttOptions};
use tokio::time::{Instant, sleep_until};

use super::{
    backoff::Backoff,
    broker::{Broker, CHANNEL},
    destination::Destination,
    dispatch::Dispatcher,
    error::PublishError,
    session::{End, Session},
    shared::Shared,
};
use crate::privacy::PrivacyGate;

/// A connection that lasted this long was stable: the next attempt follows after the shortest wait.
const STABLE: Duration = Duration::from_secs(30);

/// Publishes until the outbox is stopped.
///
/// # Errors
/// If the settings cannot be used or the broker permanently refuses the credentials.
pub async fn run(
    shared: &Shared,
    gate: &PrivacyGate,
    dispatcher: Dispatcher,
    options: MqttOptions,
    destination: &Destination,
) -> Result<(), PublishError> {
    let (client, mut events) = AsyncClient::builder(options)
        .capacity(CHANNEL)
        .try_build()
        .map_err(|error| PublishError::config("the broker's settings cannot be used").because(error))?;
    let mut session = Session::new(
        shared,
        gate,
        dispatcher,
        destination,
        Broker::new(client, Arc::clone(&shared.link)),
    );
    let mut backoff = Backoff::new();
    loop {
        let started = shared.clock.now();
        let End::Disconnected(reason) = session.run(&mut events).await else {
            return Ok(());
        };
        // Also drops the socket if this side gave up.
        events.clean();
        if let Some(refusal) = reason.refused_credentials()
            && session.refusal_is_permanent()
        {
            return Err(destination.refuses(refusal));
        }
        let elapsed = shared.clock.now().saturating_sub(started);
        if session.was_accepted() && elapsed > STABLE {
            backoff.reset();
        }
        session.disconnected(&reason);
        let until = Instant::now() + backoff.next_wait();
        while Instant::now() < until {
            if shared.outbox.is_stopping() {
                return Ok(());
            }
            tokio::select! {
                () = shared.outbox.wake.notified() => {}
                () = sleep_until(until) => {}
            }
        }
    }
}
