//! The HTTP server: health for programs that watch the daemon, metrics, and the technician's live page.
//!
//! It runs on its own thread, which is idle between requests. The live page shows measurements, not the
//! picture. Requests are limited in size, time and number, and must name this server (`hosts`); requests from
//! other machines need a token and TLS (`token`).

mod accept;
pub mod aim;
mod answer;
mod client;
mod connection;
mod error;
mod events;
mod guard;
mod hosts;
mod listener;
mod live;
mod metrics;
mod page;
mod privacy;
mod probes;
mod routes;
mod server;
mod shared;
mod site;
mod stalled;
mod tls;
mod token;
pub mod view;

pub use self::{
    client::{Client, ClientError, Events, Response},
    error::HttpError,
    live::{Frame, Live, Newest},
    probes::{Fault, Part, Verdict},
    server::{Server, ServerThread},
    shared::{Facts, Shared},
};
