//! Hosts and ports of URLs.

use std::borrow::Cow;

use http::Uri;
use percent_encoding::percent_decode_str;

pub(super) fn is_secure(url: &Uri) -> bool {
    matches!(url.scheme_str().unwrap_or_default().to_ascii_lowercase().as_str(), "wss" | "https")
}

pub(super) fn port(url: &Uri) -> u16 {
    url.port_u16().unwrap_or_else(|| if is_secure(url) { 443 } else { 80 })
}

/// Returns the host and port to connect to, with brackets around an IPv6 address. Its zone, which
/// is preceded by `%25` in a URL (RFC 6874 §2), is preceded by `%` here, as operating systems
/// expect.
pub(super) fn host_and_port(url: &Uri) -> String {
    let host = url.host().unwrap_or_default();
    let port = port(url);
    match host.split_once('%').filter(|_| host.starts_with('[')) {
        Some((address, zone)) => format!("{address}%{}:{port}", decoded_zone(zone)),
        None => format!("{host}:{port}"),
    }
}

/// Returns the host without brackets around an IPv6 address.
pub(super) fn bare_host(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// Returns the host as the server and its certificate name it: without brackets and without a zone,
/// which is only meaningful on this machine (RFC 6874 §4).
pub(super) fn server_name(url: &Uri) -> &str {
    let host = bare_host(url);
    let is_address = url.host().is_some_and(|host| host.starts_with('['));
    host.split_once('%').filter(|_| is_address).map_or(host, |(address, _)| address)
}

/// Decodes a zone and the bracket after it, whether it is escaped as in RFC 6874 or not.
fn decoded_zone(zone: &str) -> Cow<'_, str> {
    match zone.strip_prefix("25").filter(|escaped| *escaped != "]") {
        Some(escaped) => percent_decode_str(escaped).decode_utf8_lossy(),
        None => Cow::Borrowed(zone),
    }
}
