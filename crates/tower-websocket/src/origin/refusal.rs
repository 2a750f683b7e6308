use http::{HeaderValue, Response, StatusCode, header};

/// The reason why an [`OriginGuard`](crate::OriginGuard) refuses a request.
///
/// Its text is the body of the response. It contains no part of the request and does not reveal
/// which origins are allowed. [`to_response`](Self::to_response) attaches the refusal to the
/// extensions of the response, so that outer layers can count refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginRefusal {
    /// The origin is neither the server's own nor an allowed one.
    #[error("origin not allowed")]
    CrossOrigin,
    /// The origin is `null`, like that of sandboxed frames and local files (RFC 6454 §6.1).
    #[error("origin not allowed: null")]
    Null,
    /// `Origin` is missing, and [`require_origin`](crate::OriginGuard::require_origin) is set.
    #[error("missing Origin header")]
    Missing,
    /// The `Origin` is malformed (RFC 6454 §7.1).
    #[error("invalid Origin header")]
    Malformed,
    /// The request has more than one origin, in one header or in several. Browsers send one (RFC
    /// 6455 §4.1).
    #[error("more than one origin")]
    Several,
    /// The host of the request is not one of [`hosts`](crate::OriginGuard::hosts).
    #[error("host not allowed")]
    Host,
    /// `Host` is needed and missing, repeated or malformed (RFC 9112 §3.2).
    #[error("missing or invalid Host header")]
    MalformedHost,
}

impl OriginRefusal {
    /// Returns the status of the response: 403 (RFC 6455 §4.2.2), but 400 for a malformed `Host`,
    /// as RFC 9112 §3.2 requires.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MalformedHost => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        }
    }

    /// Returns the response: the status, a line of plain text, and this refusal in its
    /// [extensions](Response::extensions).
    ///
    /// ```
    /// use tower_websocket::origin::OriginRefusal;
    ///
    /// let response = OriginRefusal::CrossOrigin.to_response();
    /// assert_eq!(response.extensions().get(), Some(&OriginRefusal::CrossOrigin));
    /// ```
    pub fn to_response(&self) -> Response<String> {
        let mut response = Response::new(format!("{self}\n"));
        *response.status_mut() = self.status();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response.extensions_mut().insert(*self);
        response
    }
}
