//! A connection of any kind whose bytes are received twice, split, read and observed in different
//! ways, with messages whole or in pieces in both directions. The results must be the same.

#![no_main]

use common::{ACCEPTED, App, Cut, Edits, Frames, HIXIE_BODY, Manner, Options, Outcome, RANDOM, Step, VERSIONS, Way};
use common::{accepted, alone, assert_same, assert_same_unless_encoded, by_batch, by_event, edited, request_head};
use http::Uri;
use libfuzzer_sys::fuzz_target;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{ClientConfig, Config, Driver};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    /// Selects a client, or the version of a server.
    version: u8,
    /// Whether an HTTP stack reads the request.
    is_given: bool,
    has_deflate: bool,
    no_context_takeover: bool,
    is_early: bool,
    options: Options,
    steps: [Step; 4],
    runs: [(Cut, Option<Way>, Manner); 2],
    edits: Edits,
    frames: Frames,
}

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
const ANSWER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

impl Input {
    fn is_client(&self) -> bool {
        usize::from(self.version) % (VERSIONS.len() + 1) == VERSIONS.len()
    }

    fn head(&self) -> Vec<u8> {
        let extensions = if self.is_client() { ANSWER } else { OFFER };
        let extensions = if self.has_deflate { extensions } else { "" };
        if self.is_client() {
            return format!("{ACCEPTED}{extensions}\r\n").into_bytes();
        }
        request_head(VERSIONS[usize::from(self.version) % (VERSIONS.len() + 1)], extensions).into_bytes()
    }

    fn config<S>(&self, app: &mut App, config: Config<S>) -> Config<S> {
        let config = app.config(config).protocols(["a"]);
        if self.has_deflate { app.deflate(config, self.deflate()) } else { config }
    }

    fn deflate(&self) -> PermessageDeflate {
        PermessageDeflate::new().threshold(0).no_context_takeover(self.no_context_takeover)
    }

    fn driver(&self, app: &mut App, head: &[u8]) -> Driver {
        let mut driver = if self.is_client() {
            client(self.config(app, Config::client()))
        } else {
            let config = self.config(app, Config::server().allow_drafts(true));
            if self.is_given { accepted(head, &config).expect("a handshake").1 } else { Driver::server(config) }
        };
        if self.is_early {
            app.send(&mut driver, "early");
        }
        if self.is_client() {
            driver.start().expect("a request to write");
        }
        driver
    }

    fn connect(&self, (cut, way, manner): &(Cut, Option<Way>, Manner)) -> Outcome {
        let (head, mut bytes) = (self.head(), Vec::new());
        if self.is_client() || !self.is_given {
            bytes = edited(&head, &self.edits);
        }
        bytes.extend(HIXIE_BODY.iter().filter(|_| head.windows(4).any(|part| part == b"Key1")));
        self.frames.write(!self.is_client(), &mut bytes);

        let mut app = App::new(&self.options, cut).in_manner(*manner);
        let driver = self.driver(&mut app, &head);
        match way {
            Some(way) => app.run(driver, &bytes, by_batch(&self.steps, *way)),
            None => app.run(driver, &bytes, by_event),
        }
    }

    /// Returns the other side, unless it is one of the hixie drafts, or cannot read the handshake.
    fn peer(&self) -> Option<Driver> {
        fn deflate<S>(input: &Input, config: Config<S>) -> Config<S> {
            if input.has_deflate { config.extension(input.deflate()).expect("the first of its name") } else { config }
        }
        if !self.edits.is_empty() {
            return None;
        }
        if self.is_client() {
            return Some(Driver::server(deflate(self, Config::server())));
        }
        let is_hixie = VERSIONS[usize::from(self.version) % (VERSIONS.len() + 1)].is_hixie();
        if is_hixie || self.is_given {
            return None;
        }
        let mut driver = client(deflate(self, Config::client()));
        driver.start().expect("a request to write");
        Some(driver)
    }
}

/// Returns a client whose key and masks are known.
fn client(config: ClientConfig) -> Driver {
    let config = config.random(|bytes| bytes.copy_from_slice(&RANDOM[..bytes.len()]));
    Driver::client(&Uri::from_static("ws://example.com/demo"), config).expect("a URL")
}

fuzz_target!(|input: Input| {
    let mut input = input;
    let manners = input.runs.each_ref().map(|(.., manner)| *manner);
    let may_stream = manners.iter().any(|manner| manner.may_stream());
    if may_stream {
        input.options.limit_only_messages();
    }
    let [mut one, mut other] = input.runs.each_ref().map(|run| alone(|| input.connect(run)));
    for outcome in [&one, &other] {
        if let Some(peer) = input.peer().filter(|_| outcome.is_open()) {
            outcome.check_by(peer);
        }
    }
    if manners.iter().any(|manner| manner.has_fragments()) {
        // Only the frames differ.
        (one.written, other.written) = Default::default();
    }
    if may_stream && input.has_deflate {
        assert_same_unless_encoded(&one, &other);
    } else {
        assert_same(&one, &other);
    }
});
