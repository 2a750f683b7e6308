//! A server's response to the parameters of an offer (RFC 7692 §7.1): in a readable table, and in
//! all combinations.

use permessage_deflate::PermessageDeflate;
use websocket_driver_extensions::{Extension, Params};

use crate::options::{Way, bits, options, push, respond, short};

/// Options of the server, offers, and the response, or `-` for none.
#[rustfmt::skip]
const TABLE: &[(&str, &str, &str)] = &[
    // §7.1.3: the examples of the specification.
    ("",              "deflate",                                      "deflate"),
    ("",              "deflate; cmwb; smwb=10",                       "deflate; smwb=10"),
    ("",              "deflate; cmwb; smwb=10, deflate; cmwb",        "deflate; smwb=10"),
    // §7.1.1.1: a client's request is confirmed, and the server may include it without a request.
    ("",              "deflate; snct",                                "deflate; snct"),
    ("nct",           "deflate",                                      "deflate; snct"),
    ("nct",           "deflate; snct",                                "deflate; snct"),
    // §7.1.1.2: what the client declares may be required of it, also without a declaration.
    ("",              "deflate; cnct",                                "deflate; cnct"),
    ("rnct",          "deflate",                                      "deflate; cnct"),
    ("rnct nct",      "deflate; cnct; snct",                          "deflate; snct; cnct"),
    // §7.1.2.1: the same window or a smaller one; the server may include one without a request.
    ("",              "deflate; smwb=15",                             "deflate; smwb=15"),
    ("",              "deflate; smwb=9",                              "deflate; smwb=9"),
    ("mwb=12",        "deflate; smwb=15",                             "deflate; smwb=12"),
    ("mwb=12",        "deflate; smwb=10",                             "deflate; smwb=10"),
    ("mwb=12",        "deflate",                                      "deflate; smwb=12"),
    // zlib cannot compress with a window of 8 bits: the next offer is used, or none.
    ("",              "deflate; smwb=8",                              "-"),
    ("",              "deflate; smwb=8, deflate",                     "deflate"),
    ("",              "deflate; smwb=8, deflate; smwb=9",             "deflate; smwb=9"),
    ("mwb=8",         "deflate",                                      "deflate; smwb=8"),
    ("mwb=8",         "deflate; smwb=9",                              "deflate; smwb=8"),
    // §7.1.2.2: a window is requested only from a client that supports it, and no larger than
    // offered.
    ("",              "deflate; cmwb",                                "deflate"),
    ("",              "deflate; cmwb=15",                             "deflate"),
    ("",              "deflate; cmwb=10",                             "deflate; cmwb=10"),
    ("",              "deflate; cmwb=8",                              "deflate; cmwb=8"),
    ("rmwb=9",        "deflate; cmwb",                                "deflate; cmwb=9"),
    ("rmwb=9",        "deflate; cmwb=12",                             "deflate; cmwb=9"),
    ("rmwb=12",       "deflate; cmwb=9",                              "deflate; cmwb=9"),
    ("rmwb=8",        "deflate; cmwb",                                "deflate; cmwb=8"),
    ("rmwb=9",        "deflate",                                      "deflate"),
    ("rmwb=9",        "deflate, deflate; cmwb",                       "deflate"),
    // Everything at once; the order of parameters is irrelevant.
    ("nct rnct mwb=11 rmwb=10", "deflate; cmwb",                      "deflate; snct; cnct; smwb=11; cmwb=10"),
    ("nct rnct mwb=11 rmwb=10", "deflate; smwb=9; snct; cmwb=9; cnct", "deflate; snct; cnct; smwb=9; cmwb=9"),
    // §7: an invalid offer is skipped, wherever the error is, and the next one is used.
    ("",              "deflate; unknown",                             "-"),
    ("",              "deflate; unknown=1, deflate; snct",            "deflate; snct"),
    ("",              "deflate; smwb=10; unknown, deflate; smwb=9",   "deflate; smwb=9"),
    ("",              "deflate; snct; snct, deflate; cnct=1, deflate; smwb, deflate; cmwb=16", "-"),
    ("",              "deflate; smwb=7, deflate; smwb=09, deflate; smwb=+9, deflate; cnct", "deflate; cnct"),
    ("",              "deflate; snct, deflate",                       "deflate; snct"),
    ("",              "deflate; SMWB=10, deflate; Server_No_Context_Takeover", "-"),
    // A quoted value is equivalent.
    ("",              "deflate; smwb=\"10\"",                         "deflate; smwb=10"),
    ("",              "deflate; cmwb=\"\\1\\2\"",                     "deflate; cmwb=12"),
];

#[test]
fn server_answers_each_offer_by_rfc_7692_section_7_1() {
    for (server, offers, answer) in TABLE {
        let response = respond(options(server), offers);
        assert_eq!(response.as_deref().unwrap_or("-"), *answer, "{offers} to a server of {server:?}");
    }
}

/// The ways to write a parameter without a value, and whether they are valid.
const FLAGS: [(Way, bool); 6] = [
    (None, true),
    (Some(&[None]), true),
    (Some(&[None, None]), false),
    (Some(&[Some("1")]), false),
    (Some(&[Some("")]), false),
    (Some(&[Some("15")]), false),
];

/// The ways to write a window, and the number that they mean.
const WINDOWS: [(Way, Option<u8>); 19] = [
    (Some(&[Some("8")]), Some(8)),
    (Some(&[Some("9")]), Some(9)),
    (Some(&[Some("12")]), Some(12)),
    (Some(&[Some("15")]), Some(15)),
    (Some(&[Some("0")]), None),
    (Some(&[Some("7")]), None),
    (Some(&[Some("16")]), None),
    (Some(&[Some("08")]), None),
    (Some(&[Some("010")]), None),
    (Some(&[Some("+9")]), None),
    (Some(&[Some("-9")]), None),
    (Some(&[Some("9.0")]), None),
    (Some(&[Some("0x9")]), None),
    (Some(&[Some("265")]), None),
    (Some(&[Some("")]), None),
    (Some(&[Some("ten")]), None),
    (Some(&[Some("9"), Some("9")]), None),
    (Some(&[Some("9"), None]), None),
    (Some(&[None, None]), None),
];

/// An offer and its meaning, or `None` if it is invalid.
struct Offer {
    params: Params,
    valid: Option<Valid>,
}

#[derive(Clone, Copy)]
struct Valid {
    snct: bool,
    cnct: bool,
    smwb: Option<u8>,
    /// With or without a value.
    cmwb: Option<Option<u8>>,
}

/// Returns every combination of the ways to write the four parameters.
fn every_offer() -> Vec<Offer> {
    let windows = |flag: Option<Option<u8>>| {
        let numbers = WINDOWS.into_iter().map(|(way, number)| (way, number.map(|number| Some(Some(number)))));
        numbers.chain([(None, Some(None)), (Some(&[None][..]), flag.map(Some))])
    };
    let mut all = Vec::new();
    for (snct, snct_is_fine) in FLAGS {
        for (cnct, cnct_is_fine) in FLAGS {
            // A server's window requires a value.
            for (smwb, server) in windows(None) {
                for (cmwb, client) in windows(Some(None)) {
                    let mut params = Params::new();
                    push(&mut params, "smwb", smwb);
                    push(&mut params, "cnct", cnct);
                    push(&mut params, "cmwb", cmwb);
                    push(&mut params, "snct", snct);
                    let valid = match (server, client) {
                        (Some(server), Some(client)) if snct_is_fine && cnct_is_fine => Some(Valid {
                            snct: snct.is_some(),
                            cnct: cnct.is_some(),
                            smwb: server.flatten(),
                            cmwb: client,
                        }),
                        _ => None,
                    };
                    all.push(Offer { params, valid });
                }
            }
        }
    }
    all
}

/// Returns the response that the server must send to a valid offer, in abbreviated form.
fn expected(offer: Valid, nct: bool, rnct: bool, mwb: u8, rmwb: u8) -> Option<String> {
    if offer.smwb == Some(8) {
        return None;
    }
    let smwb = offer.smwb.map_or_else(|| (mwb < 15).then_some(mwb), |bits| Some(bits.min(mwb)));
    let cmwb = offer.cmwb.map(|bits| bits.unwrap_or(15).min(rmwb)).filter(|bits| *bits < 15);
    let parts = [
        (offer.snct || nct).then(|| "; snct".to_owned()),
        (offer.cnct || rnct).then(|| "; cnct".to_owned()),
        smwb.map(|bits| format!("; smwb={bits}")),
        cmwb.map(|bits| format!("; cmwb={bits}")),
    ];
    Some(parts.into_iter().flatten().collect())
}

#[test]
fn server_answers_every_combination_of_parameters_and_options() {
    let offers = every_offer();
    let valid = offers.iter().filter(|offer| offer.valid.is_some()).count();
    assert_eq!((offers.len(), valid), (6 * 6 * 21 * 21, 2 * 2 * 5 * 6));
    let flags = [false, true];
    for (nct, rnct) in flags.into_iter().flat_map(|nct| flags.map(|rnct| (nct, rnct))) {
        for (mwb, rmwb) in [8, 9, 11, 12, 15].into_iter().flat_map(|mwb| [8, 9, 11, 12, 15].map(|rmwb| (mwb, rmwb))) {
            let server = PermessageDeflate::new()
                .no_context_takeover(nct)
                .request_no_context_takeover(rnct)
                .max_window_bits(bits(mwb))
                .request_max_window_bits(bits(rmwb));
            // There are many invalid offers, so they are only checked with some servers.
            let all = mwb == rmwb && nct && rnct;
            for Offer { params, valid } in offers.iter().filter(|offer| all || offer.valid.is_some()) {
                let answer = server.accept(std::slice::from_ref(params)).map(|(params, _)| short(&params.to_string()));
                let expected = valid.and_then(|valid| expected(valid, nct, rnct, mwb, rmwb));
                assert_eq!(answer, expected, "{params} to {server:?}");
            }
        }
    }
}

#[test]
fn first_valid_offer_is_accepted() {
    let offers = every_offer();
    let server = PermessageDeflate::new();
    let (good, bad): (Vec<_>, Vec<_>) = offers.into_iter().partition(|offer| offer.valid.is_some());
    for (i, Offer { params, .. }) in good.iter().enumerate() {
        let answer = |offers: &[Params]| server.accept(offers).map(|(params, _)| params);
        let alone = answer(std::slice::from_ref(params));
        let [first, second] = [&bad[i * 7 % bad.len()], &bad[i * 131 % bad.len()]].map(|offer| offer.params.clone());
        assert_eq!(answer(&[first.clone(), second.clone(), params.clone(), first.clone()]), alone);
        if alone.is_some() {
            let other = Params::new().flag("server_no_context_takeover");
            assert_eq!(answer(&[second, params.clone(), other]), alone);
        }
    }
}
