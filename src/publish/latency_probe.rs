//! A second client for `affectd latency`, which subscribes to what this process publishes and measures how
//! old a state is when it arrives.

use std::{
    convert::Infallible,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::Notify;

use super::{
    client::Route,
    connection::{
        event::{Event, Received},
        link,
    },
    destination::Destination,
    disconnect::DisconnectReason,
    error::PublishError,
    identity::Identity,
    options,
    rotation::Rotation,
    topics::Topics,
};
use crate::{clock::Clock, config};

/// The states that arrived.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LatencySamples {
    /// From the capture of a frame until a subscriber received the state about it, in order of arrival.
    pub ages: Vec<Duration>,
    /// States that were published in between and did not arrive.
    pub lost: u64,
    last: Option<u64>,
}

/// The fields of a state that are used here, see [`super::payload::StatePayload`].
#[derive(Deserialize)]
struct State {
    boot: String,
    seq: u64,
    time: Timestamp,
    age: Option<f64>,
}

impl LatencySamples {
    /// Records a message that arrived at `now`. States of other processes and states without a frame do not
    /// count.
    fn record(&mut self, payload: &[u8], boot: &str, now: Timestamp) {
        let Ok(state) = serde_json::from_slice::<State>(payload) else {
            return;
        };
        if state.boot != boot {
            return;
        }
        if let Some(last) = self.last {
            self.lost += state.seq.saturating_sub(last + 1);
        }
        self.last = Some(state.seq);
        let Some(age) = state.age.and_then(|age| Duration::try_from_secs_f64(age).ok()) else {
            return;
        };
        // The time is rounded to milliseconds, so a message may seem to arrive before it was sent.
        let transit = Duration::try_from(now.duration_since(state.time)).unwrap_or(Duration::ZERO);
        self.ages.push(age + transit);
    }

    /// The age that `percent` % of the states did not exceed (nearest rank); `None` if none arrived.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut ages = self.ages.clone();
        ages.sort_unstable();
        let rank = (ages.len() * percent).div_ceil(100);
        ages.get(rank.checked_sub(1)?).copied()
    }
}

/// The subscriber's thread.
pub struct LatencySubscriber {
    thread: JoinHandle<LatencySamples>,
    stop: Arc<Notify>,
}

impl LatencySubscriber {
    /// Subscribes to the state of `identity` at the broker of `settings`.
    ///
    /// # Errors
    /// As for [`super::Publisher::start`].
    pub fn start(
        settings: &config::Mqtt,
        identity: &Identity,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PublishError> {
        let topics = Topics::new(&settings.base, &identity.device, &settings.discovery_prefix);
        let id = format!("{}-latency", options::client_id(settings, &identity.device));
        let route = Route {
            rotation: Rotation::new(Destination::all(settings), settings.version),
            connector: options::connector(settings)?,
            login: options::login(settings, id)?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(PublishError::start)?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let boot = identity.boot.clone();
        let thread = thread::Builder::new()
            .name("latency".into())
            .spawn(move || {
                let samples = runtime.block_on(async {
                    let mut samples = LatencySamples::default();
                    tokio::select! {
                        () = stopped.notified() => {}
                        () = subscribe(route, &topics.state, |message| {
                            if !message.retain {
                                samples.record(&message.payload, &boot, clock.wall());
                            }
                        }) => {}
                    }
                    samples
                });
                runtime.shutdown_background();
                samples
            })
            .map_err(PublishError::start)?;
        Ok(Self { thread, stop })
    }

    /// Ends the subscription and returns what has arrived.
    #[must_use]
    pub fn stop(self) -> LatencySamples {
        self.stop.notify_one();
        self.thread.join().unwrap_or_default()
    }
}

/// Passes every message on `topic` to `receive`, and subscribes again after the connection is lost.
async fn subscribe(mut route: Route, topic: &str, mut receive: impl FnMut(&Received)) {
    loop {
        let Err(reason) = listen(&route, topic, &mut receive).await;
        if !route.rotation.failed(&reason) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Passes messages on until the connection ends.
async fn listen(
    route: &Route,
    topic: &str,
    receive: &mut impl FnMut(&Received),
) -> Result<Infallible, DisconnectReason> {
    let (destination, version) = route.rotation.current();
    let opened = route.connector.open(&destination.endpoint).await?;
    let (requests, mut events) = link::log_in(version, &route.login, opened.stream);
    loop {
        match events.next().await? {
            Event::Accepted(_) => {
                // The channel is empty when the broker answers.
                let _ = requests.subscribe(&[(topic, false)]);
            }
            Event::Subscribed(answers) => {
                if let Some(Err(reason)) = answers.first() {
                    tracing::warn!(topic, reason, "the broker refuses the subscription");
                }
            }
            Event::Message(message) => receive(&message),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn samples(states: &[(&str, u64, Option<f64>)]) -> LatencySamples {
        let mut samples = LatencySamples::default();
        for (boot, seq, age) in states {
            let age = age.map_or("null".to_owned(), |age| age.to_string());
            let text = format!(
                r#"{{"boot":"{boot}","seq":{seq},"time":"2026-03-01T09:30:00.250Z","age":{age},"faces":1}}"#
            );
            samples.record(text.as_bytes(), "b", "2026-03-01T09:30:00.260Z".parse().unwrap());
        }
        samples
    }

    #[test]
    fn the_transit_time_is_added_to_the_age() {
        let samples = samples(&[
            ("b", 5, Some(0.04)),
            ("other", 6, Some(9.0)),
            ("b", 6, None),
            ("b", 9, Some(0.05)),
        ]);
        assert_eq!(
            samples.ages,
            [Duration::from_millis(50), Duration::from_millis(60)]
        );
        assert_eq!(samples.lost, 2);
    }

    #[test]
    fn a_message_from_the_future_has_at_least_its_age() {
        let mut samples = LatencySamples::default();
        let text = br#"{"boot":"b","seq":1,"time":"2026-03-01T09:30:00.250Z","age":0.01}"#;
        samples.record(text, "b", "2026-03-01T09:30:00.2496Z".parse().unwrap());
        assert_eq!(samples.ages, [Duration::from_millis(10)]);
        samples.record(b"no state", "b", Timestamp::UNIX_EPOCH);
        assert_eq!(samples.ages.len(), 1);
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut samples = LatencySamples::default();
        assert_eq!(samples.percentile(50), None);
        samples.ages = (1..=20).rev().map(Duration::from_millis).collect();
        assert_eq!(samples.percentile(50), Some(Duration::from_millis(10)));
        assert_eq!(samples.percentile(95), Some(Duration::from_millis(19)));
        assert_eq!(samples.percentile(100), Some(Duration::from_millis(20)));
    }
}
