//! A small, strict parser for HTTP/1.1 heads.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};

/// Returns the length of the head at the start of the bytes, once it is complete.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

pub(super) fn response(head: &[u8]) -> Result<Response<()>, String> {
    let (first, headers) = parse(head)?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or("no status line of HTTP/1.1")?;
    let mut response = Response::new(());
    *response.status_mut() = status.parse().map_err(|_| format!("the status {status:?}"))?;
    *response.headers_mut() = headers;
    Ok(response)
}

pub(super) fn request(head: &[u8]) -> Result<Request<()>, String> {
    let (first, headers) = parse(head)?;
    let mut request = Request::new(());
    match *first.split(' ').collect::<Vec<_>>() {
        [method, target, "HTTP/1.1"] => {
            *request.method_mut() = method.parse().map_err(|_| format!("the method {method:?}"))?;
            *request.uri_mut() = target.parse().map_err(|_| format!("the target {target:?}"))?;
        }
        _ => return Err("no request line of HTTP/1.1".into()),
    }
    *request.headers_mut() = headers;
    Ok(request)
}

/// Parses a head into the first line and the headers.
fn parse(head: &[u8]) -> Result<(String, HeaderMap), String> {
    let head = str::from_utf8(head).map_err(|_| "a head that is not UTF-8")?;
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let first = lines.next().unwrap_or_default().into();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("the header line {line:?}"))?;
        let name: HeaderName = name.parse().map_err(|_| format!("the header name {name:?}"))?;
        let value: HeaderValue = value.trim().parse().map_err(|_| format!("the header value {value:?}"))?;
        headers.append(name, value);
    }
    Ok((first, headers))
}

/// Returns the value of a header that must be present once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => Ok(value),
        (Some(_), _) => Err(format!("a repeated or invalid {name}")),
        (None, _) => Err(format!("no {name}")),
    }
}

/// Returns whether a comma-separated list contains a token, ignoring case.
pub(super) fn has_token(headers: &HeaderMap, name: impl header::AsHeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|other| other.trim().eq_ignore_ascii_case(token))
}
