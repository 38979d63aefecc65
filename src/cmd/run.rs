//! `affectd run`: the daemon.

use std::{sync::Arc, time::Duration};

use crate::{
    capture,
    clock::{Clock, SystemClock},
    config::Settings,
    error::{Exit, Failure},
    pipeline::{self, Figures, Parts, Sink},
    publish::{Identity, Publisher},
    sense::Sensor,
    shutdown::Shutdown,
};
