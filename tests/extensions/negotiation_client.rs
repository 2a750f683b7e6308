//! The offer of a client, and its reaction to the response (RFC 7692 §7.1), through
//! [`Offered`](websocket_driver_extensions::Offered).

use permessage_deflate::PermessageDeflate;
use websocket_driver_extensions::{
    Extension, ExtensionError, ExtensionFault, HeaderEntry, Message, Offer, Params, Pipeline, Rsv, Session,
    parse_header,
};
use websocket_tests::chain::chain;

use crate::options::{long, offered, only, options, short};
use crate::peer::{noise, prose};
use crate::puff::Puff;

#[test]
fn client_offers_its_options() {
    for (client, offer) in [
        ("", "deflate; cmwb"),
        ("nct", "deflate; cnct; cmwb"),
        ("rnct", "deflate; snct; cmwb"),
        ("mwb=10", "deflate; cmwb=10"),
        ("mwb=8", "deflate; cmwb=8"),
        ("rmwb=9", "deflate; smwb=9; cmwb"),
        ("nct rnct mwb=12 rmwb=8", "deflate; snct; cnct; smwb=8; cmwb=12"),
    ] {
        assert_eq!(short(&offered(options(client)).header().unwrap()), offer, "{client:?}");
    }
}

fn activate(client: &str, response: &str) -> Result<Pipeline, ExtensionError> {
    let response = parse_header([long(response).as_bytes()]).expect("a header");
    offered(options(client)).activate(&response)
}

/// Options of the client, the response, and the parameter that the client rejects, or `-` for none.
#[rustfmt::skip]
const TABLE: &[(&str, &str, &str)] = &[
    ("",        "deflate",                                      "-"),
    ("",        "deflate; snct; cnct; smwb=9; cmwb=9",          "-"),
    // §7.1.1.1: a server may include it without a request, and must if it was requested.
    ("",        "deflate; snct",                                "-"),
    ("",        "deflate; snct; snct",                          "snct"),
    ("",        "deflate; snct=1",                              "snct=1"),
    ("rnct",    "deflate; snct",                                "-"),
    ("rnct",    "deflate",                                      "snct"),
    ("rnct",    "deflate; cnct",                                "snct"),
    // §7.1.1.2: the client must comply with it, and the server does not have to repeat it.
    ("",        "deflate; cnct",                                "-"),
    ("",        "deflate; cnct; cnct",                          "cnct"),
    ("",        "deflate; cnct=true",                           "cnct=true"),
    ("nct",     "deflate",                                      "-"),
    ("nct",     "deflate; cnct",                                "-"),
    // §7.1.2.1: the requested window or a smaller one.
    ("",        "deflate; smwb=15",                             "-"),
    ("",        "deflate; smwb=8",                              "-"),
    ("rmwb=10", "deflate; smwb=10",                             "-"),
    ("rmwb=10", "deflate; smwb=8",                              "-"),
    ("rmwb=10", "deflate; smwb=11",                             "smwb=11"),
    ("rmwb=10", "deflate; smwb=15",                             "smwb=15"),
    ("rmwb=10", "deflate",                                      "smwb"),
    ("rmwb=15", "deflate",                                      "-"),
    // §7.1.2.2: the offered window or a smaller one; the value is required.
    ("",        "deflate; cmwb=15",                             "-"),
    ("",        "deflate; cmwb=8",                              "-"),
    ("",        "deflate; cmwb",                                "cmwb"),
    ("mwb=10",  "deflate",                                      "-"),
    ("mwb=10",  "deflate; cmwb=10",                             "-"),
    ("mwb=10",  "deflate; cmwb=9",                              "-"),
    ("mwb=10",  "deflate; cmwb=11",                             "cmwb=11"),
    ("mwb=10",  "deflate; cmwb",                                "cmwb"),
    // Unknown parameters, the first of which is reported.
    ("",        "deflate; unknown",                             "unknown"),
    ("",        "deflate; snct; unknown=1; other",              "unknown=1"),
    ("",        "deflate; SMWB=10",                             "SMWB=10"),
];

fn parameter(text: &str) -> ExtensionError {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    ExtensionError::new("permessage-deflate", ExtensionFault::Parameter { name: long(name), value })
}

#[test]
fn client_accepts_each_response_that_rfc_7692_allows_and_names_what_it_refuses() {
    for (client, response, refused) in TABLE {
        match activate(client, response) {
            Ok(pipeline) => {
                assert_eq!(*refused, "-", "{response} to a client of {client:?}");
                assert_eq!(
                    (pipeline.names().collect::<Vec<_>>(), pipeline.rsv()),
                    (vec!["permessage-deflate"], Rsv::RSV1)
                );
            }
            Err(error) => {
                assert_eq!(error, parameter(refused), "{response} to a client of {client:?}");
                assert_eq!(error.close_code(), 1010);
            }
        }
    }
}

#[test]
fn client_refuses_every_malformed_window() {
    let wrong: [&[Option<&str>]; 16] = [
        &[None],
        &[Some("")],
        &[Some("0")],
        &[Some("7")],
        &[Some("16")],
        &[Some("08")],
        &[Some("015")],
        &[Some("+9")],
        &[Some("-9")],
        &[Some("9.0")],
        &[Some("0x9")],
        &[Some("264")],
        // CVE-2026-2229.
        &[Some("999999999999999999999999999999")],
        &[Some("ten")],
        &[Some("9"), Some("9")],
        &[Some("9"), None],
    ];
    for name in ["smwb", "cmwb"] {
        for values in wrong {
            let mut params = Params::new();
            values.iter().for_each(|value| params.push(long(name), value.map(Into::into)));
            let error =
                offered(PermessageDeflate::new()).activate(&[("permessage-deflate".into(), params)]).unwrap_err();
            let value = values.last().expect("one").map(Into::into);
            assert_eq!(error.reason, ExtensionFault::Parameter { name: long(name), value }, "{name} {values:?}");
        }
    }
}

#[test]
fn error_names_extension_and_parameter() {
    let told = |response| chain(&activate("mwb=9 rnct", response).unwrap_err());
    assert_eq!(
        told("deflate; snct; cmwb=10"),
        "extension \"permessage-deflate\" failed: unacceptable parameter client_max_window_bits=10"
    );
    assert_eq!(
        told("deflate"),
        "extension \"permessage-deflate\" failed: unacceptable parameter server_no_context_takeover"
    );
    assert_eq!(told("x-unknown; a=1"), "extension \"x-unknown\" failed: unknown extension");
}

#[test]
fn client_refuses_unknown_and_unoffered_extensions() {
    /// An extension for servers only.
    #[derive(Debug)]
    struct Silent;

    impl Extension for Silent {
        fn name(&self) -> &str {
            "x-silent"
        }

        fn rsv(&self) -> Rsv {
            Rsv::RSV3
        }

        fn offer(&self) -> Option<Box<dyn Offer>> {
            None
        }

        fn accept(&self, _: &[Params]) -> Option<(Params, Box<dyn Session>)> {
            None
        }
    }

    let mut extensions = only(PermessageDeflate::new());
    extensions.register(Silent).unwrap();
    assert_eq!(short(&extensions.offer().header().unwrap()), "deflate; cmwb");
    for (response, extension, reason) in [
        ("x-unknown", "x-unknown", ExtensionFault::Unknown),
        ("permessage-deflate, x-unknown", "x-unknown", ExtensionFault::Unknown),
        ("Permessage-Deflate", "Permessage-Deflate", ExtensionFault::Unknown),
        ("x-silent", "x-silent", ExtensionFault::NotOffered),
        ("permessage-deflate, permessage-deflate", "permessage-deflate", ExtensionFault::NotOffered),
    ] {
        let response: Vec<HeaderEntry> = parse_header([response.as_bytes()]).unwrap();
        let error = extensions.offer().activate(&response).unwrap_err();
        assert_eq!(error, ExtensionError::new(extension, reason));
        assert_eq!(error.close_code(), 1010);
    }
    let nothing = extensions.offer().activate(&[]).unwrap();
    assert!(nothing.is_empty() && nothing.rsv().is_empty());
}

/// Returns the frames of two equal messages of a client, each longer than the smallest windows, and
/// how far back they refer.
fn two_messages(client: &str, response: &str) -> ([Message; 2], usize) {
    let mut pipeline = activate(client, response).unwrap();
    let data = [&noise(400, 3)[..], &prose(20_000).as_bytes()[..20_000]].concat();
    let messages = [(); 2].map(|()| {
        let mut message = Message::new(false, data.clone());
        pipeline.encode(&mut message).unwrap();
        message
    });
    let mut puff = Puff::default();
    for message in messages.iter().filter(|message| message.rsv == Rsv::RSV1) {
        assert_eq!(puff.message(&message.data).unwrap(), data);
    }
    (messages, puff.reach)
}

#[test]
fn client_compresses_within_the_negotiated_window() {
    for bits in 9..=15 {
        for (client, response) in [
            (String::new(), format!("deflate; cmwb={bits}")),
            (format!("mwb={bits}"), "deflate".to_owned()),
            (format!("mwb={bits}"), format!("deflate; cmwb={bits}")),
        ] {
            let ([message, _], reach) = two_messages(&client, &response);
            assert_eq!(message.rsv, Rsv::RSV1);
            assert!(reach <= 1 << bits && reach > 1 << (bits - 2), "{reach} with {client} and {response}");
        }
    }
}

#[test]
fn client_with_a_window_of_8_does_not_compress() {
    for (client, response) in [("", "deflate; cmwb=8"), ("mwb=8", "deflate"), ("mwb=8", "deflate; cmwb=8")] {
        let ([first, second], _) = two_messages(client, response);
        assert_eq!((first.rsv, second.rsv, first.data.len()), (Rsv::NONE, Rsv::NONE, 20_400));
    }
}

#[test]
fn client_keeps_its_context_unless_either_side_declines() {
    for (client, response, keeps) in [
        ("", "deflate", true),
        ("", "deflate; snct", true),
        ("", "deflate; cnct", false),
        ("nct", "deflate", false),
        ("nct", "deflate; cnct", false),
        ("rnct", "deflate; snct", true),
    ] {
        let ([first, second], _) = two_messages(client, response);
        assert_eq!(second.data.len() < first.data.len() / 2, keeps, "{client} and {response}");
        assert_eq!(second == first, !keeps);
    }
}
