//! The measured period, and the resources used in it.

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

/// The resources used and messages received up to a point in time.
struct Look {
    at: Instant,
    server: CpuTime,
    load: CpuTime,
    messages: u64,
}

impl Window {
    /// Creates a window that opens after the warm-up, which starts now.
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        let duration = |seconds| Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
        Ok(Self {
            opens: Instant::now().checked_add(duration(options.warmup)?).ok_or("warm-up is too long")?,
            length: duration(options.seconds)?,
            server: options.pid,
            opened: None,
        })
    }

    /// Updates the progress. Returns the measurement when the period has ended.
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
        let of = |pid| CpuTime::of(pid).map_err(|error| format!("cannot read the CPU time of the server: {error}"));
        Ok(Look { at: Instant::now(), server: of(self.server)?, load: of(std::process::id())?, messages })
    }
}
