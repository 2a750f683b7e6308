//! The extension framework and permessage-deflate, alone and through the server's driver, without
//! sockets.

mod broken;
mod checksum;
mod choices;
mod composition;
mod conformance;
mod deflate_faults;
mod deflate_limits;
mod deflate_messages;
mod header;
mod header_in_handshake;
mod idle;
mod negotiation_client;
mod negotiation_server;
mod options;
mod peer;
mod properties;
mod puff;
mod streaming;
mod two_drivers;
