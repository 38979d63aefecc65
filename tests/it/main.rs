//! The end-to-end and integration tests, in one program, so that tract is linked only once.
//!
//! Tests that replace the C library's calls or the allocator need separate programs; they are in the parent
//! folder.
#![allow(clippy::unwrap_used)]

mod common;

mod aim;
mod analyze;
mod attention;
mod check;
mod check_broker;
mod config;
mod daemon;
mod demo;
mod exit_codes;
mod forget;
mod http;
mod http_abuse;
mod http_public;
mod log;
mod manual;
mod model;
mod model_layouts;
mod mqtt;
mod mqtt_commands;
mod mqtt_limits;
mod mqtt_privacy;
mod mqtt_process;
mod mqtt_routes;
mod mqtt_versions;
mod need;
mod pipe;
mod pipeline;
mod privacy;
mod rate;
mod schemas;
mod switch;
mod target;
