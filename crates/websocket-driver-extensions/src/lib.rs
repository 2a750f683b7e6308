#![doc = include_str!("../README.md")]

mod error;
mod extension;
mod header;
mod message;
mod params;
mod pipeline;
mod registry;
mod room;
#[cfg(feature = "test-util")]
pub mod test_util;
mod token;

pub use error::{ExtensionError, Reason};
pub use extension::{Extension, Offer, Session};
pub use header::{Entry, HeaderError, parse_header, write_header};
pub use message::{Message, Rsv};
pub use params::Params;
pub use pipeline::{Encoding, Pipeline};
pub use registry::{DuplicateExtension, Extensions, Offered};
pub use room::Room;
pub use token::is_token;
