use http::{HeaderValue, Response, StatusCode, header};

/// The reason why a [`ConnectionLimit`](crate::limit::ConnectionLimit) refuses a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many connections")]
pub struct TooManyConnections {
    pub(super) retry_after: u64,
}

impl TooManyConnections {
    /// Returns how long the client is asked to wait, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> u64 {
        self.retry_after
    }

    /// Returns the response: 429 with `Retry-After` (RFC 6585 §4), a line of plain text, and this
    /// refusal in its [extensions](Response::extensions).
    ///
    /// ```
    /// use tower_websocket::limit::ConnectionLimit;
    ///
    /// let limit = ConnectionLimit::new(1);
    /// let _permit = limit.acquire("user")?;
    /// let refusal = limit.acquire("user").unwrap_err();
    /// assert_eq!(refusal.to_response().headers()["retry-after"], "10");
    /// # Ok::<(), tower_websocket::limit::TooManyConnections>(())
    /// ```
    pub fn to_response(&self) -> Response<String> {
        let mut response = Response::new(format!("{self}\n"));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::RETRY_AFTER, self.retry_after.into());
        response.extensions_mut().insert(*self);
        response
    }
}
