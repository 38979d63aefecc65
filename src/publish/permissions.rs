//! What a broker permits, tried by `affectd check` on an open connection.

use std::fmt;

use jiff::Timestamp;

use super::{
    command::{Answer as CommandAnswer, Id},
    connection::{
        event::{Answer, Event, Limits, Received},
        link::{Events, Requests},
        reasons::{NO_REASON, NOT_AUTHORIZED},
        version::Version,
    },
    destination::Destination,
    payload::ResultPayload,
    random::random,
    topics::Topics,
    transport::{Message, Payload},
};

/// Discovery, the largest message, has fewer bytes.
const LARGEST: u32 = 8 << 10;

/// Permissions that are being tried: subscribes as the daemon does, publishes two messages without effect,
/// and waits for answers. One message is a question (see `privacy`), which must return. The other one is a
/// result without a command, which nobody waits for. State and scene are not tried, because their readers
/// would take anything for a state.
#[derive(Debug)]
pub struct Permissions<'a> {
    topics: &'a Topics,
    version: Version,
    limits: Limits,
    /// The content of the question.
    word: String,
    /// The content of the result.
    result: String,
    /// The non-essential topics that the broker does not let this device subscribe to.
    not_subscribed: Vec<&'a str>,
    is_subscribed: bool,
    /// How many of the two messages are acknowledged; the result is the first.
    acknowledged: usize,
    question_returned: bool,
    result_returned: bool,
}

impl<'a> Permissions<'a> {
    /// Nothing is tried yet, at `now`, at a broker that states `limits`.
    pub fn new(topics: &'a Topics, version: Version, limits: Limits, now: Timestamp) -> Self {
        let word = format!("{:016x}", random());
        let answer = CommandAnswer {
            id: Some(Id::Text(word.clone())),
            command: None,
            error: None,
        };
        let result = serde_json::json!(ResultPayload::new(&word, &answer, now)).to_string();
        Self {
            topics,
            version,
            limits,
            result: match version {
                Version::V5 => result,
                // Only its return shows that messages of this size are not dropped.
                Version::V311 => format!("{result:width$}", width = LARGEST as usize),
            },
            word,
            not_subscribed: Vec::new(),
            is_subscribed: false,
            acknowledged: 0,
            question_returned: false,
            result_returned: false,
        }
    }

    /// The topics to subscribe to, in this order: the essential ones, those that the daemon can do without,
    /// and one for the proof. MQTT 3.1.1 does not tell that a result was rejected, but a result that returns
    /// was not.
    fn filters(&self) -> [(&'a str, bool); 5] {
        let topics = self.topics;
        [
            (&topics.privacy_set, true),
            (&topics.privacy_command, true),
            (&topics.home_assistant, false),
            (&topics.command, true),
            (&topics.result, true),
        ]
    }

    /// Tries everything.
    ///
    /// # Errors
    /// What the broker does not permit, and the remedy.
    pub async fn prove(
        &mut self,
        destination: &Destination,
        requests: &Requests,
        events: &mut Events,
    ) -> Result<(), String> {
        let busy = |_| "cannot be written to".to_owned();
        let filters = self.filters();
        let count = match self.version {
            Version::V5 => filters.len() - 1,
            Version::V311 => filters.len(),
        };
        requests.subscribe(&filters[..count]).map_err(busy)?;
        while !self.is_complete() {
            let event = events.next().await.map_err(|reason| {
                let words = reason.describe(destination);
                let remedy = if reason.is_closed() {
                    format!(", as some brokers do with what is forbidden: {}", self.remedy())
                } else {
                    String::new()
                };
                format!("when this device subscribes or publishes, {words}{remedy}")
            })?;
            match event {
                Event::Subscribed(answers) => {
                    self.subscribed(&answers)?;
                    for message in self.messages() {
                        requests.publish(message, true, None).map_err(busy)?;
                    }
                }
                Event::Acknowledged(answer) => self.acknowledged(answer)?,
                Event::Message(message) => self.returned(&message),
                _ => {}
            }
        }
        Ok(())
    }

    /// What the broker has not done in time.
    pub fn missing(&self) -> String {
        if !self.is_subscribed {
            return "it does not answer subscriptions".to_owned();
        }
        if self.question_returned {
            return "it does not acknowledge what this device publishes".to_owned();
        }
        format!(
            "it does not return what this device publishes on {}: {}",
            self.topics.privacy_command,
            self.remedy()
        )
    }

    fn remedy(&self) -> String {
        format!(
            "its access list must let this device read and write below {}",
            self.topics.everything().trim_end_matches("/#")
        )
    }

    fn messages(&self) -> [Message<'_>; 2] {
        [
            (&self.topics.result, Payload::Json(self.result.as_bytes())),
            (&self.topics.privacy_command, Payload::Word(&self.word)),
        ]
        .map(|(topic, payload)| Message {
            topic,
            payload,
            retain: false,
            acknowledged: true,
        })
    }

    fn is_complete(&self) -> bool {
        self.question_returned && (self.acknowledged == 2 || self.version == Version::V311)
    }

    fn subscribed(&mut self, answers: &[Answer]) -> Result<(), String> {
        let [essential @ .., _] = self.filters();
        for (number, (topic, _)) in essential.into_iter().enumerate() {
            let reason = match answers.get(number) {
                Some(Ok(())) => continue,
                Some(Err(reason)) => reason,
                None => "no answer",
            };
            if number < 2 {
                return Err(format!(
                    "it does not let this device subscribe to {topic} ({reason}): {}",
                    self.remedy()
                ));
            }
            self.not_subscribed.push(topic);
        }
        self.is_subscribed = true;
        Ok(())
    }

    fn acknowledged(&mut self, answer: Answer) -> Result<(), String> {
        let [result, question] = self.messages();
        let topic = if self.acknowledged == 0 { result } else { question }.topic;
        answer.map_err(|reason| {
            // Others, such as a size or a quota, have nothing to do with access.
            let is_access = [NOT_AUTHORIZED, NO_REASON].contains(&reason);
            let remedy = if is_access {
                format!(": {}", self.remedy())
            } else {
                String::new()
            };
            format!("it does not let this device publish on {topic} ({reason}){remedy}")
        })?;
        self.acknowledged += 1;
        Ok(())
    }

    fn returned(&mut self, message: &Received) {
        if message.topic == self.topics.privacy_command.as_bytes() {
            self.question_returned |= message.payload == self.word.as_bytes();
        } else if message.topic == self.topics.result.as_bytes() {
            self.result_returned |= message.payload == self.result.as_bytes();
        }
    }
}

/// What was proven, what not, and what the broker does not permit.
impl fmt::Display for Permissions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Topics {
            privacy_command,
            result,
            home_assistant,
            ..
        } = self.topics;
        write!(f, "it may write and read {privacy_command}")?;
        if self.version == Version::V5 || self.result_returned {
            write!(f, " and write {result}; no other topic was tried")?;
        } else {
            write!(
                f,
                "; {result} did not return, so this device may not write it or may not read it, or the broker drops \
                 messages of {LARGEST} bytes; no other topic was tried"
            )?;
        }
        for topic in &self.not_subscribed {
            let effect = if topic == home_assistant {
                "it does not see Home Assistant start"
            } else {
                "commands do not reach it"
            };
            write!(f, "; but it may not subscribe to {topic}: {effect}")?;
        }
        if self.limits.stores_nothing {
            f.write_str(
                "; but the broker stores no retained messages: subscribers see nothing until it is published again",
            )?;
        }
        if let Some(bytes) = self.limits.packet.filter(|bytes| *bytes < LARGEST) {
            write!(
                f,
                "; but the broker permits only {bytes} bytes a message: larger ones, such as Home Assistant's discovery, \
                 are left out"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::publish::samples;

    fn granted(version: Version, limits: Limits, topics: &Topics) -> Permissions<'_> {
        let mut permissions = Permissions::new(topics, version, limits, Timestamp::UNIX_EPOCH);
        permissions.subscribed(&[Ok(()); 4]).unwrap();
        permissions
    }

    fn message(topic: &str, payload: &str) -> Received {
        Received {
            topic: topic.into(),
            payload: payload.into(),
            retain: false,
        }
    }

    #[test]
    fn each_refusal_is_named() {
        let topics = samples::topics();
        let mut permissions =
            Permissions::new(&topics, Version::V5, Limits::default(), Timestamp::UNIX_EPOCH);
        let error = permissions
            .subscribed(&[Ok(()), Err("no"), Ok(()), Ok(())])
            .unwrap_err();
        let words = "subscribe to affectd/lobby/privacy/commanded (no): its access list must let this device read and \
                     write below affectd/lobby";
        assert!(error.ends_with(words), "{error}");
        permissions
            .subscribed(&[Ok(()), Ok(()), Err("no"), Err("no")])
            .unwrap();
        let text = permissions.to_string();
        assert!(
            text.contains("subscribe to affectd/lobby/command: commands do not reach it")
                && text.contains("subscribe to homeassistant/status: it does not see"),
            "{text}"
        );
        let error = permissions.acknowledged(Err("no")).unwrap_err();
        assert!(error.contains("publish on affectd/lobby/result (no)"), "{error}");
    }

    #[test]
    fn mqtt_3_1_1_proves_a_result_by_its_return() {
        let topics = samples::topics();
        let mut permissions = granted(Version::V311, Limits::default(), &topics);
        let word = permissions.word.clone();
        permissions.returned(&message(&topics.privacy_command, "other"));
        assert!(!permissions.is_complete());
        permissions.returned(&message(&topics.privacy_command, &word));
        assert!(permissions.is_complete());
        assert!(permissions.to_string().contains("result did not return"));
        let result = permissions.result.clone();
        permissions.returned(&message(&topics.result, &result));
        assert!(
            permissions
                .to_string()
                .contains("and write affectd/lobby/result; no other")
        );
    }

    #[test]
    fn mqtt_5_needs_both_acknowledgements() {
        let topics = samples::topics();
        let limits = Limits {
            packet: Some(5000),
            stores_nothing: true,
            ..Limits::default()
        };
        let mut permissions = granted(Version::V5, limits, &topics);
        let word = permissions.word.clone();
        permissions.returned(&message(&topics.privacy_command, &word));
        permissions.acknowledged(Ok(())).unwrap();
        assert!(!permissions.is_complete());
        permissions.acknowledged(Ok(())).unwrap();
        assert!(permissions.is_complete());
        let text = permissions.to_string();
        assert!(
            text.contains("5000 bytes") && text.contains("stores no retained"),
            "{text}"
        );
    }
}
