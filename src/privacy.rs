//! Who may stop the sensing: a command over MQTT and a switch on the device. Either is enough, and neither can overrule
//! the other.

/// What the switch on the device says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Switch {
    /// Sensing is allowed; also where there is no switch.
    #[default]
    Off,
    /// Sensing must stop.
    On,
    /// Nobody knows, with the reason; whoever threw the switch must be able to rely on it, so sensing must stop.
    Unreadable(String),
}

/// Both inputs, and what follows from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privacy {
    /// Whether privacy was commanded over MQTT.
    pub commanded: bool,
    /// The switch on the device.
    pub switch: Switch,
}

impl Privacy {
    /// Whether sensing must stop.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.commanded || self.switch != Switch::Off
    }

    /// Why sensing must stop, for a person; `None` where it need not.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let switch = match &self.switch {
            Switch::Off => None,
            Switch::On => Some("the privacy switch is on".to_owned()),
            Switch::Unreadable(why) => Some(format!("the privacy switch cannot be read: {why}")),
        };
        match (switch, self.commanded) {
            (switch, false) => switch,
            (None, true) => Some("privacy was commanded".to_owned()),
            (Some(switch), true) => Some(format!("privacy was commanded, and {switch}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_input_is_enough_and_each_is_named() {
        let said = |commanded, switch: &Switch| {
            let switch = switch.clone();
            let privacy = Privacy { commanded, switch };
            assert_eq!(privacy.is_on(), privacy.reason().is_some());
            privacy.reason().unwrap_or_default()
        };
        let unreadable = Switch::Unreadable("it is gone".into());
        assert_eq!(said(false, &Switch::Off), "");
        assert_eq!(said(true, &Switch::Off), "privacy was commanded");
        assert_eq!(said(false, &Switch::On), "the privacy switch is on");
        assert_eq!(
            said(true, &Switch::On),
            "privacy was commanded, and the privacy switch is on"
        );
        assert_eq!(
            said(false, &unreadable),
            "the privacy switch cannot be read: it is gone"
        );
    }
}
