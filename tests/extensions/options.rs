//! Abbreviations for the options and parameters of permessage-deflate, for readable tables.

use permessage_deflate::{PermessageDeflate, WindowBits};
use websocket_driver_extensions::{Extensions, Offered, Params, parse_header};

/// The four parameters, abbreviated and complete.
const WORDS: [(&str, &str); 4] = [
    ("snct", "server_no_context_takeover"),
    ("cnct", "client_no_context_takeover"),
    ("smwb", "server_max_window_bits"),
    ("cmwb", "client_max_window_bits"),
];

/// Expands a header such as `deflate; snct; smwb=10`.
pub(crate) fn long(header: &str) -> String {
    WORDS.iter().fold(header.replace("deflate", "permessage-deflate"), |text, (short, long)| text.replace(short, long))
}

/// The inverse of [`long`].
pub(crate) fn short(header: &str) -> String {
    WORDS.iter().fold(header.replace("permessage-deflate", "deflate"), |text, (short, long)| text.replace(long, short))
}

pub(crate) fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).expect("8 to 15")
}

/// Parses options such as `mwb=10 rmwb=12 nct rnct`: the maximum window, no context takeover, and
/// both requested from the peer.
pub(crate) fn options(text: &str) -> PermessageDeflate {
    text.split_whitespace().fold(PermessageDeflate::new(), |options, word| match word.split_once('=') {
        None if word == "nct" => options.no_context_takeover(true),
        None if word == "rnct" => options.request_no_context_takeover(true),
        Some(("mwb", value)) => options.max_window_bits(value.parse().expect("8 to 15")),
        Some(("rmwb", value)) => options.request_max_window_bits(value.parse().expect("8 to 15")),
        _ => panic!("{word}"),
    })
}

/// Registers a single extension.
pub(crate) fn only(deflate: PermessageDeflate) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.register(deflate).expect("the first of its name");
    extensions
}

/// Returns the server's response in abbreviated form.
pub(crate) fn respond(deflate: PermessageDeflate, offers: &str) -> Option<String> {
    let offers = parse_header([long(offers).as_bytes()]).expect("a header");
    only(deflate).accept(&offers).1.map(|header| short(&header))
}

/// Returns the client's offer.
pub(crate) fn offered(deflate: PermessageDeflate) -> Offered {
    only(deflate).offer()
}

/// One or more ways to write a parameter, or `None` to omit it.
pub(crate) type Way = Option<&'static [Option<&'static str>]>;

/// Adds a parameter.
pub(crate) fn push(params: &mut Params, name: &str, way: Way) {
    way.into_iter().flatten().for_each(|value| params.push(long(name), value.map(Into::into)));
}

#[test]
fn abbreviations_expand_and_contract() {
    let header = "permessage-deflate; server_max_window_bits=10; client_no_context_takeover";
    assert_eq!(long("deflate; smwb=10; cnct"), header);
    assert_eq!(short(header), "deflate; smwb=10; cnct");
    assert_eq!(
        options("mwb=9 rnct"),
        PermessageDeflate::new().max_window_bits(bits(9)).request_no_context_takeover(true)
    );
}
