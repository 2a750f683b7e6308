//! The client side of the opening handshake (RFC 6455 §4.1, RFC 8441 §5).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use websocket_driver_extensions::{Offered, Pipeline, is_token, parse_header};

use super::{has_token, rfc6455};
use crate::config::settings::Settings;
use crate::error::response::ResponseFault;
use crate::handshake::client_error::ClientError;
use crate::handshake::url::{Target, UrlError};

/// A client's request, and what is needed to check the response.
#[derive(Debug)]
pub(crate) struct ClientRequest {
    pub(crate) request: Request<()>,
    pub(crate) path: String,
    /// The URI with scheme and authority, for HTTP/2.
    uri: Uri,
    accept: HeaderValue,
    protocols: Vec<String>,
    offered: Option<Offered>,
}

/// The result of a client's negotiation.
#[derive(Debug)]
pub(crate) struct Negotiated {
    pub(crate) protocol: Option<Box<str>>,
    pub(crate) pipeline: Option<Box<Pipeline>>,
}

/// Creates the request that opens a connection, with a key of 16 random bytes.
pub(crate) fn ask(target: Target, settings: &Settings, nonce: [u8; 16]) -> Result<ClientRequest, ClientError> {
    let key = rfc6455::encode_key(nonce);
    let accept = rfc6455::accept_key(key.as_bytes());
    let value = |text: String| HeaderValue::try_from(text).map_err(|_| UrlError::Characters);
    let uri = Uri::builder().scheme(target.scheme).authority(target.host_header.as_bytes());
    let uri = uri.path_and_query(target.path.as_str()).build().map_err(|_| UrlError::Characters)?;

    let mut request = Request::new(());
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    headers.insert(header::HOST, target.host_header);
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_KEY, value(key)?);
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    for (at, name) in settings.protocols.iter().enumerate() {
        // RFC 6455 §4.1, item 10.
        if !is_token(name) || settings.protocols[..at].contains(name) {
            return Err(ClientError::Subprotocol(name.clone()));
        }
    }
    if !settings.protocols.is_empty() {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value(settings.protocols.join(", "))?);
    }
    let offered = (!settings.extensions.is_empty()).then(|| settings.extensions.offer());
    if let Some(header) = offered.as_ref().and_then(Offered::header) {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, value(header)?);
    }
    if let Some(authorization) = target.authorization {
        headers.insert(header::AUTHORIZATION, authorization);
    }
    let protocols = settings.protocols.clone();
    Ok(ClientRequest { request, path: target.path, uri, accept: value(accept)?, protocols, offered })
}

impl ClientRequest {
    /// Returns the request for HTTP/2, with pseudo-headers instead of the headers that are removed
    /// (RFC 8441 §5).
    ///
    /// # Errors
    ///
    /// The header that HTTP/2 does not allow (RFC 9113 §8.2.2).
    pub(crate) fn extended_connect(&mut self) -> Result<Request<()>, HeaderName> {
        for name in ["keep-alive", "proxy-connection", "te"] {
            if self.request.headers().get_all(name).iter().any(|value| value != "trailers") {
                return Err(HeaderName::from_static(name));
            }
        }
        let mut request = std::mem::take(&mut self.request);
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        for name in [header::HOST, header::UPGRADE, header::CONNECTION, header::SEC_WEBSOCKET_KEY] {
            request.headers_mut().remove(name);
        }
        Ok(request)
    }

    /// Checks the response to [`extended_connect`](Self::extended_connect). Any 2xx status accepts
    /// (RFC 8441 §5).
    pub(crate) fn check_connected(self, response: &Response<()>) -> Result<Negotiated, ResponseFault> {
        if !response.status().is_success() {
            return Err(ResponseFault::Status);
        }
        self.negotiated(response.headers())
    }

    /// Checks the response in the order of RFC 6455 §4.1.
    pub(crate) fn check(self, response: &Response<()>) -> Result<Negotiated, ResponseFault> {
        let headers = response.headers();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(ResponseFault::Status);
        }
        // HTTP/1.0 has no 1xx status (RFC 9110 §15.2).
        if response.version() != Version::HTTP_11 {
            return Err(ResponseFault::HttpVersion);
        }
        if !has_token(headers, header::UPGRADE, "websocket") {
            return Err(ResponseFault::Upgrade);
        }
        if !has_token(headers, header::CONNECTION, "upgrade") {
            return Err(ResponseFault::Connection);
        }
        let mut accepts = headers.get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
        if accepts.next() != Some(&self.accept) || accepts.next().is_some() {
            return Err(ResponseFault::Accept);
        }
        self.negotiated(headers)
    }

    fn negotiated(self, headers: &HeaderMap) -> Result<Negotiated, ResponseFault> {
        Ok(Negotiated { pipeline: activate(self.offered, headers)?, protocol: selected(&self.protocols, headers)? })
    }
}

/// Returns the selected subprotocol: at most one of those offered. An empty field selects nothing:
/// HTTP.sys sends it if the application of the server names no subprotocol.
fn selected(offered: &[String], headers: &HeaderMap) -> Result<Option<Box<str>>, ResponseFault> {
    let fields = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut selected = fields.filter(|value| !value.as_bytes().trim_ascii().is_empty());
    match (selected.next(), selected.next()) {
        (None, _) => Ok(None),
        (Some(selected), None) => {
            let name = offered.iter().find(|name| name.as_bytes() == selected.as_bytes());
            Ok(Some(name.ok_or(ResponseFault::Protocol)?.as_str().into()))
        }
        (Some(_), Some(_)) => Err(ResponseFault::Protocol),
    }
}

fn activate(offered: Option<Offered>, headers: &HeaderMap) -> Result<Option<Box<Pipeline>>, ResponseFault> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter().map(HeaderValue::as_bytes);
    let response = parse_header(lines).map_err(ResponseFault::ExtensionHeader)?;
    if response.is_empty() {
        return Ok(None);
    }
    let offered = offered.unwrap_or_else(Offered::nothing);
    let pipeline = offered.activate(&response).map_err(ResponseFault::Extension)?;
    Ok(Some(Box::new(pipeline)))
}
