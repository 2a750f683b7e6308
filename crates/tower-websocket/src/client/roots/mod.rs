//! Sets of trust anchors, one per feature. A feature only makes a set available; the platform's is
//! the only one used by default.

#[cfg(feature = "tls-native-roots")]
pub(super) mod native;
#[cfg(feature = "tls-webpki-roots")]
pub(super) mod webpki;
