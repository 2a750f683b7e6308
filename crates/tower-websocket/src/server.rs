//! The types behind [`WebSocketLayer`](crate::WebSocketLayer), [`upgrade`](fn@crate::upgrade) and
//! [`accept`](fn@crate::accept): handshakes, what becomes of them, and why they are refused.

pub use websocket_driver::{Handshake, HandshakeError, HeadError, OriginalUri};

pub use crate::accept::{Accept, AcceptError, PlainHttp};
pub use crate::acceptance::Acceptance;
pub use crate::layer::body::ResponseBody;
pub use crate::layer::future::ResponseFuture;
pub use crate::layer::original_uri::{OriginalUriLayer, OriginalUriService};
pub use crate::layer::service::WebSocketService;
pub use crate::upgrade::error::{UpgradeError, UpgradeRefusal};
pub use crate::upgrade::{Upgrade, UpgradeRequest};
