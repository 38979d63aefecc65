//! One entity of the device.

use serde_json::{Value, json};

use crate::publish::{identity::Identity, topics::Topics};

/// One entity of the device.
pub struct Entity {
    /// Part of its unique id; must never change.
    pub key: &'static str,
    /// Home Assistant's platform.
    platform: &'static str,
    /// Its name for people; `None` for a trigger, and for an entity that is removed.
    name: Option<&'static str>,
    /// Everything else, as Home Assistant's documentation of the platform names it.
    options: Value,
}

impl Entity {
    /// An entity that is available while the daemon runs.
    pub fn new(key: &'static str, platform: &'static str, name: &'static str, options: Value) -> Self {
        Self {
            key,
            platform,
            name: Some(name),
            options,
        }
    }

    /// An entity about what is seen, available only while the camera is ok.
    pub fn seen(
        key: &'static str,
        platform: &'static str,
        name: &'static str,
        topics: &Topics,
        mut options: Value,
    ) -> Self {
        // Replaces the device's list.
        options["availability"] = json!([
            daemon_availability(topics),
            {
                "topic": topics.camera,
                "value_template": "{{ 'online' if value_json.status == 'ok' else 'offline' }}",
            },
        ]);
        options["availability_mode"] = "all".into();
        Self::new(key, platform, name, options)
    }

    /// A sensor about the daemon itself, fed by the topic `state`.
    pub fn diagnostic(
        key: &'static str,
        platform: &'static str,
        name: &'static str,
        state: &str,
        mut options: Value,
    ) -> Self {
        options["state_topic"] = state.into();
        options["entity_category"] = "diagnostic".into();
        Self::new(key, platform, name, options)
    }

    /// The same, for values that are rarely of interest: Home Assistant lists the entity, but a person must
    /// enable it.
    pub fn rare_diagnostic(
        key: &'static str,
        platform: &'static str,
        name: &'static str,
        state: &str,
        mut options: Value,
    ) -> Self {
        options["enabled_by_default"] = false.into();
        Self::diagnostic(key, platform, name, state, options)
    }

    /// A setting or an action, shown with the device's configuration.
    pub fn control(
        key: &'static str,
        platform: &'static str,
        name: &'static str,
        topics: &Topics,
        mut options: Value,
    ) -> Self {
        options["command_topic"] = topics.command.clone().into();
        options["entity_category"] = "config".into();
        Self::new(key, platform, name, options)
    }

    /// A trigger for automations: it has neither a name nor a state.
    pub fn trigger(key: &'static str, options: Value) -> Self {
        Self {
            key,
            platform: "device_automation",
            name: None,
            options,
        }
    }

    /// An entity that this board or model does not have. Home Assistant removes it if another model, board or
    /// version has announced it.
    pub fn removed(key: &'static str, platform: &'static str) -> Self {
        Self {
            key,
            platform,
            name: None,
            options: json!({}),
        }
    }

    /// The entity's part of the discovery message.
    pub fn component(self, identity: &Identity) -> Value {
        let mut component = self.options;
        component["p"] = self.platform.into();
        if let Some(name) = self.name {
            component["name"] = name.into();
            component["unique_id"] = format!("affectd_{}_{}", identity.device, self.key).into();
        }
        component
    }
}

/// Whether the daemon runs. Home Assistant ignores unknown words, and "stopped" must not look available.
pub fn daemon_availability(topics: &Topics) -> Value {
    json!({
        "topic": topics.availability,
        "value_template": "{{ 'online' if value == 'online' else 'offline' }}",
    })
}
