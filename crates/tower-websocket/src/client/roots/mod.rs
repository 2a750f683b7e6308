//! Sets of trust anchors, each by a feature. A feature makes a set available; only the platform's is used without being asked for.

#[cfg(feature = "tls-native-roots")]
pub(super) mod native;
#[cfg(feature = "tls-webpki-roots")]
pub(super) mod webpki;
