//! Without the feature `tls`, no error is one of TLS.

use std::io;

pub(super) fn is_failure(_: &io::Error) -> bool {
    false
}

pub(super) fn is_transient(_: &io::Error) -> bool {
    false
}

pub(super) fn hint(_: &io::Error) -> Option<&'static str> {
    None
}
