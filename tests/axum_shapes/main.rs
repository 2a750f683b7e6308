//! The types of `axum_websocket::ws`: handlers written for axum, and the behaviour they rely on.

#![expect(clippy::duplicate_mod, reason = "the same handlers are compiled with either import")]

mod cancellation;
mod ends;
mod messages;
mod over_axum;
mod over_ours;

mod rejections;
#[path = "../sockets/run.rs"]
mod run;
mod sink;
mod upgrade;
