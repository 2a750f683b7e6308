use http::{HeaderMap, Request, header};

use super::authority::Authority;

/// The authority that a request is meant for. `None` where there is none, or more than one, or it is malformed.
pub(super) fn authority<B>(request: &Request<B>) -> Option<Authority<'_>> {
    let host = host(request.headers())?;
    match (request.uri().authority(), host) {
        (Some(target), host) => {
            let target = Authority::parse(target.as_str())?;
            // On HTTP/1.1 the request line stands above the header (RFC 9112 §3.2.2); from HTTP/2 on, a header that says
            // something else makes the request malformed (RFC 9113 §8.3.1).
            let is_above = request.version() < http::Version::HTTP_2;
            (is_above || host.is_none_or(|host| Authority::parse(host) == Some(target))).then_some(target)
        }
        (None, host) => Authority::parse(host?),
    }
}

/// The header `Host`, if any: at most one (RFC 9112 §3.2), of ASCII.
fn host(headers: &HeaderMap) -> Option<Option<&str>> {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => Some(Some(value.to_str().ok()?.trim_matches([' ', '\t']))),
        (Some(_), Some(_)) => None,
    }
}
