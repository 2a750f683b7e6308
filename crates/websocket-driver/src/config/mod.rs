pub(crate) mod budget;
pub(crate) mod observer;
pub(crate) mod values;

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::HeaderValue;
use rand::Rng;
use websocket_driver_extensions::{DuplicateExtension, Extension, Extensions};

use crate::config::budget::Budget;
use crate::config::observer::Observer;
use crate::config::values::{Limits, Timeouts};
use crate::error::HandshakeError;

/// Limits, timeouts and negotiation settings of a connection. Cheap to clone (reference-counted).
///
/// ```
/// use websocket_driver::Config;
///
/// let config = Config::server()
///     .max_message_size(1024 * 1024)
///     .protocols(["chat.v2", "chat.v1"]);
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
/// | [`allow_drafts`](Self::allow_drafts), [`secure`](Self::secure) | off, by the request | servers |
/// | [`replace_invalid_utf8`](Self::replace_invalid_utf8) | off | both sides |
/// | **hooks** | | |
/// | [`observer`](Self::observer) | none | both sides |
/// | [`random`](Self::random) | a ChaCha generator per thread, seeded by the system | clients |
#[derive(Clone)]
#[must_use]
pub struct Config(Arc<Settings>);

/// The callback of [`Config::select_protocol`].
type SelectProtocol = dyn for<'a> Fn(&[&'a str]) -> Option<&'a str> + Send + Sync;

/// The callback of [`Config::random`].
type Random = dyn Fn(&mut [u8]) + Send + Sync;

/// The callback of [`Config::decline_extensions`].
pub(crate) type DeclineExtensions = dyn Fn(Option<&HeaderValue>) -> bool + Send + Sync;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) max_message_size: usize,
    pub(crate) max_frame_size: usize,
    pub(crate) max_fragments: usize,
    pub(crate) max_head_size: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_output: usize,
    pub(crate) max_memory: usize,
    pub(crate) max_frame_rate: Option<u32>,
    pub(crate) max_control_rate: Option<u32>,
    pub(crate) budget: Option<Budget>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) allow_drafts: bool,
    pub(crate) secure: Option<bool>,
    pub(crate) protocols: Vec<String>,
    pub(crate) select_protocol: Option<Arc<SelectProtocol>>,
    pub(crate) extensions: Extensions,
    pub(crate) decline_extensions: Option<Arc<DeclineExtensions>>,
    pub(crate) random: Arc<Random>,
    pub(crate) replace_invalid_utf8: bool,
    pub(crate) handshake_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) pong_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
}

impl Config {
    /// The defaults for a server.
    pub fn server() -> Self {
        Self::preset()
    }

    /// The defaults for a client, which are the same: what a server sends is bounded like what a client does.
    pub fn client() -> Self {
        Self::preset()
    }

    fn preset() -> Self {
        static PRESET: LazyLock<Config> = LazyLock::new(Config::new_preset);
        PRESET.clone()
    }

    fn new_preset() -> Self {
        Self(Arc::new(Settings {
            max_message_size: 0x3ff_ffff,
            max_frame_size: 0x3ff_ffff,
            max_fragments: 128 * 1024,
            max_head_size: 16 * 1024,
            max_headers: 100,
            max_output: 256 * 1024,
            max_memory: 256 * 1024 * 1024,
            max_frame_rate: None,
            max_control_rate: None,
            budget: None,
            observer: None,
            allow_drafts: false,
            secure: None,
            protocols: Vec::new(),
            select_protocol: None,
            extensions: Extensions::new(),
            decline_extensions: None,
            random: Arc::new(|bytes| rand::rng().fill_bytes(bytes)),
            replace_invalid_utf8: false,
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(10),
            ping_interval: Some(Duration::from_secs(20)),
            pong_timeout: Duration::from_secs(20),
            idle_timeout: None,
        }))
    }

    /// The longest message, in bytes, that is taken: 0x3ffffff (64 MiB less one) by default, as in the original.
    /// A longer one closes the connection with 1009, as soon as the header that makes it so has come.
    pub fn max_message_size(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_message_size = bytes)
    }

    /// The longest frame, in bytes of payload, that is taken: as [`max_message_size`](Self::max_message_size) by
    /// default. A longer one closes the connection with 1009. In the hixie drafts it bounds the frames that are
    /// skipped, too.
    pub fn max_frame_size(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_frame_size = bytes)
    }

    /// The most fragments a message may have: 131,072 by default. More close the connection with 1009.
    ///
    /// Fragments are joined as they come, so that many small or empty ones hold no more memory than their bytes; the
    /// limit ends messages that never end.
    pub fn max_fragments(self, count: usize) -> Self {
        self.with(|settings| settings.max_fragments = count)
    }

    /// Sets the size of the longest HTTP head that is accepted, in bytes: 16 KiB by default. A handshake with a longer one is
    /// answered with 400, and a client fails with [`HeadError::TooLarge`](crate::HeadError::TooLarge).
    ///
    /// It applies to heads that an HTTP stack has read as well. What such a stack reads before that is bounded by its own
    /// settings: hyper reads up to about 400 KB.
    pub fn max_head_size(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_head_size = bytes)
    }

    /// Sets the number of header fields that the head may have: 100 by default. More are answered as a head that is too long,
    /// with [`HeadError::TooManyHeaders`](crate::HeadError::TooManyHeaders).
    pub fn max_headers(self, count: usize) -> Self {
        self.with(|settings| settings.max_headers = count)
    }

    /// How many bytes may wait to be written before further messages are refused with
    /// [`SendError::OutputFull`](crate::SendError::OutputFull): 256 KiB by default. One message may go beyond it, so
    /// that a large one can be sent at all.
    pub fn max_output(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_output = bytes)
    }

    /// How much memory a connection may hold, in bytes, by what [`Driver::memory`](crate::Driver::memory) counts: 256 MiB by
    /// default, which the other limits, as they are by default, keep it below. More closes it with 1009. It is looked at before
    /// each wait for more input. The buffer that is read into, of 128 KiB in the async types above, counts while the beginning of
    /// a frame is in it.
    pub fn max_memory(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_memory = bytes)
    }

    /// How many frames may come in a second, on average, and at once: any number, by default. More close the connection with
    /// 1008. The driver has no clock: it must be [told the time](crate::Driver::tick), as the async types above it do.
    pub fn max_frame_rate(self, limit: Option<u32>) -> Self {
        self.with(|settings| settings.max_frame_rate = limit)
    }

    /// As [`max_frame_rate`](Self::max_frame_rate), of control frames alone: pings, pongs and closes. Any number, by default:
    /// pings are answered by the latest alone where the peer does not read, so that they cost no more than other frames.
    pub fn max_control_rate(self, limit: Option<u32>) -> Self {
        self.with(|settings| settings.max_control_rate = limit)
    }

    /// What all connections may hold together; no bound by default.
    pub fn budget(self, budget: &Budget) -> Self {
        self.with(|settings| settings.budget = Some(budget.clone()))
    }

    /// Who is told what happens on the connections: nobody, by default.
    pub fn observer(self, observer: impl Observer) -> Self {
        self.with(|settings| settings.observer = Some(Arc::new(observer)))
    }

    /// Whether to serve the protocols older than RFC 6455: hybi-7 and -8, hixie-76 and hixie-75. Off by default; a
    /// client of one of them is then answered with 426.
    pub fn allow_drafts(self, allow: bool) -> Self {
        self.with(|settings| settings.allow_drafts = allow)
    }

    /// Whether the location that a hixie client is told, and compares with its own, begins with `wss:`. By default
    /// the scheme of the request decides, and `ws:` is taken where it has none, as on HTTP/1.1: set it for a server
    /// on TLS or behind a TLS proxy.
    pub fn secure(self, secure: bool) -> Self {
        self.with(|settings| settings.secure = Some(secure))
    }

    /// The subprotocols that the application speaks, best first (RFC 6455 §1.9). The first that the client offered is
    /// agreed to; none is where it offered none of them. Names are compared byte for byte.
    pub fn protocols<I>(self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let protocols = protocols.into_iter().map(Into::into).collect();
        self.with(|settings| settings.protocols = protocols)
    }

    /// Lets the application choose among the subprotocols that the client offered, in place of
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

    /// Registers an extension, behind those that are there: `permessage_deflate::PermessageDeflate`, for one. None is by
    /// default. A client that speaks a draft is never answered with any.
    ///
    /// # Errors
    ///
    /// Where one of the same name is registered.
    pub fn extension(mut self, extension: impl Extension + 'static) -> Result<Self, DuplicateExtension> {
        Arc::make_mut(&mut self.0).extensions.register(extension)?;
        Ok(self)
    }

    /// Sets a callback that declines the extensions a client offers, by the header `User-Agent` of its request: for clients whose
    /// compression is known to be broken. Default: none is declined.
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

    /// Where a client takes its randomness from: it fills what it is given, with bytes that nobody can foresee, as the keys of
    /// the handshake and of the masking must be (RFC 6455 §10.3). By default that is a generator of the thread's own,
    /// ChaCha, seeded by the system.
    pub fn random(self, fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.random = Arc::new(fill))
    }

    /// Sets whether bytes of a text message that are not UTF-8 are each replaced by U+FFFD, to receive from peers that send
    /// Windows-1252, say. The default is `false`: such a message fails the connection with
    /// [`CloseCode::INVALID_PAYLOAD`](crate::CloseCode::INVALID_PAYLOAD), as RFC 6455 §8.1 requires. The reason of a close
    /// must be UTF-8 in any case. The hixie drafts always have such bytes replaced.
    ///
    /// [`max_message_size`](Self::max_message_size) holds for the text after the replacement, too, which is up to three times
    /// as long.
    pub fn replace_invalid_utf8(self, yes: bool) -> Self {
        self.with(|settings| settings.replace_invalid_utf8 = yes)
    }

    /// Sets how long a handshake may take, from the first wait for its bytes to its end: 10 s by default, never to time out
    /// for [`Duration::MAX`]. The driver has no clock; the async types above it keep to it.
    pub fn handshake_timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.handshake_timeout = limit)
    }

    /// How long the peer may take to answer a close: 10 s by default. The driver has no clock; the async types above
    /// it keep to it.
    pub fn close_timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.close_timeout = limit)
    }

    /// Sets the silence after which the peer is pinged. Default: 20 s, which keeps most proxies and address translators from
    /// forgetting a connection, and finds dead ones; `None` disables pings. The hixie drafts have no pings: over TCP, its keepalive
    /// takes this interval.
    ///
    /// The driver has no clock. The async types above it keep to this while they are received from, with a
    /// [`Keepalive`](crate::Keepalive). Timers are checked at least eight times within the shortest of this,
    /// [`pong_timeout`](Self::pong_timeout) and [`idle_timeout`](Self::idle_timeout), so they are up to an eighth late or early.
    pub fn ping_interval(self, interval: Option<Duration>) -> Self {
        self.with(|settings| settings.ping_interval = interval)
    }

    /// Sets how long the peer may then be silent before the connection is dropped. Default: 20 s; twice that over HTTP/2, where a pong
    /// may wait for a window that other sockets hold.
    ///
    /// The async types also drop a connection whose transport has taken nothing of its output for
    /// [`ping_interval`](Self::ping_interval) and this together, whatever the application waits for. A peer that reads slowly is
    /// not dropped.
    pub fn pong_timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.pong_timeout = limit)
    }

    /// After how long without a message in either direction the connection is closed, with 1001: never, by default. Pings
    /// and pongs are no messages.
    pub fn idle_timeout(self, limit: Option<Duration>) -> Self {
        self.with(|settings| settings.idle_timeout = limit)
    }

    /// Returns the limits that are set, for whoever enforces or shows them.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let Settings {
            max_message_size,
            max_frame_size,
            max_fragments,
            max_head_size,
            max_headers,
            max_output,
            max_memory,
            ..
        } = *self.settings();
        Limits { max_message_size, max_frame_size, max_fragments, max_head_size, max_headers, max_output, max_memory }
    }

    /// Returns the timeouts that are set, for whoever has a clock.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        let Settings { handshake_timeout, close_timeout, ping_interval, pong_timeout, idle_timeout, .. } =
            *self.settings();
        Timeouts {
            handshake: handshake_timeout,
            close: close_timeout,
            ping_interval,
            pong: pong_timeout,
            idle: idle_timeout,
        }
    }

    /// Whether there is a limit on frames a second, so that the driver must be told the time.
    #[must_use]
    pub fn is_rate_limited(&self) -> bool {
        self.0.max_frame_rate.is_some() || self.0.max_control_rate.is_some()
    }

    /// Notifies the observer of a handshake that was refused before there was a driver.
    pub fn report_refusal(&self, error: &HandshakeError) {
        if let Some(observer) = &self.0.observer {
            observer.refused(&error.clone().into());
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings();
        f.debug_struct("Config")
            .field("max_message_size", &settings.max_message_size)
            .field("max_frame_size", &settings.max_frame_size)
            .field("max_fragments", &settings.max_fragments)
            .field("max_head_size", &settings.max_head_size)
            .field("max_headers", &settings.max_headers)
            .field("max_output", &settings.max_output)
            .field("max_memory", &settings.max_memory)
            .field("max_frame_rate", &settings.max_frame_rate)
            .field("max_control_rate", &settings.max_control_rate)
            .field("budget", &settings.budget)
            .field("observer", &settings.observer.is_some())
            .field("allow_drafts", &settings.allow_drafts)
            .field("secure", &settings.secure)
            // Only how many: some clients pass a token as a subprotocol.
            .field("protocols", &settings.protocols.len())
            .field("select_protocol", &settings.select_protocol.is_some())
            .field("extensions", &settings.extensions)
            .field("decline_extensions", &settings.decline_extensions.is_some())
            .field("replace_invalid_utf8", &settings.replace_invalid_utf8)
            .field("handshake_timeout", &settings.handshake_timeout)
            .field("close_timeout", &settings.close_timeout)
            .field("ping_interval", &settings.ping_interval)
            .field("pong_timeout", &settings.pong_timeout)
            .field("idle_timeout", &settings.idle_timeout)
            .finish()
    }
}
