//! One value of each public error, with its cause.

use std::error::Error;
use std::io;

use websocket_driver::extensions::{ExtensionError, ExtensionFault, HeaderError, parse_header};
use websocket_driver::{ResponseError, ResponseFault};

pub(crate) struct Checked {
    pub(crate) name: &'static str,
    pub(crate) error: Box<dyn Error>,
    /// The cause, if there is one.
    pub(crate) cause: Option<Box<dyn Error>>,
}

macro_rules! checked {
    ($($type:ident $(:: $variant:ident)? = $error:expr $(, because $cause:expr)?;)*) => {
        vec![$(Checked {
            name: concat!(stringify!($type) $(, "::", stringify!($variant))?),
            error: Box::new($error),
            cause: None $(.or(Some(Box::new($cause) as Box<dyn std::error::Error>)))?,
        },)*]
    };
}

mod driver;
mod extractors;
mod hub;
mod sockets;

pub(crate) fn all() -> Vec<Checked> {
    driver::all().chain(sockets::all()).chain(extractors::all()).chain(hub::all()).flatten().collect()
}

fn header_error() -> HeaderError {
    parse_header([b";".as_slice()]).expect_err("no header")
}

fn extension_error() -> ExtensionError {
    ExtensionError::new("x", ExtensionFault::Unknown)
}

fn response_error() -> ResponseError {
    ResponseError::new(ResponseFault::Ended)
}

fn broken_pipe() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}
