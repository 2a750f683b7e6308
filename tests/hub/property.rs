//! The hub compared to a model of one slow member: random messages, while the peer alternates
//! between reading and not reading.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tower_websocket::CloseCode;
use tower_websocket::test::Frame;
use websocket_hub::{Hub, HubConfig, Notice, Overflow, QueueLimit, Subscribe};

use crate::members::{Seat, settle};

const TOPICS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone, Copy)]
enum Step {
    Publish { topic: usize, len: usize },
    Stall,
    Resume,
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    overflow: Overflow,
    messages: usize,
    bytes: usize,
}

/// The expected messages. The output holds one message more than the transport.
#[derive(Default)]
struct Model {
    is_stalled: bool,
    has_output: bool,
    received: Vec<String>,
    queue: Vec<(usize, String)>,
    missed: [u64; 3],
    is_closed: bool,
}

impl Model {
    fn publish(&mut self, topic: usize, text: String, rule: Rule) {
        if self.is_closed {
            return;
        }
        if !self.is_stalled || !self.has_output {
            self.has_output = self.is_stalled;
            self.received.push(text);
            return;
        }
        let fits_alone = rule.messages > 0 && text.len() <= rule.bytes;
        if rule.overflow == Overflow::LatestOnly && fits_alone {
            self.queue.retain(|(of, _)| *of != topic);
        }
        loop {
            let waiting: Vec<_> = self.queue.iter().filter(|(of, _)| *of == topic).collect();
            let bytes: usize = waiting.iter().map(|(_, text)| text.len()).sum();
            if waiting.len() < rule.messages && bytes + text.len() <= rule.bytes {
                return self.queue.push((topic, text));
            }
            match rule.overflow {
                Overflow::Close(_) => {
                    self.queue.clear();
                    self.is_closed = true;
                    return;
                }
                Overflow::DropOldest if fits_alone => {
                    let oldest = self.queue.iter().position(|(of, _)| *of == topic).expect("one that waits");
                    self.queue.remove(oldest);
                    self.missed[topic] += 1;
                }
                _ => {
                    self.missed[topic] += 1;
                    return;
                }
            }
        }
    }

    fn resume(&mut self) {
        (self.is_stalled, self.has_output) = (false, false);
        self.received.extend(self.queue.drain(..).map(|(_, text)| text));
    }
}

async fn run(rules: Vec<Rule>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let hub = Hub::new(HubConfig::new());
    let mut seat = Seat::narrow(&hub).await;
    let mut model = Model::default();
    for (topic, rule) in TOPICS.iter().zip(&rules) {
        let options = Subscribe::new().overflow(rule.overflow).queue(QueueLimit::new(rule.messages, rule.bytes));
        let _ = seat.subscribe(topic, options).await;
    }
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Publish { topic, len } => {
                let text = format!("{number}{}", "x".repeat(len));
                hub.publish(TOPICS[topic], text.clone()).await.unwrap();
                model.publish(topic, text, rules[topic]);
            }
            Step::Stall => {
                seat.peer.stall();
                model.is_stalled = true;
            }
            Step::Resume => {
                seat.peer.resume();
                model.resume();
            }
        }
        settle().await;
        let stats = hub.stats();
        prop_assert_eq!(stats.queued_messages, model.queue.len());
        prop_assert_eq!(stats.queued_bytes, model.queue.iter().map(|(_, text)| text.len()).sum::<usize>());
        prop_assert_eq!(stats.closed_slow > 0, model.is_closed);
    }
    seat.peer.resume();
    model.resume();
    for text in model.received {
        prop_assert_eq!(seat.peer.next_frame().await, Frame::Text(text));
    }
    if model.is_closed {
        seat.peer.expect_close(CloseCode::TRY_AGAIN_LATER).await;
        return Ok(());
    }
    seat.peer.expect_nothing(Duration::from_millis(1)).await;
    let mut missed = [0; 3];
    while let Ok(notice) = tokio::time::timeout(Duration::from_millis(1), seat.member.notice()).await {
        let Notice::Lagged { topic, missed: number } = notice else { panic!("{notice:?}") };
        let topic = TOPICS.iter().position(|known| **known == *topic).unwrap();
        prop_assert_eq!(std::mem::replace(&mut missed[topic], number), 0, "one notice for a topic");
    }
    prop_assert_eq!(missed, model.missed);
    Ok(())
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let overflow = prop_oneof![
        1 => Just(Overflow::default()),
        3 => Just(Overflow::DropOldest),
        3 => Just(Overflow::DropNewest),
        3 => Just(Overflow::LatestOnly),
    ];
    vec((overflow, 0..6usize, 0..60usize).prop_map(|(overflow, messages, bytes)| Rule { overflow, messages, bytes }), 3)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..3usize, 0..20usize).prop_map(|(topic, len)| Step::Publish { topic, len }),
        1 => Just(Step::Stall),
        1 => Just(Step::Resume),
    ];
    vec(step, 0..60).prop_map(|mut steps| {
        steps.insert(0, Step::Stall);
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn slow_member_gets_what_its_policies_say(rules in rules(), steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(rules, steps))?;
    }
}
