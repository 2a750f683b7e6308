//! A type-erased backend, so that a hub has no type parameter.

use std::sync::{Arc, Weak};

use super::history::{BoxFuture, History, HistoryQuery, ReadHistory};
use super::node::Node;
use super::signal::Signal;
use super::{Backend, Capabilities, Presence};
use crate::delivery::router::Router;
use crate::error::BackendError;
use crate::interest::Interest;
use crate::position::Position;
use crate::publication::Publication;

type Outcome<'a, T> = BoxFuture<'a, Result<T, BackendError>>;

pub(crate) trait AnyBackend: ReadHistory {
    fn capabilities(&self) -> Capabilities;
    fn start(&self, node: Node) -> Outcome<'_, ()>;
    fn publish<'a>(&'a self, topic: &'a str, publication: Publication) -> Outcome<'a, Position>;
    fn signal(&self, signal: Signal) -> Outcome<'_, ()>;
    fn count<'a>(&'a self, topic: &'a str) -> Outcome<'a, Presence>;
}

impl<B: Backend> ReadHistory for B {
    fn read_history<'a>(&'a self, topic: &'a str, query: HistoryQuery) -> Outcome<'a, History> {
        Box::pin(self.history(topic, query))
    }
}

impl<B: Backend> AnyBackend for B {
    fn capabilities(&self) -> Capabilities {
        Backend::capabilities(self)
    }

    fn start(&self, node: Node) -> Outcome<'_, ()> {
        Box::pin(Backend::start(self, node))
    }

    fn publish<'a>(&'a self, topic: &'a str, publication: Publication) -> Outcome<'a, Position> {
        Box::pin(Backend::publish(self, topic, publication))
    }

    fn signal(&self, signal: Signal) -> Outcome<'_, ()> {
        Box::pin(Backend::signal(self, signal))
    }

    fn count<'a>(&'a self, topic: &'a str) -> Outcome<'a, Presence> {
        Box::pin(Backend::count(self, topic))
    }
}

/// Creates the node to which a backend delivers.
pub(crate) fn node<B: Backend>(backend: &Arc<B>, router: &Arc<Router>, interest: &Arc<Interest>) -> Node {
    let history: Arc<dyn ReadHistory> = backend.clone();
    let history: Weak<dyn ReadHistory> = Arc::downgrade(&history);
    let is_contiguous = Backend::capabilities(&**backend).is_contiguous;
    Node { router: Arc::downgrade(router), interest: interest.clone(), history, is_contiguous }
}
