//! Tokens of requests, which identify the user that opens a socket.

pub(crate) mod sources;

use std::fmt;

use axum_core::extract::FromRequestParts;
use http::request::Parts;

use self::sources::TokenSources;
use crate::rejection::TokenRejection;

/// An extractor for the token that authorizes a request. The application verifies it before it
/// accepts the handshake, so that a client without permission receives a 401 or 403 instead of a
/// socket.
///
/// By default, the token is taken from the header `Authorization: Bearer TOKEN` (RFC 6750 §2.1).
/// JavaScript in browsers cannot set headers of a WebSocket; [`TokenSources`] enables other places.
///
/// ```
/// use axum::extract::State;
/// use axum::response::Response;
/// use axum::routing::any;
/// use axum::{Extension, Router};
/// use axum_websocket::rejection::TokenRejection;
/// use axum_websocket::{Token, TokenSources, WebSocketUpgrade};
///
/// # struct User { may_chat: bool }
/// # #[derive(Clone)] struct Users;
/// # impl Users { async fn find(&self, _: &str) -> Option<User> { None } }
/// async fn chat(ws: WebSocketUpgrade, token: Token, State(users): State<Users>) -> Result<Response, TokenRejection> {
///     let user = users.find(token.as_str()).await.ok_or(TokenRejection::Invalid)?;
///     if !user.may_chat {
///         return Err(TokenRejection::Forbidden);
///     }
///     Ok(ws.protocols(["chat"]).on_upgrade(|mut socket| async move {
///         let _ = socket.send("hello").await;
///     }))
/// }
///
/// // new WebSocket("wss://example.com/chat", ["chat", "bearer.TOKEN"])
/// let app: Router<Users> =
///     Router::new().route("/chat", any(chat)).layer(Extension(TokenSources::new().subprotocol("bearer.")));
/// ```
///
/// Do not compare a token with a secret by `==`, whose time depends on where the two differ: look
/// up its hash, or verify its signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// Returns the token, which is not empty. It was sent by the client, and may be anything.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Token {
    type Rejection = TokenRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let found = match parts.extensions.get::<TokenSources>() {
            Some(sources) => sources.find(parts)?,
            None => TokenSources::new().find(parts)?,
        };
        found.map(|token| Self(token.into())).ok_or(TokenRejection::Missing)
    }
}

/// Omits the token, which is secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}
