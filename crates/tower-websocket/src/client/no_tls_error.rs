//! Replaces `tls_error` without the feature `tls`: no error is a TLS error.

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
