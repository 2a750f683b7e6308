//! Input as the lines of a `Sec-WebSocket-Extensions` header.

#![no_main]

use libfuzzer_sys::fuzz_target;
use permessage_deflate::PermessageDeflate;
use websocket_driver::extensions::{Extensions, parse_header, write_header};

fuzz_target!(|data: &[u8]| {
    let Ok(entries) = parse_header(data.split(|byte| *byte == b'\n')) else { return };
    let written = write_header(entries.iter().map(|(name, params)| (name.as_str(), params)));
    assert_eq!(written.is_none(), entries.is_empty());
    assert_eq!(parse_header([written.unwrap_or_default().as_bytes()]), Ok(entries.clone()));

    let mut extensions = Extensions::new();
    extensions.register(PermessageDeflate::new()).expect("the first of its name");
    let (pipeline, answer) = extensions.accept(&entries);
    assert_eq!(pipeline.is_empty(), answer.is_none());
    // The server's response is well-formed, and a client that offers everything accepts it.
    if let Some(answer) = answer {
        let answer = parse_header([answer.as_bytes()]).expect("an answer is well formed");
        extensions.offer().activate(&answer).expect("an answer is acceptable");
    }
    let _ = extensions.offer().activate(&entries);
});
