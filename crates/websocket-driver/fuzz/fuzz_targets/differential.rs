//! A connection of any kind whose bytes are received twice, split, read and observed in different
//! ways. The results must be the same.

#![no_main]

use common::{ACCEPTED, App, Cut, Edits, Frames, HIXIE_BODY, Options, Outcome, RANDOM, Step, VERSIONS, Way};
use common::{accepted, alone, assert_same, by_batch, by_event, edited, request_head};
use http::Uri;
use libfuzzer_sys::fuzz_target;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{Config, Driver};

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
    cuts: [(Cut, Option<Way>); 2],
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
        if !self.has_deflate {
            return config;
        }
        app.deflate(config, PermessageDeflate::new().threshold(0).no_context_takeover(self.no_context_takeover))
    }

    fn driver(&self, app: &mut App, head: &[u8]) -> Driver {
        let mut driver = if self.is_client() {
            let config = self.config(app, Config::client());
            let config = config.random(|bytes| bytes.copy_from_slice(&RANDOM[..bytes.len()]));
            Driver::client(&Uri::from_static("ws://example.com/demo"), config).expect("a URL")
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

    fn connect(&self, (cut, way): &(Cut, Option<Way>)) -> Outcome {
        let (head, mut bytes) = (self.head(), Vec::new());
        if self.is_client() || !self.is_given {
            bytes = edited(&head, &self.edits);
        }
        bytes.extend(HIXIE_BODY.iter().filter(|_| head.windows(4).any(|part| part == b"Key1")));
        self.frames.write(!self.is_client(), &mut bytes);

        let mut app = App::new(&self.options, cut);
        let driver = self.driver(&mut app, &head);
        match way {
            Some(way) => app.run(driver, &bytes, by_batch(&self.steps, *way)),
            None => app.run(driver, &bytes, by_event),
        }
    }
}

fuzz_target!(|input: Input| {
    let [one, other] = input.cuts.each_ref().map(|cut| alone(|| input.connect(cut)));
    assert_same(&one, &other);
});
