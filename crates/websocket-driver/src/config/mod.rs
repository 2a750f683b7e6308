pub(crate) mod budget;
pub(crate) mod observer;
pub(crate) mod settings;
pub(crate) mod values;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use websocket_driver_extensions::{DuplicateExtension, Extension};

use crate::config::budget::Budget;
use crate::config::observer::Observer;
use crate::config::settings::Settings;
use crate::config::values::{Limits, Timeouts};
use crate::error::HandshakeError;

/// Limits, timeouts and negotiation settings of a connection, for one [`Side`] of it. Cheap to
/// clone (reference-counted).
///
/// ```
/// use websocket_driver::{ClientConfig, Config, ServerConfig};
///
/// let server: ServerConfig = Config::server()
///     .max_message_size(1024 * 1024)
///     .protocols(["chat.v2", "chat.v1"]);
/// let client: ClientConfig = Config::client().protocols(["chat.v2"]);
/// ```
///
/// Settings without a meaning on a side do not exist there:
///
/// ```compile_fail
/// # use websocket_driver::Config;
/// let client = Config::client().allow_drafts(true);
/// ```
///
/// | setting | default | exceeded or used by |
/// |---|---|---|
/// | **limits** | | |
/// | [`max_message_size`](Self::max_message_size) | 64 MiB less one byte | close with 1009 |
/// | [`max_frame_size`](Self::max_frame_size) | 64 MiB less one byte | close with 1009 |
/// | [`max_fragments`](Self::max_fragments) | 131,072 | close with 1009 |
/// | [`max_head_size`](Self::max_head_size), [`max_headers`](Self::max_headers) | 16 KiB, 100 | response of 400 |
/// | [`max_frame_rate`](Self::max_frame_rate), [`max_control_rate`](Self::max_control_rate) | none | close with 1008 |
/// | **memory** | | |
/// | [`max_output`](Self::max_output) | 256 KiB | sending waits, or returns `OutputFull` |
/// | [`max_memory`](Self::max_memory) | 256 MiB | close with 1009 |
/// | [`budget`](Self::budget) | none | response of 503 |
/// | **timeouts** | | |
/// | [`handshake_timeout`](Self::handshake_timeout) | 10 s | both sides |
/// | [`close_timeout`](Self::close_timeout) | 10 s | both sides |
/// | [`ping_interval`](Self::ping_interval), [`pong_timeout`](Self::pong_timeout) | 20 s, 20 s | both sides |
/// | [`idle_timeout`](Self::idle_timeout) | none | close with 1001 |
/// | **negotiation** | | |
/// | [`protocols`](Self::protocols) | none | both sides |
/// | [`select_protocol`](Self::select_protocol) | the first of `protocols` that is offered | servers |
/// | [`extension`](Self::extension) | none | both sides |
/// | [`decline_extensions`](Self::decline_extensions) | declines none | servers |
/// | **drafts and text** | | |
/// | [`allow_drafts`](Self::allow_drafts), [`wss_location`](Self::wss_location) | off, by the request | servers |
/// | [`replace_invalid_utf8`](Self::replace_invalid_utf8) | off | both sides |
/// | **hooks** | | |
/// | [`observer`](Self::observer) | none | both sides |
/// | [`random`](Self::random) | a ChaCha generator per thread, seeded by the system | clients |
#[must_use]
pub struct Config<S> {
    settings: Arc<Settings>,
    side: PhantomData<fn() -> S>,
}

/// The [`Config`] of a server.
pub type ServerConfig = Config<Server>;

/// The [`Config`] of a client.
pub type ClientConfig = Config<Client>;

/// The side of a connection that a [`Config`] is for. Implemented by [`Server`] and [`Client`]
/// only.
pub trait Side: sealed::Side {}

/// The side that accepts connections. A type without values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {}

/// The side that makes connections, and masks what it sends (RFC 6455 §5.3). A type without values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {}

impl Side for Server {}

impl Side for Client {}

pub(crate) mod sealed {
    #[expect(unnameable_types, reason = "so that nobody else can implement it")]
    pub trait Side: 'static {
        const IS_CLIENT: bool;
    }

    impl Side for super::Server {
        const IS_CLIENT: bool = false;
    }

    impl Side for super::Client {
        const IS_CLIENT: bool = true;
    }
}

/// Settings of servers.
impl Config<Server> {
    /// Returns the defaults for a server.
    pub fn server() -> Self {
        Self::preset()
    }

    /// Sets whether clients of the protocols before RFC 6455 are accepted: hybi-7 and -8, hixie-76
    /// and hixie-75. Default: `false`, and such clients are answered with 426.
    pub fn allow_drafts(self, allow: bool) -> Self {
        self.with(|settings| settings.allow_drafts = allow)
    }

    /// Sets whether the location in the response to a hixie client, which compares it with its own,
    /// begins with `wss:` rather than `ws:`. Default: by the scheme of the request, and `ws:` if it
    /// has none, as on HTTP/1.1. Servers on TLS or behind a TLS proxy must set it.
    pub fn wss_location(self, is_wss: bool) -> Self {
        self.with(|settings| settings.wss_location = Some(is_wss))
    }

    /// Sets a callback that chooses among the subprotocols that the client offers, instead of
    /// [`protocols`](Self::protocols). A choice that was not offered counts as none.
    ///
    /// ```
    /// # use websocket_driver::Config;
    /// let config = Config::server()
    ///     .select_protocol(|offered| offered.iter().copied().find(|name| name.starts_with("chat.")));
    /// ```
    pub fn select_protocol<F>(self, select: F) -> Self
    where
        F: for<'a> Fn(&[&'a str]) -> Option<&'a str> + Send + Sync + 'static,
    {
        self.with(|settings| settings.select_protocol = Some(Arc::new(select)))
    }

    /// Sets a callback that declines the extensions a client offers, by the header `User-Agent` of
    /// its request: for clients whose compression is known to be broken. Default: none is declined.
    ///
    /// ```
    /// # use websocket_driver::Config;
    /// let config = Config::server().decline_extensions(|user_agent| {
    ///     user_agent.is_some_and(|agent| agent.as_bytes().starts_with(b"OldPhone/"))
    /// });
    /// ```
    pub fn decline_extensions(self, decline: impl Fn(Option<&HeaderValue>) -> bool + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.decline_extensions = Some(Arc::new(decline)))
    }

    /// Notifies the observer of a handshake that was refused without a driver.
    pub fn report_refusal(&self, error: &HandshakeError) {
        if let Some(observer) = &self.settings.observer {
            observer::refused(&**observer, &error.clone().into());
        }
    }
}

/// Settings of clients.
impl Config<Client> {
    /// Returns the defaults for a client, which are those for a server.
    pub fn client() -> Self {
        Self::preset()
    }

    /// Sets the random number generator for the key of the handshake and for the masking keys. It
    /// must fill the whole slice with bytes that nobody can predict (RFC 6455 §10.3). Default: a
    /// ChaCha generator per thread, seeded by the operating system.
    pub fn random(self, fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.random = Arc::new(fill))
    }
}

/// Limits.
impl<S> Config<S> {
    /// Sets the size of the longest message that is accepted, in bytes. Default: 0x3ffffff (64 MiB
    /// less one). A longer one closes the connection with 1009, as soon as the frame header that
    /// exceeds the limit has been received.
    pub fn max_message_size(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_message_size = bytes)
    }

    /// Sets the size of the longest frame that is accepted, in bytes of payload. Default:
    /// 0x3ffffff, like [`max_message_size`](Self::max_message_size). A longer one closes the
    /// connection with 1009. In the hixie drafts the limit also applies to frames that are skipped.
    pub fn max_frame_size(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_frame_size = bytes)
    }

    /// Sets the number of fragments that a message may have. Default: 131,072. More close the
    /// connection with 1009.
    ///
    /// Fragments are joined as they arrive, so many small or empty ones take no more memory than
    /// their bytes; the limit is for messages that never end.
    pub fn max_fragments(self, count: usize) -> Self {
        self.with(|settings| settings.max_fragments = count)
    }

    /// Sets the size of the longest HTTP head that is accepted, in bytes. Default: 16 KiB. A
    /// handshake with a longer one is answered with 400, and a client fails with
    /// [`HeadError::TooLarge`](crate::HeadError::TooLarge).
    ///
    /// The limit also applies to heads that an HTTP stack has read, after it has read them. What
    /// such a stack reads at most is a setting of the stack: hyper reads up to about 400 KB.
    pub fn max_head_size(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_head_size = bytes)
    }

    /// Sets the number of header fields that the head may have. Default: 100. More are answered
    /// like a head that is too long, with
    /// [`HeadError::TooManyHeaders`](crate::HeadError::TooManyHeaders).
    pub fn max_headers(self, count: usize) -> Self {
        self.with(|settings| settings.max_headers = count)
    }

    /// Sets the number of frames a second that are accepted, on average and at once. Default:
    /// `None`, any number. More close the connection with 1008.
    ///
    /// The driver has no clock: the time must be [passed to it](crate::Driver::tick), as the async types
    /// do.
    pub fn max_frame_rate(self, limit: Option<u32>) -> Self {
        self.with(|settings| settings.max_frame_rate = limit)
    }

    /// Sets the number of control frames a second that are accepted, on average and at once: pings,
    /// pongs and closes. Default: `None`, any number. More close the connection with 1008.
    ///
    /// Without the limit pings cost no more than other frames, since only the latest is answered
    /// while the peer does not read.
    pub fn max_control_rate(self, limit: Option<u32>) -> Self {
        self.with(|settings| settings.max_control_rate = limit)
    }
}

/// Memory.
impl<S> Config<S> {
    /// Sets the number of bytes that may wait to be written before further messages are refused
    /// with [`SendError::OutputFull`](crate::SendError::OutputFull). Default: 256 KiB. One message
    /// may exceed it, so that long ones can be sent.
    pub fn max_output(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_output = bytes)
    }

    /// Sets the memory that a connection may hold, in bytes, as counted by
    /// [`Driver::memory`](crate::Driver::memory). Default: 256 MiB, which is never reached with the
    /// defaults of the other limits. More closes the connection with 1009.
    ///
    /// The limit is checked each time before the connection waits for input. The read buffer, of
    /// 128 KiB in the async types, counts while it holds the beginning of a frame.
    pub fn max_memory(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_memory = bytes)
    }

    /// Sets the budget for the memory of all connections together. Default: none. Once it is used
    /// up, a server answers handshakes with 503.
    pub fn budget(self, budget: &Budget) -> Self {
        self.with(|settings| settings.budget = Some(budget.clone()))
    }
}

/// Timeouts. The driver has no clock; the async types enforce them.
impl<S> Config<S> {
    /// Sets how long a handshake may take, from the first wait for its bytes to its end. Default:
    /// 10 s; [`Duration::MAX`] disables the timeout.
    pub fn handshake_timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.handshake_timeout = limit)
    }

    /// Sets how long the peer may take to answer a close. Default: 10 s. After that the transport
    /// is dropped.
    pub fn close_timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.close_timeout = limit)
    }

    /// Sets the silence after which the peer is pinged. Default: 20 s, which keeps most proxies and
    /// address translators from forgetting a connection, and finds dead ones; `None` disables
    /// pings. The hixie drafts have no pings: over TCP, its keepalive uses this interval.
    ///
    /// Timers are checked at least eight times within the shortest of this,
    /// [`pong_timeout`](Self::pong_timeout) and [`idle_timeout`](Self::idle_timeout), so they are
    /// up to an eighth late or early.
    pub fn ping_interval(self, interval: Option<Duration>) -> Self {
        self.with(|settings| settings.ping_interval = interval)
    }

    /// Sets how long the peer may be silent after a ping before the connection is dropped. Default:
    /// 20 s; twice that over HTTP/2, where a pong may wait for a window that other sockets hold.
    ///
    /// The async types also drop a connection whose transport has taken nothing of its output for
    /// [`ping_interval`](Self::ping_interval) and this together, whatever the application waits
    /// for. A peer that reads slowly is not dropped.
    pub fn pong_timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.pong_timeout = limit)
    }

    /// Sets how long a connection may be without a message in either direction before it is closed
    /// with 1001. Default: `None`, for ever. Pings and pongs are not messages.
    pub fn idle_timeout(self, limit: Option<Duration>) -> Self {
        self.with(|settings| settings.idle_timeout = limit)
    }
}

/// Negotiation, text and hooks.
impl<S> Config<S> {
    /// Sets the subprotocols that the application speaks, best first (RFC 6455 §1.9). Default:
    /// none. A client offers them; a server selects the first that the client has offered, or none
    /// if there is no such. Names are compared byte for byte.
    pub fn protocols<I>(self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let protocols = protocols.into_iter().map(Into::into).collect();
        self.with(|settings| settings.protocols = protocols)
    }

    /// Registers an extension after those that are registered, for example
    /// `permessage_deflate::PermessageDeflate`. Default: none. Clients of the drafts get no
    /// extensions.
    ///
    /// # Errors
    ///
    /// If an extension of the same name is registered.
    pub fn extension(mut self, extension: impl Extension + 'static) -> Result<Self, DuplicateExtension> {
        Arc::make_mut(&mut self.settings).extensions.register(extension)?;
        Ok(self)
    }

    /// Sets whether bytes of a text message that are not UTF-8 are each replaced by U+FFFD, to
    /// receive from peers that send Windows-1252, say. Default: `false`, and such a message fails
    /// the connection with [`CloseCode::INVALID_PAYLOAD`](crate::CloseCode::INVALID_PAYLOAD), as
    /// RFC 6455 §8.1 requires. The reason of a close must be UTF-8 in any case. In the hixie drafts
    /// such bytes are always replaced.
    ///
    /// [`max_message_size`](Self::max_message_size) applies to the text after the replacement, too,
    /// which is up to three times as long.
    pub fn replace_invalid_utf8(self, replace: bool) -> Self {
        self.with(|settings| settings.replace_invalid_utf8 = replace)
    }

    /// Sets the observer, which is notified of what happens on the connections. Default: none.
    pub fn observer(self, observer: impl Observer) -> Self {
        self.with(|settings| settings.observer = Some(Arc::new(observer)))
    }
}

/// The values that are set.
impl<S> Config<S> {
    /// Returns the limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.settings.limits()
    }

    /// Returns the timeouts.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        self.settings.timeouts()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn into_settings(self) -> Arc<Settings> {
        self.settings
    }

    fn preset() -> Self {
        Self { settings: Settings::preset(), side: PhantomData }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

// Not derived, since that would require the side to be `Clone`.
impl<S> Clone for Config<S> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), side: PhantomData }
    }
}

impl<S> fmt::Debug for Config<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}
