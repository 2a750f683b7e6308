/// A failure of an extension, with the name of the extension.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("extension {extension:?} failed")]
#[non_exhaustive]
pub struct ExtensionError {
    /// The name of the extension, as in the header.
    pub extension: String,
    /// The reason.
    #[source]
    pub reason: ExtensionFault,
}

/// The reason of an [`ExtensionError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionFault {
    /// The response names an extension that is not registered.
    #[error("unknown extension")]
    Unknown,
    /// The response names an extension that was not offered, or that it named already.
    #[error("extension was not offered")]
    NotOffered,
    /// The response activates two extensions that claim the same reserved bit.
    #[error("reserved bit is already claimed by {other:?}")]
    RsvConflict {
        /// The extension that claimed it first.
        other: String,
    },
    /// A parameter is unknown, repeated, out of range or does not match the offer.
    #[error("unacceptable parameter {name}{}", value.as_ref().map(|value| format!("={value}")).unwrap_or_default())]
    Parameter {
        /// The parameter's name.
        name: String,
        /// The value, unchanged.
        value: Option<String>,
    },
    /// The decoded message exceeds the limit.
    #[error("decoded message exceeds the limit of {limit} bytes")]
    MessageTooBig {
        /// The limit.
        limit: usize,
    },
    /// The decoded text message is not UTF-8.
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
    /// Creates an error of the extension with this name.
    pub fn new(extension: impl Into<String>, reason: ExtensionFault) -> Self {
        Self { extension: extension.into(), reason }
    }

    /// Returns the code that the connection is closed with (RFC 6455 §7.4.1): 1010 if the
    /// negotiation failed on a client, 1009, 1007 or 1002 for an incoming message, 1011 if encoding
    /// failed.
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
