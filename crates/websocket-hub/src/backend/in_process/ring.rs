use std::collections::VecDeque;

use tokio::time::Instant;

use crate::config::HistoryLimit;
use crate::position::Position;
use crate::publication::Publication;

/// The last messages of a topic.
#[derive(Debug)]
pub(super) struct Ring {
    limit: HistoryLimit,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// All messages after this offset are kept.
    floor: u64,
    /// When the topic was needed last.
    touched: Instant,
}

#[derive(Debug)]
struct Entry {
    position: Position,
    publication: Publication,
    at: Instant,
}

impl Ring {
    pub(super) fn new(limit: HistoryLimit, floor: u64) -> Self {
        Self { limit, entries: VecDeque::new(), bytes: 0, floor, touched: Instant::now() }
    }

    pub(super) fn push(&mut self, position: Position, publication: Publication) {
        self.bytes += publication.size();
        self.touched = Instant::now();
        self.entries.push_back(Entry { position, publication, at: self.touched });
        while self.entries.len() > self.limit.messages || self.bytes > self.limit.bytes {
            self.pop();
        }
    }

    /// Drops messages that are too old.
    pub(super) fn trim(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.at.elapsed() > self.limit.age) {
            self.pop();
        }
    }

    /// Records that the topic is needed.
    pub(super) fn touch(&mut self) {
        self.touched = Instant::now();
    }

    /// Returns whether the topic can be removed.
    pub(super) fn is_expired(&self) -> bool {
        self.entries.is_empty() && self.touched.elapsed() > self.limit.age
    }

    pub(super) fn reaches_back_to(&self, position: Position) -> bool {
        position.offset() >= self.floor
    }

    pub(super) fn since(&self, position: Position) -> Vec<(Position, Publication)> {
        let first = self.entries.partition_point(|entry| entry.position.offset() <= position.offset());
        self.entries.range(first..).map(Entry::message).collect()
    }

    pub(super) fn recent(&self, number: usize) -> Vec<(Position, Publication)> {
        let first = self.entries.len().saturating_sub(number);
        self.entries.range(first..).map(Entry::message).collect()
    }

    fn pop(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.publication.size();
            self.floor = entry.position.offset();
        }
    }
}

impl Entry {
    fn message(&self) -> (Position, Publication) {
        (self.position, self.publication.clone())
    }
}
