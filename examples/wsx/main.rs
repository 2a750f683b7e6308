//! A client to look at a WebSocket with, by hand or from a script.
//!
//! ```text
//! cargo run --release --example wsx -- ws://127.0.0.1:9001
//! echo hello | cargo run --release --example wsx -- ws://127.0.0.1:9001
//! cargo run --release --example wsx -- ws://127.0.0.1:9001 --json --send hello --close 1000:bye
//! ```
//!
//! # At a terminal
//!
//! Lines typed are sent, as text, or with `--binary` as bytes. What comes is printed above the line being typed, with the
//! local time: JSON over several lines, bytes as a dump, and whatever could steer the terminal as an escape. There is
//! colour, unless `NO_COLOR` is set. Ctrl-C and Ctrl-D close, with the code of `--close` or 1000, and leave. A line that
//! begins with a slash is a command; `//text` sends a text with one slash.
//!
//! ```text
//! /ping [TEXT]             /close [CODE [REASON]]             /help
//! ```
//!
//! The keys are those of other prompts. What is pasted is one message, even of several lines, where the terminal tells that
//! it is pasted. The arrows go through what was typed before, in earlier sessions too: lines are kept in
//! `$XDG_STATE_HOME/wsx/history`, by default `~/.local/state/wsx/history`, but for those that begin with a space.
//!
//! # With a pipe
//!
//! Where the input is no terminal, each of its lines is a message, whatever it begins with. Behind its end, once nothing
//! has come for `--wait` seconds, the connection is closed. Where the output is none, or `TERM` is `dumb`, there is no
//! prompt and no editing, and all else is as above.
//!
//! # With `--json`
//!
//! Nothing is asked, and a terminal is not read. Each event is one line:
//!
//! ```text
//! {"event":"connect"}                                 the proxy's tunnel stands
//! {"event":"open","protocol":null,"status":101}       the subprotocol, or null; the status is 200 on HTTP/2
//! {"event":"message","text":"hello"}
//! {"event":"message","hex":"00ff"}
//! {"event":"ping","size":4}                           it has been answered
//! {"event":"pong","text":"hello"}
//! {"event":"error","message":"opcode 3 is unknown (RFC 6455 §5.2)"}
//! {"event":"close","code":1000,"reason":"bye"}        1005: no code was given; 1006: no close came
//! {"event":"eof"}                                     the transport has ended
//! ```
//!
//! Of texts and binaries over 300 bytes there are the first 20 characters or bytes, `... `, and the size in bytes.
//!
//! First `--send` and `--text` or `--binary-size` are sent, then the lines of the input where that is a pipe. Once nothing
//! has come and nothing was sent for `--wait` seconds, the connection is closed. An input that has given a line is waited
//! for to its end; one that stays open and gives nothing is not, so that it does not matter what a script leaves there.
//!
//! A socket that was open ends with `close` and `eof`, after an `error` if there was one. Where there is none, there is an
//! `error`, and behind it an `eof` if a connection stood by then: to a server that refused, or that TLS failed with, or to
//! a proxy.
//!
//! # Tunnels
//!
//! TCP goes through WebSockets, one for each connection, with a `wsx` at either end or another
//! program that does the same, such as websockify (`--protocols binary`):
//!
//! ```text
//! wsx --listen 0.0.0.0:9001 --tunnel 127.0.0.1:22         WebSockets at 9001, which lead to port 22
//! wsx ws://example.com:9001 --listen 127.0.0.1:2222       TCP at 2222, which leads there
//! ssh -p 2222 127.0.0.1
//! ```
//!
//! The end of either side ends both, as a WebSocket has no half-close. A WebSocket that breaks off
//! resets the TCP connection. Pages of other origins may not connect. There is one more line of
//! output, `listening on` the address.
//!
//! # Exit status
//!
//! 1 where no socket was opened or an error was told; 2 for options that are wrong; 0 else, whoever closed.

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
            // Whoever read the output has gone, as `head` does.
            if error.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("wsx: {}", ErrorChain(&error));
            }
            ExitCode::FAILURE
        }
    }
}

/// Tells whether all went well.
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
    let told = move |_: &Response<()>| {
        tunnel.store(true, Ordering::Relaxed);
        // An output that is gone is noticed by the next who writes.
        let _ = console::print_plain(&view.record(&Record::Connect));
    };
    Ok(options.client.connect()?.on_tunnel(told).await?)
}

/// Tells why there is no socket.
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
