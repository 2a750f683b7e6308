//! The hand-over of output between senders, the receiver and the background task, under many
//! schedules.
//!
//! The queue of the background and the hand-over state are the library's own files, with the locks
//! and atomics of `shuttle`. Their surroundings, the lock of a connection, writing, and the loop of
//! the background, are modelled after `connection/shared.rs`, `connection/writing.rs` and
//! `background/flusher.rs`: a message is one byte, and the transport accepts as many as its peer
//! has made room for. `shuttle` reports tasks that wait forever as a deadlock.

mod background;
mod connection;
#[path = "../../crates/tower-websocket/src/connection/handover.rs"]
#[allow(dead_code, reason = "the library calls what the model does not")]
mod handover;
#[path = "../../crates/tower-websocket/src/background/queue.rs"]
#[allow(dead_code, reason = "the library calls what the model does not")]
mod queue;
mod scenarios;
mod sync;
mod transport;

use std::panic::catch_unwind;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, Runner};

use self::connection::Fault;

/// The number of schedules per scenario, both random and by probabilistic concurrency testing.
const SCHEDULES: usize = 600;

/// The number of priority changes in a schedule of the latter.
const DEPTH: usize = 4;

fn config() -> Config {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::Print;
    config
}

fn check(scenario: fn(Fault), fault: Fault) {
    Runner::new(RandomScheduler::new(SCHEDULES), config()).run(move || scenario(fault));
    Runner::new(PctScheduler::new(DEPTH, SCHEDULES), config()).run(move || scenario(fault));
}

/// Checks that the scenario fails with a planted fault, since its success is meaningless otherwise.
fn expect_found(scenario: fn(Fault), fault: Fault) {
    assert!(catch_unwind(|| check(scenario, fault)).is_err(), "{fault:?} is not found");
}

#[test]
fn output_of_senders_and_receiver_is_written() {
    check(scenarios::senders, Fault::None);
}

#[test]
fn output_is_written_when_another_task_is_let_past_the_background() {
    check(scenarios::forgetful_transport, Fault::None);
}

#[test]
fn output_of_an_ended_runtime_is_written_by_the_home_of_the_connection() {
    check(scenarios::runtime_end_with_home, Fault::None);
}

#[test]
fn senders_are_continued_when_the_runtime_of_the_background_has_ended() {
    check(scenarios::runtime_end_without_home, Fault::None);
}

#[test]
fn deadline_of_a_close_is_seen_whatever_the_background_waits_for() {
    check(scenarios::close, Fault::None);
}

#[test]
fn entry_of_a_connection_that_was_cut_is_released() {
    check(scenarios::cut, Fault::None);
}

#[test]
fn planted_faults_are_found() {
    expect_found(scenarios::senders, Fault::NoWait);
    expect_found(scenarios::senders, Fault::BeginPollLate);
    expect_found(scenarios::senders, Fault::EntryIsNotLast);
    expect_found(scenarios::senders, Fault::SendersAreNotWoken);
    expect_found(scenarios::forgetful_transport, Fault::EntryIsForgotten);
    expect_found(scenarios::runtime_end_with_home, Fault::ReleaseWithoutRenewal);
    expect_found(scenarios::runtime_end_without_home, Fault::ReleaseWithoutWaking);
    expect_found(scenarios::close, Fault::CloseWithoutWaking);
}
