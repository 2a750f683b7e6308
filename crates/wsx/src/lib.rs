#![doc = include_str!("../README.md")]

mod client_options;
mod command;
mod console;
mod dump;
mod editor;
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

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use http::Response;
use tower_websocket::WebSocket;
use tower_websocket::client::ConnectError;
use tower_websocket::error::ProtocolError;

use self::console::Console;
use self::options::Options;
use self::record::Record;
use self::session::Session;
use self::view::View;

/// Runs the program with the arguments of the process. Returns its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run(options))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // The reader of the output has exited, as `head` does.
            if error.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("wsx: {:#}", anyhow::Error::from(error));
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
            fail(view, &error, tunnel.load(Ordering::Relaxed))?;
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
) -> Result<(WebSocket, Response<()>), anyhow::Error> {
    let on_tunnel = move |_: &Response<()>| {
        tunnel.store(true, Ordering::Relaxed);
        // A closed output is noticed by the next write.
        let _ = console::print_plain(&view.record(&Record::Connect));
    };
    Ok(options.client.connect()?.on_tunnel(on_tunnel).await?)
}

/// Reports why the connection failed.
fn fail(view: View, error: &anyhow::Error, tunnel: bool) -> io::Result<()> {
    let message = format!("{error:#}");
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
