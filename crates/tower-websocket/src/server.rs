//! The types behind [`WebSocketLayer`](crate::WebSocketLayer), [`upgrade`](fn@crate::upgrade) and
//! [`accept`](fn@crate::accept): handshakes, their results, and the reasons for refusals.

pub use websocket_driver::{ConnectProtocol, Handshake, HandshakeError, HeadError, OriginalUri};

pub use crate::accept::{Accept, AcceptError, PlainHttp};
pub use crate::acceptance::Acceptance;
pub use crate::answer::pending::PendingSocket;
pub use crate::answer::request::HandshakeRequest;
pub use crate::layer::body::ResponseBody;
pub use crate::layer::future::ResponseFuture;
pub use crate::layer::original_uri::{OriginalUriLayer, OriginalUriService};
pub use crate::layer::service::WebSocketService;
pub use crate::upgrade::error::{UpgradeError, UpgradeRefusal};
pub use crate::upgrade::{Upgrade, UpgradeRequest};
