use std::future::Future;
use std::pin::Pin;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use websocket_driver::{Driver, HandshakeError};

/// An answer of the callback of [`Accept::on_request`](crate::Accept::on_request): the handshake is accepted, with these headers
/// and this subprotocol.
///
/// ```
/// use http::{HeaderValue, header};
/// use tower_websocket::Acceptance;
///
/// let acceptance = Acceptance::new()
///     .header(header::SET_COOKIE, HeaderValue::from_static("seen=1"))
///     .protocol("chat");
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Acceptance {
    headers: HeaderMap,
    protocol: Option<String>,
}

/// The callback, with everything boxed.
pub(crate) type OnRequest = Box<dyn FnOnce(Request<()>) -> Asked + Send>;

/// The answer of the callback, on its way.
pub(crate) type Asked = Pin<Box<dyn Future<Output = Result<Acceptance, Response<String>>> + Send>>;

impl Acceptance {
    /// Accepts the handshake as it would be accepted without a callback.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header to the response. One that the handshake itself writes, such as `Connection`, fails it with 500.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Agrees to a subprotocol, instead of what the configuration would choose. One that the client did not offer counts as none.
    pub fn protocol(self, name: impl Into<String>) -> Self {
        Self { protocol: Some(name.into()), ..self }
    }

    /// Prepares the response. An error is what it has to be instead.
    pub(crate) fn apply(self, driver: &mut Driver) -> Result<(), Box<Response<String>>> {
        self.try_apply(driver).map_err(|error| Box::new(error.to_response()))
    }

    fn try_apply(self, driver: &mut Driver) -> Result<(), HandshakeError> {
        if let Some(protocol) = &self.protocol {
            driver.choose_protocol(Some(protocol))?;
        }
        let mut name = None;
        for (next, value) in self.headers {
            // The name is left out where it is that of the value before.
            name = next.or(name);
            if let Some(name) = &name {
                driver.set_header(name.clone(), value)?;
            }
        }
        Ok(())
    }
}
