#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bounded_buffer;
mod error;
mod extension;
mod header;
mod message;
mod params;
mod pipeline;
mod registry;
mod streaming;
#[cfg(feature = "test-util")]
pub mod test_util;
mod token;

pub use bounded_buffer::BoundedBuffer;
pub use error::{ExtensionError, ExtensionFault};
pub use extension::{Extension, Offer, Session};
pub use header::{HeaderEntry, HeaderError, parse_header, write_header};
pub use message::{Message, Rsv};
pub use params::Params;
pub use pipeline::{Encoding, Pipeline};
pub use registry::{DuplicateExtension, Extensions, Offered};
pub use streaming::{PieceFlush, Progress, StreamingSession, StreamingStage};
pub use token::is_token;
