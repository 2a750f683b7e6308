use http::{HeaderValue, Response, StatusCode, header};

/// Why [`OriginGuard`](crate::OriginGuard) lets nobody open a WebSocket by a request.
///
/// Its text is for the answer: it repeats nothing of the request, nor tells who would have been let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginRefusal {
    /// A page of another origin asks, and none that is allowed.
    #[error("pages of this origin may open no WebSocket here")]
    CrossOrigin,
    /// The origin is `null`, as that of sandboxed frames and local files (RFC 6454 §6.1).
    #[error("pages without an origin of their own (Origin: null) may open no WebSocket here")]
    Null,
    /// There is no `Origin`, and [`require_origin`](crate::OriginGuard::require_origin) asks for one.
    #[error("the Origin header is missing, and no WebSocket is opened here without one")]
    Missing,
    /// The `Origin` is malformed (RFC 6454 §7.1).
    #[error("the Origin header is malformed")]
    Malformed,
    /// There is more than one origin, in one header or in several. Browsers send one (RFC 6455 §4.1).
    #[error("there is more than one Origin")]
    Several,
    /// The request is meant for a host that [`hosts`](crate::OriginGuard::hosts) does not have.
    #[error("this server opens no WebSocket under the name that it was called by (Host)")]
    Host,
    /// The `Host` is missing where it was to be compared, or there twice, or malformed (RFC 9112 §3.2).
    #[error("the Host header is missing or malformed")]
    MalformedHost,
}

impl OriginRefusal {
    /// The status of the answer: 403 (RFC 6455 §4.2.2), but 400 for a malformed `Host`, as RFC 9112 §3.2 requires.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MalformedHost => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        }
    }

    /// The answer: the status, and a line of plain text.
    pub fn to_response(&self) -> Response<String> {
        let mut response = Response::new(format!("{self}\n"));
        *response.status_mut() = self.status();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response
    }
}
