//! Checks of the page's origin and the requested host: the types behind
//! [`OriginGuard`](crate::OriginGuard).

mod authority;
pub(crate) mod guard;
pub(crate) mod layer;
pub(crate) mod pattern;
pub(crate) mod refusal;

pub use self::layer::OriginGuardService;
pub use self::pattern::PatternError;
pub use self::refusal::OriginRefusal;
