/// A failure of an extension, with the name of the extension.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("extension {extension:?} failed")]
#[non_exhaustive]
pub struct ExtensionError {
    /// The extension's name, as in the header.
    pub extension: String,
    /// The reason.
    #[source]
    pub reason: ExtensionFault,
}

/// The reasons of an [`ExtensionError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionFault {
    /// A response names an extension that this side does not know.
    #[error("unknown extension")]
    Unknown,
    /// A response names an extension that was not offered, or more often than it was.
    #[error("extension was not offered")]
    NotOffered,
    /// A response activates two extensions that claim the same reserved bit.
    #[error("reserved bit is already claimed by {other:?}")]
    RsvConflict {
        /// The extension that was there first.
        other: String,
    },
    /// A parameter is unknown, repeated, out of range, or not what was offered.
    #[error("unacceptable parameter {name}{}", value.as_ref().map(|value| format!("={value}")).unwrap_or_default())]
    Parameter {
        /// The parameter's name.
        name: String,
        /// Its value, as it was written.
        value: Option<String>,
    },
    /// The message is longer than the limit once it is decoded.
    #[error("decoded message exceeds the limit of {limit} bytes")]
    MessageTooBig {
        /// The limit.
        limit: usize,
    },
    /// A text message is not UTF-8 once it is decoded.
    #[error("invalid UTF-8 in text message (RFC 6455 §8.1)")]
    InvalidUtf8,
    /// The payload cannot be decoded.
    #[error("cannot decode payload: {0}")]
    InvalidData(&'static str),
    /// The payload cannot be encoded.
    #[error("cannot encode payload: {0}")]
    Encode(&'static str),
}

impl ExtensionError {
    /// An error of this extension.
    pub fn new(extension: impl Into<String>, reason: ExtensionFault) -> Self {
        Self { extension: extension.into(), reason }
    }

    /// The code that the connection is closed with (RFC 6455 §7.4.1): 1010 where the negotiation failed, which a client
    /// says; 1009, 1007 and 1002 for a message; 1011 where this side failed.
    #[must_use]
    pub fn close_code(&self) -> u16 {
        match self.reason {
            ExtensionFault::MessageTooBig { .. } => 1009,
            ExtensionFault::InvalidUtf8 => 1007,
            ExtensionFault::InvalidData(_) => 1002,
            ExtensionFault::Encode(_) => 1011,
            _ => 1010,
        }
    }
}
