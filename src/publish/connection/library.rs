//! The code that both versions of MQTT have in common. The library has one crate per version, with the same
//! names for different types, so this code is written once, as a macro.

/// Defines, for one crate of the library: `Requests` and `Events`, and how they are made.
macro_rules! library {
    ($library:ident) => {
        /// Hands packets to the library.
        pub struct Requests($library::AsyncClient);

        /// Drives the connection.
        pub struct Events($library::EventLoop);

        /// Who logs in, over which stream.
        fn options(login: &Login, stream: Handover) -> $library::MqttOptions {
            // The address is unused: the stream is already open.
            let mut options = $library::MqttOptions::new(&login.client_id, ("", 0));
            options.set_keep_alive(KEEP_ALIVE_S);
            options.set_socket_connector(move |_, _| {
                let stream = stream.take();
                async { stream }
            });
            match &login.password {
                Some(password) => {
                    options.set_credentials(&login.username, password.clone());
                }
                None if !login.username.is_empty() => {
                    options.set_username(&login.username);
                }
                None => {}
            }
            options
        }

        fn client(options: $library::MqttOptions) -> (Requests, Events) {
            let (client, events) = $library::AsyncClient::builder(options)
                .capacity(CHANNEL)
                .build();
            (Requests(client), Events(events))
        }

        fn qos(acknowledged: bool) -> $library::QoS {
            if acknowledged {
                $library::QoS::AtLeastOnce
            } else {
                $library::QoS::AtMostOnce
            }
        }

        fn received(message: &$library::Publish) -> Event {
            Event::Message(Received {
                topic: message.topic.to_vec(),
                payload: message.payload.to_vec(),
                retain: message.retain,
            })
        }

        impl Requests {
            fn send(
                &self,
                message: Message<'_>,
                options: $library::PublishOptions,
            ) -> Result<(), Backpressure> {
                let options = options.retain(message.retain);
                self.0
                    .try_publish(message.topic, message.payload.bytes(), options)
                    .map_err(|_| Backpressure)
            }

            pub fn subscribe(&self, topics: &[(&str, bool)]) -> Result<(), Backpressure> {
                let filters = topics.iter().map(|(topic, acknowledged)| {
                    $library::SubscribeFilter::new((*topic).to_owned(), qos(*acknowledged))
                });
                self.0.try_subscribe_many(filters).map_err(|_| Backpressure)
            }

            pub fn unsubscribe(&self, topics: &[&str]) -> Result<(), Backpressure> {
                let topics = topics.iter().map(|topic| (*topic).to_owned());
                self.0
                    .try_unsubscribe_many(topics)
                    .map_err(|_| Backpressure)
            }

            pub fn disconnect(&self) {
                let _ = self.0.try_disconnect_now();
            }
        }
    };
}

pub(super) use library;
