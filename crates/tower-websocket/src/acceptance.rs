use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use websocket_driver::Driver;

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
        if let Some(protocol) = &self.protocol {
            driver.set_protocol(Some(protocol)).map_err(internal_error)?;
        }
        let mut name = None;
        for (next, value) in self.headers {
            // The name is left out where it is that of the value before.
            name = next.or(name);
            if let Some(name) = &name {
                driver.set_header(name.clone(), value).map_err(internal_error)?;
            }
        }
        Ok(())
    }
}

/// Returns the response to a mistake of the callback.
fn internal_error(error: impl Display) -> Box<Response<String>> {
    let mut response = Response::new(format!("{error}\n"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Box::new(response)
}
