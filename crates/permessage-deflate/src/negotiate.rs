//! Negotiation of the parameters (RFC 7692 §7.1), as functions from header to header.

use websocket_driver_extensions::{ExtensionFault, Params};

use crate::config::PermessageDeflate;
use crate::window::WindowBits;

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The agreed parameters of both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) own: Direction,
    pub(crate) peer: Direction,
}

/// The agreed parameters of the side that compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Direction {
    pub(crate) takeover: bool,
    pub(crate) window: WindowBits,
}

/// The parameters of one offer or response, each at most once and in range.
#[derive(Debug, Default)]
struct Parsed {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<WindowBits>,
    /// In an offer, the value is optional (RFC 7692 §7.1.2.2).
    client_max_window_bits: Option<Option<WindowBits>>,
}

impl Parsed {
    fn new(params: &Params) -> Result<Self, ExtensionFault> {
        let mut parsed = Self::default();
        for (name, value) in params.iter() {
            let bits = || value.and_then(|value| value.parse::<WindowBits>().ok());
            let is_fine = match name {
                SERVER_NO_CONTEXT_TAKEOVER => {
                    value.is_none() && !std::mem::replace(&mut parsed.server_no_context_takeover, true)
                }
                CLIENT_NO_CONTEXT_TAKEOVER => {
                    value.is_none() && !std::mem::replace(&mut parsed.client_no_context_takeover, true)
                }
                SERVER_MAX_WINDOW_BITS => {
                    bits().is_some() && std::mem::replace(&mut parsed.server_max_window_bits, bits()).is_none()
                }
                CLIENT_MAX_WINDOW_BITS => {
                    (value.is_none() || bits().is_some()) && parsed.client_max_window_bits.replace(bits()).is_none()
                }
                _ => false,
            };
            if !is_fine {
                return Err(refuse(name, value));
            }
        }
        Ok(parsed)
    }
}

/// Returns a server's response to an offer, or `None` if the offer is not acceptable.
pub(crate) fn accept(config: &PermessageDeflate, offer: &Params) -> Option<(Params, Agreement)> {
    let offer = Parsed::new(offer).ok()?;
    let mut response = Params::new();

    let own_fresh = offer.server_no_context_takeover || config.no_context_takeover;
    if own_fresh {
        response = response.flag(SERVER_NO_CONTEXT_TAKEOVER);
    }
    // A client that announces no context takeover is held to it, so that no decompressor is kept
    // here.
    let peer_fresh = offer.client_no_context_takeover || config.request_no_context_takeover;
    if peer_fresh {
        response = response.flag(CLIENT_NO_CONTEXT_TAKEOVER);
    }
    let own_window = offer.server_max_window_bits.unwrap_or(WindowBits::MAX).min(config.max_window_bits);
    // zlib cannot compress with a window of 256 bytes. The client's next offer may be acceptable.
    if offer.server_max_window_bits == Some(WindowBits::MIN) {
        return None;
    }
    if offer.server_max_window_bits.is_some() || own_window < WindowBits::MAX {
        response = response.value(SERVER_MAX_WINDOW_BITS, own_window);
    }
    // The parameter is allowed in the response only if the offer had it (RFC 7692 §7.1.2.2).
    let peer_window = match offer.client_max_window_bits {
        Some(bits) => bits.unwrap_or(WindowBits::MAX).min(config.request_max_window_bits),
        None => WindowBits::MAX,
    };
    if peer_window < WindowBits::MAX {
        response = response.value(CLIENT_MAX_WINDOW_BITS, peer_window);
    }
    let own = Direction { takeover: !own_fresh, window: own_window };
    let peer = Direction { takeover: !peer_fresh, window: peer_window };
    Some((response, Agreement { own, peer }))
}

/// Returns a client's offer.
pub(crate) fn offer(config: &PermessageDeflate) -> Params {
    let mut offer = Params::new();
    if config.request_no_context_takeover {
        offer = offer.flag(SERVER_NO_CONTEXT_TAKEOVER);
    }
    if config.no_context_takeover {
        offer = offer.flag(CLIENT_NO_CONTEXT_TAKEOVER);
    }
    if config.request_max_window_bits < WindowBits::MAX {
        offer = offer.value(SERVER_MAX_WINDOW_BITS, config.request_max_window_bits);
    }
    if config.max_window_bits < WindowBits::MAX {
        offer.value(CLIENT_MAX_WINDOW_BITS, config.max_window_bits)
    } else {
        offer.flag(CLIENT_MAX_WINDOW_BITS)
    }
}

/// Returns the agreement from the server's response to a client's offer.
pub(crate) fn activate(config: &PermessageDeflate, response: &Params) -> Result<Agreement, ExtensionFault> {
    let parsed = Parsed::new(response)?;
    // RFC 7692 §7.1.1.1, §7.1.2.1: a server that accepts the offer repeats what was requested.
    if config.request_no_context_takeover && !parsed.server_no_context_takeover {
        return Err(refuse(SERVER_NO_CONTEXT_TAKEOVER, None));
    }
    let peer_window = parsed.server_max_window_bits.unwrap_or(WindowBits::MAX);
    if peer_window > config.request_max_window_bits {
        return Err(refuse_bits(SERVER_MAX_WINDOW_BITS, parsed.server_max_window_bits));
    }
    let own_window = match parsed.client_max_window_bits {
        None => config.max_window_bits,
        // In a response the value is required and must not exceed the offered one (RFC 7692
        // §7.1.2.2).
        Some(Some(bits)) if bits <= config.max_window_bits => bits,
        Some(bits) => return Err(refuse_bits(CLIENT_MAX_WINDOW_BITS, bits)),
    };
    let own_fresh = parsed.client_no_context_takeover || config.no_context_takeover;
    Ok(Agreement {
        own: Direction { takeover: !own_fresh, window: own_window },
        peer: Direction { takeover: !parsed.server_no_context_takeover, window: peer_window },
    })
}

fn refuse(name: &str, value: Option<&str>) -> ExtensionFault {
    ExtensionFault::Parameter { name: name.to_owned(), value: value.map(Into::into) }
}

fn refuse_bits(name: &str, bits: Option<WindowBits>) -> ExtensionFault {
    ExtensionFault::Parameter { name: name.to_owned(), value: bits.map(|bits| bits.to_string()) }
}
