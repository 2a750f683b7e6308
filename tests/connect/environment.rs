//! The proxy in the environment variables. They cannot be modified while other threads read them,
//! so each case runs in a separate process.

use std::env;
use std::process::Command;

use tower_websocket::{Config, connect};

use crate::forwarder::Forwarder;
use crate::peer::{echo_server, echoes};
use crate::run::run;

/// The URL for the separate process to connect to.
const URL: &str = "CONNECT_TEST_URL";

/// The variables that a client reads.
const NAMES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/// Connects in a separate process with these variables. `PROXY` in them is replaced by the proxy's
/// URL, and `PORT` by the server's port.
async fn connect_with(variables: &[(&str, &str)], forwarder: &Forwarder) {
    connect_to("localhost", variables, forwarder).await;
}

async fn connect_to(host: &str, variables: &[(&str, &str)], forwarder: &Forwarder) {
    let server = echo_server(Config::server()).await;
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--exact", "environment::separate_process", "--ignored"]);
    for name in NAMES {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    // HTTP_PROXY is not used in CGI scripts.
    command.env_remove("REQUEST_METHOD").env(URL, format!("ws://{host}:{server}/"));
    let proxy = format!("http://Aladdin:open%20sesame@127.0.0.1:{}", forwarder.port);
    for (name, value) in variables {
        command.env(name, value.replace("PROXY", &proxy).replace("PORT", &server.to_string()));
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("a process");
    assert!(output.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "a part of the other tests, which run it"]
fn separate_process() {
    run(async || {
        // Skipped if all ignored tests are run.
        let Ok(url) = env::var(URL) else { return };
        let (mut socket, _) = connect(url).proxy_from_env().await.expect("an open socket");
        echoes(&mut socket, "hello").await;
    });
}

#[test]
fn proxy_and_credentials_are_read_from_the_environment() {
    run(async || {
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            let forwarder = Forwarder::wanting("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").await;
            connect_with(&[(name, "PROXY")], &forwarder).await;
            assert_eq!(forwarder.requests().len(), 1, "{name}");
        }
    });
}

#[test]
fn environment_without_a_proxy_connects_directly() {
    run(async || {
        let cases: [&[_]; 4] = [
            &[],
            &[("HTTPS_PROXY", "PROXY")],
            &[("HTTP_PROXY", "PROXY"), ("NO_PROXY", "localhost")],
            &[("ALL_PROXY", "PROXY"), ("NO_PROXY", "*")],
        ];
        for variables in cases {
            let forwarder = Forwarder::start().await;
            connect_with(variables, &forwarder).await;
            assert!(forwarder.requests().is_empty(), "{variables:?}");
        }
    });
}

#[test]
fn no_proxy_holds_for_addresses_and_ports() {
    run(async || {
        for (list, is_direct) in
            [("*", true), ("127.0.0.1:PORT", true), ("127.0.0.1:1", false), ("127.0.0.0/8", true), ("*.0.0.1", false)]
        {
            let forwarder = Forwarder::start().await;
            connect_to("127.0.0.1", &[("HTTP_PROXY", "PROXY"), ("NO_PROXY", list)], &forwarder).await;
            assert_eq!(forwarder.requests().is_empty(), is_direct, "{list}");
        }
    });
}

#[test]
fn empty_proxy_variable_counts_as_missing() {
    run(async || {
        for (name, other) in [("HTTP_PROXY", "http_proxy"), ("HTTP_PROXY", "ALL_PROXY"), ("ALL_PROXY", "all_proxy")] {
            let forwarder = Forwarder::wanting("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").await;
            connect_with(&[(name, ""), (other, "PROXY"), ("NO_PROXY", ""), ("no_proxy", "x")], &forwarder).await;
            assert_eq!(forwarder.requests().len(), 1, "{name}");
        }
    });
}

#[test]
fn cve_2016_5385_http_proxy_of_a_cgi_script_is_not_trusted() {
    run(async || {
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            let forwarder = Forwarder::start().await;
            connect_with(&[(name, "PROXY"), ("REQUEST_METHOD", "GET")], &forwarder).await;
            assert!(forwarder.requests().is_empty(), "{name}");
        }
    });
}
