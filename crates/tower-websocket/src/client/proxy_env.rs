//! The proxy in the environment variables.

use std::ffi::OsString;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use super::address::{is_secure, port, server_name};
use super::error::ConnectError;

/// Set in CGI scripts, where `HTTP_PROXY` may be a header of the request ("httpoxy",
/// CVE-2016-5385).
const CGI: &str = "REQUEST_METHOD";

const HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const NONE: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Returns the URL of the proxy and its credentials. `read` returns the value of a variable.
pub(super) fn find(
    url: &Uri,
    read: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<(Uri, Option<HeaderValue>)>, ConnectError> {
    let first = |names: &[&'static str]| {
        names.iter().find_map(|name| read(name).filter(|value| !value.is_empty()).map(|value| (*name, value)))
    };
    if read(CGI).is_some() {
        return Ok(None);
    }
    let Some((variable, value)) = first(if is_secure(url) { &HTTPS } else { &HTTP }) else {
        return Ok(None);
    };
    let host = server_name(url).trim_end_matches('.');
    let exceptions = first(&NONE).map(|(_, list)| list.to_string_lossy().into_owned()).unwrap_or_default();
    if is_exempt(host, port(url), &exceptions) {
        return Ok(None);
    }
    let failed = |problem| ConnectError::ProxyFromEnv { variable, problem };
    let value = value.to_str().unwrap_or_default().trim();
    let scheme = match value.split_once(':') {
        Some((scheme, rest)) if rest.is_empty() || rest.starts_with("//") => scheme.to_ascii_lowercase(),
        // Only host and port.
        _ => "http".to_owned(),
    };
    if !matches!(&*scheme, "http" | "https") {
        let problem =
            format!("unsupported scheme {scheme:?}, expected http or https; use a connector for other proxies");
        return Err(failed(problem));
    }
    match Matcher::builder().all(value).build().intercept(&Uri::from_static("http://host/")) {
        Some(hit) if !value.ends_with(':') => Ok(Some((hit.uri().clone(), hit.basic_auth().cloned()))),
        _ => Err(failed("malformed URL".to_owned())),
    }
}

/// Returns whether `NO_PROXY` exempts a host.
fn is_exempt(host: &str, port: u16, list: &str) -> bool {
    let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    entries.filter_map(|entry| host_for_port(entry, port)).any(|name| {
        if name == "*" {
            return true;
        }
        let name = match name.strip_prefix("*.") {
            // Matches subdomains, but not the domain itself.
            Some(domain) if host.eq_ignore_ascii_case(domain) => return false,
            Some(domain) => domain,
            None => name,
        };
        // Addresses, networks and domains are matched as by curl.
        let target = if host.contains(':') { format!("http://[{host}]/") } else { format!("http://{host}/") };
        let matcher = Matcher::builder().all("http://proxy").no(name).build();
        target.parse().is_ok_and(|target| matcher.intercept(&target).is_none())
    })
}

/// Returns the host of an entry, unless the entry is for another port.
fn host_for_port(entry: &str, port: u16) -> Option<&str> {
    let (host, only) = match entry.strip_prefix('[').and_then(|entry| entry.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => match entry.split_once(':') {
            // Several colons are part of an IPv6 address.
            Some((host, only)) if !only.contains(':') => (host, Some(only)),
            _ => (entry, None),
        },
    };
    only.is_none_or(|only| only.parse() == Ok(port)).then_some(host.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(url: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let read = |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).into());
        let found = find(&url.parse().expect("a URL"), read);
        found.map(|found| found.map(|(proxy, _)| proxy.to_string())).map_err(|error| error.to_string())
    }

    #[test]
    fn proxy_variable_of_scheme_precedes_all_proxy_and_empty_ones_are_ignored() {
        let one = Some("http://one/".to_owned());
        let (proxy, other) = ("http://one", "http://other");
        for (url, own, lower, others) in [
            ("ws://host/", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY"),
            ("wss://host/", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY"),
        ] {
            assert_eq!(found(url, &[(own, proxy), (lower, other), ("ALL_PROXY", other)]), Ok(one.clone()));
            assert_eq!(found(url, &[(own, ""), (lower, proxy), ("ALL_PROXY", other)]), Ok(one.clone()));
            assert_eq!(found(url, &[(own, ""), (lower, ""), ("ALL_PROXY", proxy)]), Ok(one.clone()));
            assert_eq!(found(url, &[(own, ""), ("ALL_PROXY", ""), ("all_proxy", proxy)]), Ok(one.clone()));
            assert_eq!(found(url, &[(others, proxy)]), Ok(None));
            assert_eq!(found(url, &[(own, ""), ("ALL_PROXY", "")]), Ok(None));
            assert_eq!(found(url, &[(own, proxy), ("REQUEST_METHOD", "GET")]), Ok(None));
            assert_eq!(found(url, &[(own, proxy), ("NO_PROXY", ""), ("no_proxy", "host")]), Ok(None));
            assert_eq!(found(url, &[(own, "one")]), Ok(one.clone()));
            assert_eq!(found(url, &[(own, " HTTPS://u:p@one:8080/path ")]), Ok(Some("https://one:8080/".to_owned())));
        }
    }

    #[test]
    fn proxy_that_cannot_be_used_is_an_error_that_names_the_variable() {
        for (value, problem) in [
            ("socks5://user:secret@one:1080", "unsupported scheme \"socks5\""),
            ("SOCKS5H://one", "unsupported scheme \"socks5h\""),
            ("ftp://one", "unsupported scheme \"ftp\""),
            ("socks5:", "unsupported scheme \"socks5\""),
            ("http:", "malformed URL"),
            ("socks5:127.0.0.1:1080", "malformed URL"),
            ("http://", "malformed URL"),
            ("http://user:secret@o ne", "malformed URL"),
            ("/path", "malformed URL"),
        ] {
            let error = found("ws://host/", &[("ALL_PROXY", value)]).expect_err(value);
            assert!(error.contains("ALL_PROXY") && error.contains(problem) && !error.contains("secret"), "{error}");
            // An invalid value is harmless if it is not used.
            assert_eq!(found("ws://host/", &[("ALL_PROXY", value), ("NO_PROXY", "host")]), Ok(None));
        }
    }

    #[test]
    fn no_proxy_matches_names_addresses_networks_ports_and_wildcards() {
        let rows = [
            ("*", "host", true),
            ("*", "127.0.0.1", true),
            ("*", "[::1]", true),
            ("a, *", "10.0.0.1", true),
            ("*:81", "host", false),
            ("*:80", "127.0.0.1", true),
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com", true),
            ("Example.COM", "a.example.com", true),
            ("example.com", "a.b.example.com", true),
            ("example.com", "notexample.com", false),
            ("example.com", "example.com.", true),
            ("example.com.", "example.com", true),
            (".example.com", "a.example.com", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "notexample.com", false),
            ("example.com:80", "example.com", true),
            ("example.com:8080", "example.com", false),
            ("example.com:8080", "example.com:8080", true),
            ("example.com:8080", "a.example.com:8080", true),
            ("example.com", "example.com:8080", true),
            ("*.example.com:8080", "a.example.com:8080", true),
            ("example.com:port", "example.com", false),
            ("one two\tthree", "two", true),
            (" one ,,two", "two", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1:80", "127.0.0.1", true),
            ("127.0.0.1:81", "127.0.0.1", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("::1", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("[::1]:80", "[::1]", true),
            ("[::1]:81", "[::1]", false),
            ("fd00::/8", "[fd00::7]", true),
            ("fe80::1", "[fe80::1%25eth0]", true),
            ("", "host", false),
            (",", "host", false),
            (":", "host", false),
            ("[", "host", false),
            (":80", "host", false),
        ];
        for (list, host, is_exempt) in rows {
            let found = found(&format!("ws://{host}/"), &[("ALL_PROXY", "one"), ("NO_PROXY", list)]);
            assert_eq!(found.expect("no error").is_none(), is_exempt, "{list:?}, {host}");
        }
        let found = found("wss://example.com/", &[("ALL_PROXY", "one"), ("NO_PROXY", "example.com:443")]);
        assert_eq!(found, Ok(None));
    }
}
