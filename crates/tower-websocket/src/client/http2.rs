use std::fmt;
use std::sync::Arc;
use std::{io, mem};

use bytes::{Bytes, BytesMut};
use h2::client::{self, SendRequest};
use h2::ext::Protocol;
use h2::{Ping, RecvStream};
use http::{Response, Uri};
use tokio::io::AsyncReadExt;
use websocket_driver::Driver;

use super::address::{host_and_port, is_secure, server_name};
use super::deadline::Deadline;
use super::dial::Route;
use super::error::ConnectError;
use super::http2_stream::{Chunk, Http2Stream, io_error};
use super::stream_permits::StreamPermits;
use super::tls::{Alpn, TlsFailure};
use crate::transport::upgraded::{Transmit, Upgraded};

/// The window of a stream in bytes. The default of 64 KiB (RFC 9113 §6.9.2) is slow over long
/// distances.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// The window of the connection: the maximum (RFC 9113 §6.9.1), so that a socket that is not read
/// does not block the others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// The maximum size of a response head, the same as the default for HTTP/1.1.
const MAX_HEADERS: u32 = 16 * 1024;

/// The number of bytes reported of a refusal's body, the same as for HTTP/1.1.
const MAX_REFUSAL_BODY: usize = 4 * 1024;

/// An HTTP/2 connection on which several WebSockets can be opened (RFC 8441). Cheap to clone. A
/// task of the runtime drives it, and ends when the last clone and the last WebSocket are dropped.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_websocket::connect;
///
/// let connection = connect("wss://example.com").http2_connection().await?;
/// let (news, _) = connect("wss://example.com/news").on(&connection).await?;
/// let (chat, _) = connect("wss://example.com/chat").on(&connection).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Http2Connection {
    requests: SendRequest<Chunk>,
    permits: Arc<StreamPermits>,
    is_secure: bool,
    host: String,
    failure: TlsFailure,
}

impl Http2Connection {
    /// Establishes an HTTP/2 connection on the given stream or a new one.
    pub(super) async fn connect(
        io: Option<Box<dyn Transmit>>,
        route: Route,
        url: &Uri,
        driver: Driver,
    ) -> Result<(Self, Driver), ConnectError> {
        let (io, mut driver, failure) = match io {
            Some(io) => (Upgraded::from_boxed(io), driver, TlsFailure::default()),
            None => route.connect(url, driver, Alpn::Http2).await?,
        };
        let io = unread(io, mem::take(driver.input()));
        Ok((Self::new(io, url, failure).await?, driver))
    }

    /// Starts a connection to the server of a URL, and waits for the server's settings. `failure`
    /// is that of the TLS stream below, of which h2 only preserves the text.
    pub(super) async fn new(io: Upgraded, url: &Uri, failure: TlsFailure) -> Result<Self, ConnectError> {
        let host = host_and_port(url);
        let failed = |error: h2::Error| match failure.get() {
            // A response that is not HTTP/2 is a protocol violation at once.
            None if error.is_library() => ConnectError::NoHttp2 { host: server_name(url).to_owned() },
            cause => ConnectError::of_transport(host.clone(), cause.unwrap_or_else(|| io_error(error))),
        };
        let (requests, mut connection) = client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADERS)
            .enable_push(false)
            .handshake::<_, Chunk>(io)
            .await
            .map_err(failed)?;
        let pings = connection.ping_pong();
        // The failure of the connection is also reported by its streams, but there are none yet.
        let (result_sender, result) = tokio::sync::oneshot::channel();
        tokio::spawn(async move { drop(result_sender.send(connection.await)) });
        // A server sends its settings first (RFC 9113 §3.4), so they have been received when it
        // answers a ping.
        if let Some(mut pings) = pings
            && let Err(error) = pings.ping(Ping::opaque()).await
        {
            return Err(failed(result.await.ok().and_then(Result::err).unwrap_or(error)));
        }
        if !requests.is_extended_connect_protocol_enabled() {
            return Err(ConnectError::NoExtendedConnect { host });
        }
        Ok(Self { requests, permits: Arc::default(), is_secure: is_secure(url), host, failure })
    }

    /// Sends a driver's request, and passes the response to the driver.
    pub(super) async fn open(
        &self,
        url: &Uri,
        driver: &mut Driver,
        deadline: Deadline,
    ) -> Result<Upgraded, ConnectError> {
        let host = host_and_port(url);
        if self.is_secure != is_secure(url) || !self.host.eq_ignore_ascii_case(&host) {
            return Err(ConnectError::OtherServer { connected: self.host.clone() });
        }
        let failed =
            |error| ConnectError::of_transport(host.clone(), self.failure.get().unwrap_or_else(|| io_error(error)));
        let permit = self.permits.acquire(|| self.requests.current_max_send_streams()).await;
        let mut request = driver.extended_connect()?;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let mut requests = self.requests.clone().ready().await.map_err(failed)?;
        let (response, send) = requests.send_request(request, false).map_err(failed)?;
        let (parts, mut receive) = response.await.map_err(failed)?.into_parts();
        let refusal = if parts.status.is_success() { Bytes::new() } else { read_refusal(&mut receive, deadline).await };
        driver.receive_response(Response::from_parts(parts, refusal))?;
        Ok(Upgraded::from_boxed(Box::new(Http2Stream::new(send, receive, permit))))
    }
}

/// Reads the first bytes of the body, or the part that is received before it fails or takes too
/// long.
async fn read_refusal(receive: &mut RecvStream, deadline: Deadline) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < MAX_REFUSAL_BODY
        && let Ok(Some(Ok(data))) = deadline.limit(receive.data()).await
    {
        body.extend_from_slice(&data[..data.len().min(MAX_REFUSAL_BODY - body.len())]);
    }
    body.freeze()
}

impl fmt::Debug for Http2Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_secure, host, .. } = self;
        f.debug_struct("Http2Connection").field("host", host).field("is_secure", is_secure).finish_non_exhaustive()
    }
}

/// Returns bytes to the stream that they were read from, to be read first.
fn unread(io: Upgraded, bytes: BytesMut) -> Upgraded {
    if bytes.is_empty() {
        return io;
    }
    let (read, write) = tokio::io::split(io);
    Upgraded::from_boxed(Box::new(tokio::io::join(io::Cursor::new(bytes).chain(read), write)))
}
