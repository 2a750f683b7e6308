//! The time that is measured, and what is spent in it.

use std::time::{Duration, Instant};

use websocket_bench::measurement::Measurement;
use websocket_bench::process::CpuTime;

use crate::Options;

pub(crate) struct Window {
    opens: Instant,
    length: Duration,
    server: u32,
    opened: Option<Look>,
}

/// What has been spent and done up to a moment.
struct Look {
    at: Instant,
    server: CpuTime,
    load: CpuTime,
    messages: u64,
}

impl Window {
    /// Opens when the warm-up is over, which begins now.
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        let duration = |seconds| Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
        Ok(Self {
            opens: Instant::now().checked_add(duration(options.warmup)?).ok_or("warm-up is too long")?,
            length: duration(options.seconds)?,
            server: options.pid,
            opened: None,
        })
    }

    /// To be told of the progress again and again: the measurement, when the time is over.
    pub(crate) fn tick(&mut self, messages: u64) -> Result<Option<Measurement>, String> {
        let now = Instant::now();
        match &self.opened {
            None if now >= self.opens => self.opened = Some(self.look(messages)?),
            Some(opened) if now - opened.at >= self.length => {
                let closed = self.look(messages)?;
                let server = closed.server.since(opened.server);
                return Ok(Some(Measurement {
                    messages: closed.messages - opened.messages,
                    seconds: (closed.at - opened.at).as_secs_f64(),
                    server: server.total.as_secs_f64(),
                    server_user: server.user.as_secs_f64(),
                    load: closed.load.since(opened.load).total.as_secs_f64(),
                    ..Measurement::default()
                }));
            }
            _ => {}
        }
        Ok(None)
    }

    fn look(&self, messages: u64) -> Result<Look, String> {
        let of = |pid| CpuTime::of(pid).map_err(|error| format!("the server's time cannot be read: {error}"));
        Ok(Look { at: Instant::now(), server: of(self.server)?, load: of(std::process::id())?, messages })
    }
}
