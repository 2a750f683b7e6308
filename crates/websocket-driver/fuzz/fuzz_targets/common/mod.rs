//! What the targets share: what a peer sends and how it comes, an application that takes it, and what may be written.

mod app;
mod http;
mod wire;

pub use app::{App, Options, by_event, run};
pub use http::{Edits, check_request, check_response, edited};
pub use wire::{Cut, Frames, Mask, check_frames, check_hixie_frames};
