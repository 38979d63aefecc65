//! Connects to a broker, and reconnects after the connection is lost.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{
    backoff::Backoff,
    connection::{link, login::Login, stream::Connector},
    error::PublishError,
    refusals::Refusals,
    rotation::Rotation,
    session::{End, Session},
    shared::Shared,
};

/// A connection that lasted this long was stable: the backoff starts again at the shortest wait.
const STABLE: Duration = Duration::from_secs(30);

/// How the brokers are reached.
pub struct Route {
    /// The brokers, in the order in which they are tried.
    pub rotation: Rotation,
    /// Opens streams to them.
    pub connector: Connector,
    /// Who logs in.
    pub login: Login,
}

/// Publishes until the outbox is stopped.
///
/// # Errors
/// If the brokers permanently refuse the credentials.
pub async fn run(shared: &Shared, mut session: Session<'_>, mut route: Route) -> Result<(), PublishError> {
    let mut backoff = Backoff::new();
    let mut refusals = Refusals::default();
    loop {
        let End::Disconnected(reason) = attempt(&mut session, &route).await else {
            return Ok(());
        };
        let lasted = session.lasted();
        let (destination, _) = route.rotation.current();
        let refuses = reason
            .refused_credentials()
            .map(|refusal| destination.refuses(refusal));
        if let Some(lasted) = lasted {
            session.disconnected(destination, &reason);
            refusals.accepted();
            if lasted > STABLE {
                backoff.reset();
            }
            route.rotation.lost(lasted > STABLE);
        } else {
            let destination = destination.clone();
            let goes_on = route.rotation.failed(&reason);
            // Another version of MQTT may work, so this is not a failure yet.
            if !goes_on || route.rotation.current().0 != &destination {
                session.disconnected(&destination, &reason);
            }
            if goes_on {
                continue;
            }
            if let Some(error) = refuses
                && route.rotation.all_refused()
                && refusals.refused()
            {
                return Err(error);
            }
            route.rotation.restart();
        }
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

/// Connects to the current broker and publishes until the connection ends.
async fn attempt(session: &mut Session<'_>, route: &Route) -> End {
    let (destination, version) = route.rotation.current();
    session.begin();
    let opened = tokio::select! {
        opened = route.connector.open(&destination.endpoint) => opened,
        () = session.stopping() => return End::Stopped,
    };
    match opened {
        Ok(opened) => {
            let link = link::log_in(version, &route.login, opened.stream);
            session.run(destination, version, link).await
        }
        Err(reason) => End::Disconnected(reason),
    }
}
