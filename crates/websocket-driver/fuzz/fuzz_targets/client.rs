//! Responses and frames of a server to a client, with or without a proxy.

#![no_main]

use bytes::Buf;
use common::{App, Cut, Edits, Frames, MASK, Options, RANDOM, alone, assert_same, by_event, check_request, edited};
use http::Uri;
use libfuzzer_sys::fuzz_target;
use permessage_deflate::PermessageDeflate;
use websocket_driver::{Config, Driver, Event, Proxy, ProxyError};

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    offers_deflate: bool,
    options: Options,
    cut: Cut,
    proxy_answer: u8,
    proxy_edits: Edits,
    answer: u8,
    edits: Edits,
    frames: Frames,
}

const ANSWERS: [&str; 9] = [
    "",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: b\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
     Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=9\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 101 Switching Protocols\n\
     Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n\n",
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
    "HTTP/1.0 200 OK\r\n\r\n<html>",
];

/// The first one stands for no proxy.
const PROXY_ANSWERS: [&str; 5] = [
    "",
    "HTTP/1.1 200 Connection established\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\nContent-Length: 5\n\n",
    "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
    "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
];

fn client(input: &Input, app: &mut App) -> (Driver, Uri) {
    let url = Uri::from_static("ws://user:secret@example.com/chat");
    let config = app.config(Config::client()).protocols(["a", "b"]);
    let mut config = config.random(|bytes| bytes.copy_from_slice(&RANDOM[..bytes.len()]));
    if input.offers_deflate {
        config = app.deflate(config, PermessageDeflate::new().threshold(0));
    }
    (Driver::client(&url, config).expect("a URL"), url)
}

/// Opens a tunnel. Returns the length of the proxy's response, and the number of bytes received
/// after it.
fn tunnel((driver, url): (Driver, Uri), bytes: &[u8], cut: &Cut) -> Result<(Driver, usize, usize), ProxyError> {
    let mut proxy = Proxy::new(driver, &url, &Uri::from_static("http://user:secret@proxy:3128")).expect("URLs");
    proxy.start();
    let output = proxy.output();
    assert!(check_request(&output.copy_to_bytes(output.remaining())).is_empty());
    let mut come = 0;
    let mut told = cut.pieces(bytes).find_map(|piece| {
        come += piece.len();
        proxy.receive(piece);
        proxy.poll()
    });
    if told.is_none() {
        proxy.receive_eof();
        told = proxy.poll();
    }
    assert_eq!(proxy.poll(), None);
    told.expect("an outcome")?;
    let mut driver = proxy.into_driver().expect("a tunnel");
    let len = come - driver.input().len();
    assert_eq!(driver.input(), &bytes[len..come]);
    Ok((driver, len, come))
}

fuzz_target!(|input: Input| {
    let Input { options, cut, .. } = &input;
    let proxy_answer = PROXY_ANSWERS[usize::from(input.proxy_answer) % PROXY_ANSWERS.len()];
    let mut bytes = Vec::new();
    if !proxy_answer.is_empty() {
        bytes.extend(edited(proxy_answer.as_bytes(), &input.proxy_edits));
    }
    bytes.extend(edited(ANSWERS[usize::from(input.answer) % ANSWERS.len()].as_bytes(), &input.edits));
    input.frames.write(false, &mut bytes);

    let connect = |cut: &Cut| -> Result<_, ProxyError> {
        let mut app = App::new(options, cut);
        let client = client(&input, &mut app);
        let (mut driver, len, come) = match proxy_answer {
            "" => (client.0, 0, 0),
            _ => tunnel(client, &bytes, cut)?,
        };
        driver.start().expect("a request to write");
        Ok((len, app.run(driver, &bytes[come..], by_event)))
    };
    match (alone(|| connect(&Cut::NONE)), alone(|| connect(cut))) {
        (Ok((whole_len, whole)), Ok((len, in_pieces))) => {
            assert_eq!(len, whole_len);
            assert_same(&in_pieces, &whole);
            whole.check_frames(check_request(&whole.written), Some(MASK), input.offers_deflate);
            // The edits may have inserted a frame.
            if input.proxy_edits.is_empty() && input.edits.is_empty() && whole.events[0] == Event::Open {
                assert!(whole.events[1..].starts_with(&input.frames.messages(options)));
            }
        }
        (whole, in_pieces) => assert_eq!(in_pieces.map(|_| ()), whole.map(|_| ())),
    }
});
