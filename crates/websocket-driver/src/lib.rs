#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod driver;
mod error;
mod event;
mod framing;
mod handshake;
mod keepalive;
mod message;
mod proxy;
mod ready_state;
mod version;

pub use config::budget::{Budget, Charge};
pub use config::observer::{ConnectionObserver, ConnectionOpened, Observer, Traffic};
pub use config::values::{Limits, Timeouts};
pub use config::{Client, ClientConfig, Config, Server, ServerConfig, Side};
pub use driver::Driver;
pub use error::cause::{CloseCause, Timeout, TransportEnd};
pub use error::head::HeadError;
pub use error::limit::{Limit, LimitExceeded};
pub use error::response::{ResponseError, ResponseFault};
pub use error::usage::UsageError;
pub use error::{HandshakeError, ProtocolError, SendError};
pub use event::Event;
pub use framing::fast::batch::Batch;
pub use framing::hybi::control::check_close;
pub use framing::output::Output;
pub use framing::reply_buffer::ReplyBuffer;
pub use handshake::client_error::ClientError;
pub use handshake::completed::CompletedHandshake;
pub use handshake::connect_protocol::ConnectProtocol;
pub use handshake::server_request::{Handshake, is_handshake};
pub use handshake::target::OriginalUri;
pub use handshake::url::UrlError;
pub use keepalive::{Keepalive, TimerEvent};
pub use message::close::{CloseCode, CloseFrame};
pub use message::prepared::PreparedMessage;
pub use message::prepared_batch::PreparedBatch;
pub use message::utf8::{InvalidUtf8, Utf8Bytes};
pub use message::{Message, MessageChunk, MessageKind, MessageRef};
pub use proxy::{Proxy, ProxyError};
pub use ready_state::ReadyState;
pub use version::Version;
pub use websocket_driver_extensions as extensions;
