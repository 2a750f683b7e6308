use websocket_driver_extensions::{Extension, ExtensionFault, Offer, Params, Rsv, Session};

use crate::config::PermessageDeflate;
use crate::negotiate::{self, Agreement};
use crate::session::DeflateSession;

impl Extension for PermessageDeflate {
    fn name(&self) -> &str {
        "permessage-deflate"
    }

    fn rsv(&self) -> Rsv {
        Rsv::RSV1
    }

    fn offer(&self) -> Option<Box<dyn Offer>> {
        Some(Box::new(DeflateOffer(self.clone())))
    }

    fn accept(&self, offers: &[Params]) -> Option<(Params, Box<dyn Session>)> {
        let (params, agreement) = offers.iter().find_map(|offer| negotiate::accept(self, offer))?;
        Some((params, session(self, agreement)))
    }
}

/// A client's offer, given by its options.
#[derive(Debug)]
struct DeflateOffer(PermessageDeflate);

impl Offer for DeflateOffer {
    fn params(&self) -> Vec<Params> {
        vec![negotiate::offer(&self.0)]
    }

    fn activate(self: Box<Self>, response: &Params) -> Result<Box<dyn Session>, ExtensionFault> {
        Ok(session(&self.0, negotiate::activate(&self.0, response)?))
    }
}

fn session(config: &PermessageDeflate, agreement: Agreement) -> Box<dyn Session> {
    Box::new(DeflateSession::new(config, agreement))
}
