//! Connections through SOCKS5 proxies and to Unix sockets.

use std::sync::atomic::Ordering;

use crate::events::{CLOSED, EOF, OPEN};
use crate::program::Wsx;
use crate::run::run;
use crate::servers::{HELLO, axum, secure};
use crate::socks5_server::socks5_proxy;

const ONCE: [&str; 4] = ["--send", "hello", "--wait", "0.3"];

/// Names the host instead of its address, so that the proxy resolves it.
fn by_name(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

#[test]
fn socks5_proxy_is_used_for_http1_http2_and_tls() {
    run(async || {
        let url = by_name(&axum().await);
        let (proxy, tunnels) = socks5_proxy(None).await;
        let address = proxy.strip_prefix("socks5://").expect("its scheme");
        Wsx::json(&url).args(ONCE).args(["--socks5", address]).run().await.is_clean(&[OPEN, HELLO, CLOSED, EOF]);
        let over_http2 = OPEN.replace("101", "200");
        let ended = Wsx::json(&url).args(ONCE).args(["--socks5", &proxy, "--http2"]).run().await;
        ended.is_clean(&[&over_http2, HELLO, CLOSED, EOF]);
        let (url, ca) = secure("socks5").await;
        let ended = Wsx::json(&url).args(ONCE).args(["--socks5", &proxy, "--ca", ca.to_str().expect("UTF-8")]).run();
        ended.await.is_clean(&[OPEN, HELLO, CLOSED, EOF]);
        while tunnels.load(Ordering::Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn socks5_password_is_sent_and_never_printed() {
    run(async || {
        let url = by_name(&axum().await);
        let (proxy, _) = socks5_proxy(Some("p@ss:w%rd")).await;
        let address = proxy.strip_prefix("socks5://").expect("its scheme");
        let user = format!("ann:p%40ss%3Aw%25rd@{address}");
        Wsx::json(&url).args(ONCE).args(["--socks5", &user]).run().await.is_clean(&[OPEN, HELLO, CLOSED, EOF]);
        let message = |reason| format!("{{\"event\":\"error\",\"message\":\"{reason}\"}}");
        let host = url.trim_start_matches("ws://").trim_end_matches('/');
        for (proxy, reason) in [
            (format!("ann:other@{address}"), "SOCKS error: credentials not accepted"),
            (address.to_owned(), "SOCKS error: server does not support user/pass authentication"),
        ] {
            let expected = message(format!("cannot connect to {host}: {reason}"));
            Wsx::json(&url).args(["--socks5", &proxy]).run().await.has_failed(&[&expected]);
        }
        const INVALID: &str = "invalid SOCKS5 proxy, expected [USER:PASSWORD@]HOST:PORT";
        for proxy in
            ["", "secret@localhost:1080", "http://ann:secret@localhost", "ann:secret%ff@localhost", "ann:secret@"]
        {
            let ended = Wsx::plain(&url).args(["--socks5", proxy]).run().await;
            assert_eq!((ended.status, ended.errors.lines().count()), (Some(1), 1), "{ended:?}");
            assert!(ended.errors.starts_with(&format!("wsx: {INVALID}")), "{ended:?}");
            assert!(!ended.errors.contains("secret"), "{ended:?}");
        }
    });
}

#[test]
fn socks5_proxy_that_is_not_there_is_named_as_the_reason() {
    run(async || {
        let ended = Wsx::plain("ws://localhost:9/").args(["--socks5", "127.0.0.1:1"]).run().await;
        assert_eq!(ended.status, Some(1), "{ended:?}");
        let expected = "wsx: cannot connect to localhost:9: cannot connect to the SOCKS5 proxy: ";
        assert!(ended.errors.starts_with(expected) && ended.errors.lines().count() == 1, "{ended:?}");
    });
}

#[cfg(unix)]
mod unix {
    use std::env;
    use std::path::PathBuf;

    use axum::Router;
    use axum::routing::any;
    use axum_websocket::WebSocketUpgrade;
    use tokio::net::UnixListener;

    use super::{CLOSED, EOF, HELLO, ONCE, OPEN, Wsx, run};
    use crate::servers::echo;

    /// A path that is removed on drop.
    struct SocketPath(PathBuf);

    impl Drop for SocketPath {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn unix_socket_is_used_for_http1_and_http2() {
        run(async || {
            let path = SocketPath(env::temp_dir().join(format!("wsx-{}.sock", std::process::id())));
            let listener = UnixListener::bind(&path.0).expect("a socket");
            let router = Router::new().fallback(any(async |ws: WebSocketUpgrade| ws.on_upgrade(echo)));
            tokio::spawn(async move { axum::serve(listener, router).await });
            let file = path.0.to_str().expect("UTF-8");
            for (http2, status) in [(None, "101"), (Some("--http2"), "200")] {
                // No server has this name.
                let wsx = Wsx::json("ws://nowhere.invalid/").args(ONCE).args(["--unix", file]).args(http2);
                wsx.run().await.is_clean(&[&OPEN.replace("101", status), HELLO, CLOSED, EOF]);
            }
        });
    }

    #[test]
    fn unix_socket_that_is_not_there_is_an_error() {
        run(async || {
            let ended = Wsx::plain("ws://localhost/").args(["--unix", "/there/is/no/such.sock"]).run().await;
            let reason = "cannot connect to /there/is/no/such.sock: No such file or directory (os error 2)";
            let expected = format!("wsx: cannot connect to localhost:80: {reason}\n");
            assert_eq!((ended.status, ended.errors), (Some(1), expected));
        });
    }
}
