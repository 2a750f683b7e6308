use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use websocket_driver::Driver;

/// The result of the callback of [`Accept::on_request`](crate::server::Accept::on_request) that
/// accepts the handshake, with additional headers and a subprotocol.
///
/// ```
/// use http::{HeaderValue, header};
/// use tower_websocket::server::Acceptance;
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

/// The boxed callback.
pub(crate) type OnRequest = Box<dyn FnOnce(Request<()>) -> Asked + Send>;

/// The boxed future of the callback.
pub(crate) type Asked = Pin<Box<dyn Future<Output = Result<Acceptance, Response<String>>> + Send>>;

impl Acceptance {
    /// Creates an acceptance without further headers, and with the configuration's choice of the
    /// subprotocol.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header to the response. A header that the handshake itself sets, such as
    /// `Connection`, makes it fail with 500.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Selects a subprotocol, instead of the configuration's choice. One that the client did not
    /// offer means none.
    pub fn protocol(self, name: impl Into<String>) -> Self {
        Self { protocol: Some(name.into()), ..self }
    }

    /// Prepares the driver's response. The error is the response to send instead.
    pub(crate) fn apply(self, driver: &mut Driver) -> Result<(), Box<Response<String>>> {
        if let Some(protocol) = &self.protocol {
            driver.set_protocol(Some(protocol)).map_err(internal_error)?;
        }
        let mut name = None;
        for (next, value) in self.headers {
            // `HeaderMap` repeats no name: `None` means that of the previous value.
            name = next.or(name);
            if let Some(name) = &name {
                driver.set_header(name.clone(), value).map_err(internal_error)?;
            }
        }
        Ok(())
    }
}

/// Returns the response for an invalid result of the callback.
fn internal_error(error: impl Display) -> Box<Response<String>> {
    let mut response = Response::new(format!("{error}\n"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Box::new(response)
}
