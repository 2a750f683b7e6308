//! The parts shared by the targets: the frames of a peer and how they are received, an application,
//! and the checks of the output.

mod app;
mod batch;
mod http;
mod manner;
mod options;
mod outcome;
mod pieces;
mod size;
mod watch;
mod wire;
mod written;

pub use self::http::{VERSIONS, accepted};
pub use app::{App, by_event};
pub use batch::{Step, Way, by_batch};
pub use http::{
    ACCEPTED, Edits, HIXIE_BODY, HIXIE_DIGEST, RANDOM, check_request, check_response, edited, request_head,
};
pub use manner::Manner;
pub use options::Options;
pub use outcome::{Outcome, alone, assert_same, assert_same_unless_encoded};
pub use size::size;
pub use watch::Watch;
pub use wire::{Cut, Frames, MASK, Mask};
pub use written::{Frame, check_hixie_frames, read_frame, read_frames};
