//! From a publication that has arrived at this node to the sockets of its members.
//!
//! Members are divided into shards, one for each thread of the runtime. Each [`shard`] has a task with a bounded inbox; it takes
//! everything that its inbox holds and goes member by member, so that whatever a member gets leaves in one write. A [`subscriber`] is
//! a member as its shard sees it. Its [`queue`] exists only while the connection's output is full; then a task drains it.
//!
//! Locks are taken in this order: the backend's, [`topics`], the topics of a shard, a subscriber. None is held while code of the
//! application runs, which is the callbacks of the configuration and, behind an [`outlet`], transports and connection observers.

pub(crate) mod outlet;
pub(crate) mod queue;
pub(crate) mod router;
pub(crate) mod shard;
pub(crate) mod shared;
pub(crate) mod subscriber;
pub(crate) mod topics;
pub(crate) mod users;
