//! Where a URL points.

use http::Uri;

pub(super) fn is_secure(url: &Uri) -> bool {
    matches!(url.scheme_str().unwrap_or_default().to_ascii_lowercase().as_str(), "wss" | "https")
}

/// With brackets around an IPv6 address.
pub(super) fn host_and_port(url: &Uri) -> String {
    let port = url.port_u16().unwrap_or(if is_secure(url) { 443 } else { 80 });
    format!("{}:{port}", url.host().unwrap_or_default())
}

/// Without them.
pub(super) fn bare_host(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}
