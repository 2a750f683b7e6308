//! A command-line client for inspecting WebSockets, by hand or from a script.
//!
//! ```text
//! cargo run --release --example wsx -- ws://127.0.0.1:9001
//! echo hello | cargo run --release --example wsx -- ws://127.0.0.1:9001
//! cargo run --release --example wsx -- ws://127.0.0.1:9001 --json --send hello --close 1000:bye
//! ```
//!
//! # In a terminal
//!
//! Each line that is typed is sent as a text message, or with `--binary` as a binary one. Received
//! messages are printed above the input line, with the local time: JSON is indented, binary
//! messages are shown as a hex dump, and control characters are escaped. Output is coloured unless
//! `NO_COLOR` is set. Ctrl-C and Ctrl-D close the connection, with the code of `--close` or 1000,
//! and exit. A line that begins with a slash is a command; `//text` sends a text with one slash.
//!
//! ```text
//! /ping [TEXT]             /close [CODE [REASON]]             /help
//! ```
//!
//! The key bindings are those of readline. Pasted text is sent as one message, even if it has
//! several lines, provided that the terminal supports bracketed paste. The arrow keys browse the
//! history, which includes earlier sessions: it is stored in `$XDG_STATE_HOME/wsx/history`, by
//! default `~/.local/state/wsx/history`. Lines that begin with a space are not stored.
//!
//! # With a pipe
//!
//! If the input is not a terminal, each of its lines is a message, whatever it begins with. After
//! the end of the input, the connection is closed once nothing has been received for `--wait`
//! seconds. If the output is not a terminal, or `TERM` is `dumb`, there is no prompt and no line
//! editing; everything else is unchanged.
//!
//! # With `--json`
//!
//! There is no prompt, and a terminal is not read. Each event is one line:
//!
//! ```text
//! {"event":"connect"}                                 the proxy has opened the tunnel
//! {"event":"open","protocol":null,"status":101}       the subprotocol or null; status 200 on HTTP/2
//! {"event":"message","text":"hello"}
//! {"event":"message","hex":"00ff"}
//! {"event":"ping","size":4}                           it has been answered
//! {"event":"pong","text":"hello"}
//! {"event":"error","message":"unknown opcode 3 (RFC 6455 §5.2)"}
//! {"event":"close","code":1000,"reason":"bye"}        1005: without a code; 1006: no close frame
//! {"event":"eof"}                                     the transport has ended
//! ```
//!
//! Text and binary messages over 300 bytes are shortened to the first 20 characters or bytes,
//! `... `, and the size in bytes.
//!
//! The messages of `--send`, and of `--text` or `--binary-size`, are sent first, then the lines of
//! the input if it is a pipe. The connection is closed once nothing has been received or sent for
//! `--wait` seconds. If the input has provided a line, it is read to its end first. An input that
//! stays open without providing one is not waited for, so a script may leave anything there.
//!
//! A connection that was open ends with `close` and `eof`, after an `error` if there was one. If
//! the handshake fails, there is an `error`, followed by `eof` if a TCP connection had been
//! established: the server or the proxy refused, or TLS failed.
//!
//! # Tunnels
//!
//! TCP connections are tunneled through WebSockets, one for each connection. The other end is
//! another `wsx`, or a program that does the same, such as websockify (`--protocols binary`):
//!
//! ```text
//! wsx --listen 0.0.0.0:9001 --tunnel 127.0.0.1:22         accepts WebSockets, forwards to port 22
//! wsx ws://example.com:9001 --listen 127.0.0.1:2222       accepts TCP, forwards to the WebSocket
//! ssh -p 2222 127.0.0.1
//! ```
//!
//! The end of either side ends both, as WebSockets cannot be half-closed. A WebSocket that ends
//! without a close frame resets the TCP connection. Pages of other origins are refused. The only
//! additional output is the line `listening on` and the address.
//!
//! # Exit status
//!
//! 1 if the handshake failed or an error was reported, 2 if the options are invalid, 0 otherwise,
//! whichever side closed the connection.

#[path = "../client_options/mod.rs"]
mod client_options;
mod command;
mod console;
mod dump;
mod editor;
#[path = "../error_chain/mod.rs"]
mod error_chain;
mod history;
mod layout;
mod lines;
mod options;
mod paint;
mod pretty;
mod prompt;
mod record;
mod screen;
mod session;
mod tunnel;
mod view;
mod visible;

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::Response;
use clap::Parser;
use tower_websocket::WebSocket;
use tower_websocket::client::ConnectError;
use tower_websocket::error::ProtocolError;

use self::console::Console;
use self::error_chain::ErrorChain;
use self::options::Options;
use self::record::Record;
use self::session::Session;
use self::view::View;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // The reader of the output has exited, as `head` does.
            if error.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("wsx: {}", ErrorChain(&error));
            }
            ExitCode::FAILURE
        }
    }
}

/// Returns whether there was no error.
async fn run(options: Options) -> io::Result<bool> {
    if let Some(address) = &options.listen {
        return tunnel::run(address, &options).await.map(|()| true);
    }
    let view = View::of(&options);
    let tunnel = Arc::new(AtomicBool::new(false));
    let (socket, response) = match connect(&options, view, tunnel.clone()).await {
        Ok(connected) => connected,
        Err(error) => {
            fail(view, &*error, tunnel.load(Ordering::Relaxed))?;
            return Ok(false);
        }
    };
    let mut console = Console::of(&options, view)?;
    let extensions = response.headers().get("sec-websocket-extensions").and_then(|value| value.to_str().ok());
    let open = Record::Open { protocol: socket.protocol(), status: response.status().as_u16(), extensions };
    console.print(&view.record(&open))?;
    Session::new(socket, console, view, &options).run().await
}

async fn connect(
    options: &Options,
    view: View,
    tunnel: Arc<AtomicBool>,
) -> Result<(WebSocket, Response<()>), Box<dyn Error>> {
    let on_tunnel = move |_: &Response<()>| {
        tunnel.store(true, Ordering::Relaxed);
        // A closed output is noticed by the next write.
        let _ = console::print_plain(&view.record(&Record::Connect));
    };
    Ok(options.client.connect()?.on_tunnel(on_tunnel).await?)
}

/// Reports why the connection failed.
fn fail(view: View, error: &(dyn Error + 'static), tunnel: bool) -> io::Result<()> {
    let message = ErrorChain(error).to_string();
    let connect_error = error.downcast_ref::<ConnectError>();
    let body = match connect_error {
        Some(ConnectError::Refused(ProtocolError::Response(refusal))) => &refusal.body[..],
        _ => b"",
    };
    if let View::Screen(screen) = view {
        eprintln!("{}", screen.failure(&message, body));
        return Ok(());
    }
    console::print_plain(&view.record(&Record::Error { message: &message }))?;
    let had_connection = matches!(
        connect_error,
        Some(
            ConnectError::Refused(_)
                | ConnectError::Tls { .. }
                | ConnectError::NoHttp2 { .. }
                | ConnectError::NoExtendedConnect { .. }
                | ConnectError::Proxy(_)
        )
    );
    if tunnel || had_connection { console::print_plain(&view.record(&Record::Eof)) } else { Ok(()) }
}
