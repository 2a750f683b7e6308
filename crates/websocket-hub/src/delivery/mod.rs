//! Delivery of publications that were received by this node to the sockets of its members.
//!
//! Members are divided into shards, one per thread of the runtime. Each [`shard`] has a task with a
//! bounded inbox. The task takes all messages in its inbox and serves one member after the other,
//! so that all messages for a member are written together. A [`subscriber`] is a member as seen by
//! its shard. It has a [`queue`] only while the output of its connection is full; a task drains the
//! queue.
//!
//! Lock order: the backend's, [`topics`], the topics of a shard, a subscriber. No lock is held
//! while application code runs: the callbacks of the configuration and, behind an [`outlet`],
//! transports and connection observers.

pub(crate) mod outlet;
pub(crate) mod queue;
pub(crate) mod router;
pub(crate) mod shard;
pub(crate) mod shared;
pub(crate) mod subscriber;
pub(crate) mod topics;
pub(crate) mod users;
