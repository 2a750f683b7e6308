//! The values behind a [`Config`](crate::Config), whichever side it is for.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::HeaderValue;
use rand::Rng;
use websocket_driver_extensions::Extensions;

use crate::config::budget::Budget;
use crate::config::observer::Observer;
use crate::config::values::{Limits, Timeouts};

/// The callback of [`Config::select_protocol`](crate::Config::select_protocol).
pub(super) type SelectProtocol = dyn for<'a> Fn(&[&'a str]) -> Option<&'a str> + Send + Sync;

/// The callback of [`Config::random`](crate::Config::random).
pub(super) type Random = dyn Fn(&mut [u8]) + Send + Sync;

/// The callback of [`Config::decline_extensions`](crate::Config::decline_extensions).
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
    pub(crate) wss_location: Option<bool>,
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

impl Settings {
    /// Returns the defaults, which all connections that change none of them share.
    pub(super) fn preset() -> Arc<Self> {
        static PRESET: LazyLock<Arc<Settings>> = LazyLock::new(|| Arc::new(Settings::default()));
        PRESET.clone()
    }

    pub(crate) fn limits(&self) -> Limits {
        let Self {
            max_message_size,
            max_frame_size,
            max_fragments,
            max_head_size,
            max_headers,
            max_output,
            max_memory,
            ..
        } = *self;
        Limits { max_message_size, max_frame_size, max_fragments, max_head_size, max_headers, max_output, max_memory }
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            handshake: self.handshake_timeout,
            close: self.close_timeout,
            ping_interval: self.ping_interval,
            pong: self.pong_timeout,
            idle: self.idle_timeout,
        }
    }

    pub(crate) fn is_rate_limited(&self) -> bool {
        self.max_frame_rate.is_some() || self.max_control_rate.is_some()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
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
            wss_location: None,
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
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("max_message_size", &self.max_message_size)
            .field("max_frame_size", &self.max_frame_size)
            .field("max_fragments", &self.max_fragments)
            .field("max_head_size", &self.max_head_size)
            .field("max_headers", &self.max_headers)
            .field("max_output", &self.max_output)
            .field("max_memory", &self.max_memory)
            .field("max_frame_rate", &self.max_frame_rate)
            .field("max_control_rate", &self.max_control_rate)
            .field("budget", &self.budget)
            .field("observer", &self.observer.is_some())
            .field("allow_drafts", &self.allow_drafts)
            .field("wss_location", &self.wss_location)
            // Only the number: some clients pass a token as a subprotocol.
            .field("protocols", &self.protocols.len())
            .field("select_protocol", &self.select_protocol.is_some())
            .field("extensions", &self.extensions)
            .field("decline_extensions", &self.decline_extensions.is_some())
            .field("replace_invalid_utf8", &self.replace_invalid_utf8)
            .field("handshake_timeout", &self.handshake_timeout)
            .field("close_timeout", &self.close_timeout)
            .field("ping_interval", &self.ping_interval)
            .field("pong_timeout", &self.pong_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .finish()
    }
}
