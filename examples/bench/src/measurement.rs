//! The result of a run of the load generator.

use serde::{Deserialize, Serialize};

/// The result of a run of the load generator, which prints it as JSON. What a task does not measure
/// is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The number of complete messages returned during the measurement; for broadcasts those
    /// delivered, for handshakes those completed, for large messages their MiB.
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
    /// The same after each connection has echoed its messages.
    pub used_bytes: f64,
    /// The maximum of the server's memory in bytes while it echoed large messages.
    pub peak_bytes: f64,
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

    /// Returns the result of several pairs of server and load generator with the same number of
    /// connections each, that were measured together.
    #[must_use]
    pub fn together(parts: &[Self]) -> Self {
        let sum = |number: fn(&Self) -> f64| parts.iter().map(number).sum::<f64>();
        let count = parts.len().max(1) as f64;
        Self {
            messages: parts.iter().map(|part| part.messages).sum(),
            seconds: sum(|part| part.seconds) / count,
            server: sum(|part| part.server),
            server_user: sum(|part| part.server_user),
            load: sum(|part| part.load),
            idle_bytes: sum(|part| part.idle_bytes) / count,
            used_bytes: sum(|part| part.used_bytes) / count,
            peak_bytes: sum(|part| part.peak_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_their_time_and_average_their_memory() {
        let part = Measurement { messages: 3, seconds: 0.5, server: 0.25, idle_bytes: 100.0, ..Measurement::default() };
        let other = Measurement { messages: 5, server: 0.75, idle_bytes: 300.0, ..part };
        let together = Measurement { messages: 8, server: 1.0, idle_bytes: 200.0, ..part };
        assert_eq!(Measurement::together(&[part, other]), together);
        assert_eq!(Measurement::together(&[part]), part);
    }
}
