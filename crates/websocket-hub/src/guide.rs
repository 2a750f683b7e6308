//! Guides: the promises of a hub, choosing a policy, resuming from JavaScript, sizing, several
//! nodes and deployment.

#[doc = include_str!("guide/promises.md")]
pub mod promises {}

#[doc = include_str!("guide/policies.md")]
pub mod policies {}

#[doc = include_str!("guide/javascript.md")]
pub mod javascript {}

#[doc = include_str!("guide/sizing.md")]
pub mod sizing {}

#[doc = include_str!("guide/nodes.md")]
pub mod nodes {}

#[doc = include_str!("guide/deploying.md")]
pub mod deploying {}
