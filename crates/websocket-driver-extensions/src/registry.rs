//! Registered extensions, and the negotiation of both sides.

use std::sync::Arc;

use crate::error::{ExtensionError, ExtensionFault};
use crate::extension::{Extension, Offer};
use crate::header::{HeaderEntry, write_header};
use crate::params::Params;
use crate::pipeline::Pipeline;

/// The extensions registered by an application, in order of preference.
#[derive(Debug, Clone, Default)]
pub struct Extensions(Vec<Arc<dyn Extension>>);

/// An extension of this name is already registered.
// Exhaustive: the name is all there is to report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("extension {0:?} is already registered")]
pub struct DuplicateExtension(pub String);

impl Extensions {
    /// Creates an empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers an extension after the others.
    ///
    /// # Errors
    ///
    /// [`DuplicateExtension`] if the name is already registered.
    pub fn register(&mut self, extension: impl Extension + 'static) -> Result<(), DuplicateExtension> {
        if self.find(extension.name()).is_some() {
            return Err(DuplicateExtension(extension.name().to_owned()));
        }
        self.0.push(Arc::new(extension));
        Ok(())
    }

    /// Returns whether no extension is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Negotiates as a server (RFC 6455 §9.1): accepts the registered extensions that accept one of
    /// the client's offers, in the order of registration. Of two that claim the same reserved bit,
    /// the first is accepted. Returns the active extensions, and the response header if there are
    /// any.
    #[must_use]
    pub fn accept(&self, offered: &[HeaderEntry]) -> (Pipeline, Option<String>) {
        let mut pipeline = Pipeline::default();
        let mut responses = Vec::new();
        for extension in &self.0 {
            let offers: Vec<Params> =
                offered.iter().filter(|(name, _)| name == extension.name()).map(|(_, params)| params.clone()).collect();
            if offers.is_empty() || pipeline.claimant(extension.rsv()).is_some() {
                continue;
            }
            if let Some((params, session)) = extension.accept(&offers)
                && pipeline.push(extension, session).is_ok()
            {
                responses.push((extension.name(), params));
            }
        }
        let header = write_header(responses.iter().map(|(name, params)| (*name, params)));
        (pipeline, header)
    }

    /// Creates a client's offers for a new connection, in the order of registration.
    #[must_use]
    pub fn offer(&self) -> Offered {
        let pending = self
            .0
            .iter()
            .map(|extension| Pending { extension: extension.clone(), offer: extension.offer() })
            .filter(|pending| pending.offer.is_some());
        Offered { known: self.clone(), pending: pending.collect() }
    }

    fn find(&self, name: &str) -> Option<&Arc<dyn Extension>> {
        self.0.iter().find(|extension| extension.name() == name)
    }
}

/// The offers of a client for one connection.
#[derive(Debug)]
pub struct Offered {
    known: Extensions,
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Pending {
    extension: Arc<dyn Extension>,
    /// `None` after activation.
    offer: Option<Box<dyn Offer>>,
}

impl Offered {
    /// Creates an empty offer, to which only an empty response is valid.
    #[must_use]
    pub fn nothing() -> Self {
        Extensions::new().offer()
    }

    /// Returns the header of the offer, if anything is offered.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        let alternatives: Vec<(&str, Params)> = self
            .pending
            .iter()
            .flat_map(|Pending { extension, offer }| {
                let params = offer.as_ref().map(|offer| offer.params()).unwrap_or_default();
                params.into_iter().map(|params| (extension.name(), params))
            })
            .collect();
        write_header(alternatives.iter().map(|(name, params)| (*name, params)))
    }

    /// Activates the extensions that the server accepted, in the order of its response.
    ///
    /// # Errors
    ///
    /// [`ExtensionError`] if the response names an extension that is unknown or was not offered,
    /// two that claim the same reserved bit, or an unacceptable parameter (RFC 6455 §4.1). The
    /// connection must fail then.
    pub fn activate(mut self, response: &[HeaderEntry]) -> Result<Pipeline, ExtensionError> {
        let mut pipeline = Pipeline::default();
        for (name, params) in response {
            let fail = |reason| ExtensionError::new(name, reason);
            if self.known.find(name).is_none() {
                return Err(fail(ExtensionFault::Unknown));
            }
            let pending = self.pending.iter_mut().find(|pending| pending.extension.name() == name);
            let Some((extension, Some(offer))) = pending.map(|pending| (&pending.extension, pending.offer.take()))
            else {
                return Err(fail(ExtensionFault::NotOffered));
            };
            pipeline.push(extension, offer.activate(params).map_err(fail)?)?;
        }
        Ok(pipeline)
    }
}
