//! The result of a run of the load generator.

use std::fmt;
use std::str::FromStr;

/// The result of a run of the load generator. It is printed with one line per number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measurement {
    /// The number of complete messages returned during the measurement; for broadcasts those
    /// delivered, for handshakes those completed.
    pub messages: u64,
    /// The duration of the measurement.
    pub seconds: f64,
    /// The CPU time of the server.
    pub server: f64,
    /// The user time of the server, which is counted in clock ticks.
    pub server_user: f64,
    /// The CPU time of the load generator.
    pub load: f64,
    /// The growth of the server's memory in bytes per idle connection.
    pub idle_bytes: f64,
    /// The same after each connection has echoed one message.
    pub used_bytes: f64,
}

impl Measurement {
    /// Returns the messages per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// Returns the CPU time of the server per message, in nanoseconds.
    #[must_use]
    pub fn cost(&self) -> f64 {
        self.server / self.messages as f64 * 1e9
    }

    fn fields(&mut self) -> [(&'static str, &mut f64); 6] {
        [
            ("seconds", &mut self.seconds),
            ("server", &mut self.server),
            ("server-user", &mut self.server_user),
            ("load", &mut self.load),
            ("idle-bytes", &mut self.idle_bytes),
            ("used-bytes", &mut self.used_bytes),
        ]
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "messages {}", self.messages)?;
        let mut copy = *self;
        copy.fields().into_iter().try_for_each(|(name, value)| writeln!(f, "{name} {value}"))
    }
}

impl FromStr for Measurement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut read = Self::default();
        for line in text.lines() {
            let (name, value) = line.split_once(' ').ok_or_else(|| line.to_owned())?;
            let number: f64 = value.parse().map_err(|_| line.to_owned())?;
            if name == "messages" {
                read.messages = number as u64;
            } else {
                let mut fields = read.fields();
                let field = fields.iter_mut().find(|(other, _)| *other == name).ok_or_else(|| line.to_owned())?;
                *field.1 = number;
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        let measured = Measurement { messages: 3, seconds: 0.5, idle_bytes: 1.25, ..Measurement::default() };
        assert_eq!(measured.to_string().parse(), Ok(measured));
        assert_eq!("messages x".parse::<Measurement>(), Err("messages x".into()));
        assert_eq!("sum 1".parse::<Measurement>(), Err("sum 1".into()));
    }
}
