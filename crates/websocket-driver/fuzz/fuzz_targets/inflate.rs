//! Input as successive compressed messages.

#![no_main]

use libfuzzer_sys::fuzz_target;
use permessage_deflate::{PermessageDeflate, WindowBits};
use websocket_driver::extensions::{Extensions, Message, Rsv, parse_header};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    window: u8,
    no_context_takeover: bool,
    limit: u16,
    messages: Vec<(bool, Vec<u8>)>,
}

fuzz_target!(|input: Input| {
    let window = WindowBits::new(8 + input.window % 8).expect("8 to 15");
    let options =
        PermessageDeflate::new().request_max_window_bits(window).request_no_context_takeover(input.no_context_takeover);
    let mut extensions = Extensions::new();
    extensions.register(options).expect("the first of its name");
    let offer = parse_header([b"permessage-deflate; client_max_window_bits".as_slice()]).expect("a header");
    let mut pipeline = extensions.accept(&offer).0;
    let limit = usize::from(input.limit);
    // The same session for all messages, also after an error.
    for (is_text, data) in input.messages {
        let mut message = Message::new(is_text, data);
        message.rsv = Rsv::RSV1;
        let mut inspected = 0;
        let mut inspect = |piece: &[u8]| {
            inspected += piece.len();
            Ok(())
        };
        if pipeline.decode(&mut message, limit, &mut inspect).is_ok() {
            assert!(message.data.len() <= limit);
            assert_eq!(message.rsv, Rsv::NONE);
            assert_eq!(message.is_text, is_text);
            assert!(inspected <= message.data.len());
        }
        assert!(inspected <= limit);
    }
});
