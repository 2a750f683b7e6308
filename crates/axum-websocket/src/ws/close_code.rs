//! Constants for close codes (RFC 6455 §7.4.1 and its registry), with the names of axum.

/// 1000: the purpose of the connection has been fulfilled.
pub const NORMAL: u16 = 1000;

/// 1001: a server shuts down, or a browser leaves the page.
pub const AWAY: u16 = 1001;

/// 1002: the peer violated the protocol.
pub const PROTOCOL: u16 = 1002;

/// 1003: the peer sent a type of data that cannot be accepted, such as binary data for an
/// application that only supports text.
pub const UNSUPPORTED: u16 = 1003;

/// 1005: the close frame had no code. It is never sent; a close without a code is
/// `Message::Close(None)`.
pub const STATUS: u16 = 1005;

/// 1006: the connection ended without a close frame. It is never sent.
pub const ABNORMAL: u16 = 1006;

/// 1007: the data of a message is not consistent with its type, such as a text that is not UTF-8.
pub const INVALID: u16 = 1007;

/// 1008: a policy was violated and no other code applies, or details must not be revealed.
pub const POLICY: u16 = 1008;

/// 1009: a message is too big to be processed.
pub const SIZE: u16 = 1009;

/// 1010: the client requires an extension that the server did not accept.
pub const EXTENSION: u16 = 1010;

/// 1011: the server encountered an unexpected condition.
pub const ERROR: u16 = 1011;

/// 1012: the server restarts.
pub const RESTART: u16 = 1012;

/// 1013: the server is overloaded. The client may try another server or try again later.
pub const AGAIN: u16 = 1013;
