//! Extraction from a request.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::on_failed_upgrade::DefaultOnFailedUpgrade;
use super::rejection::WebSocketUpgradeRejection;
use super::upgrade::WebSocketUpgrade;
use crate::extract::WebSocketUpgrade as NativeUpgrade;

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade<DefaultOnFailedUpgrade> {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let native = <NativeUpgrade as FromRequestParts<S>>::from_request_parts(parts, state).await;
        native.map(Self::new).map_err(|rejection| WebSocketUpgradeRejection::new(rejection, parts.version))
    }
}

/// Returns `None` if the request is not a WebSocket handshake.
impl<S: Send + Sync> OptionalFromRequestParts<S> for WebSocketUpgrade<DefaultOnFailedUpgrade> {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Self::Rejection> {
        let native = <NativeUpgrade as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await;
        native
            .map(|native| native.map(Self::new))
            .map_err(|rejection| WebSocketUpgradeRejection::new(rejection, parts.version))
    }
}
