use std::sync::{Arc, Mutex, MutexGuard};

use websocket_driver::{
    Budget, CloseCause, Config, ConnectionObserver, ConnectionOpened, Driver, Observer, ProtocolError, Traffic,
};

/// Checks the charges to the budget and, if observed, the reports to the observer of one
/// connection.
#[derive(Debug)]
pub struct Watch {
    budget: Budget,
    log: Option<Log>,
}

#[derive(Debug, Default, Clone)]
struct Log(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    /// Whether it is a client, and its path.
    opened: Vec<(bool, String)>,
    refused: Vec<ProtocolError>,
    closed: Vec<CloseCause>,
    traffic: Traffic,
}

impl Watch {
    pub fn new(is_observed: bool) -> Self {
        Self { budget: Budget::new(usize::MAX), log: is_observed.then(Log::default) }
    }

    pub fn config<S>(&self, config: Config<S>) -> Config<S> {
        let config = config.budget(&self.budget);
        match &self.log {
            Some(log) => config.observer(log.clone()),
            None => config,
        }
    }

    /// To be called after the driver has asked for more input.
    pub fn check_charge(&self, driver: &Driver) {
        assert!(driver.is_closed() || self.budget.used() == driver.memory());
        assert_eq!(driver.is_observed(), self.log.is_some());
    }

    /// To be called after the driver was dropped. Checks that the reports match the events. The
    /// reported received bytes are at most those of `traffic`.
    pub fn check(self, is_open: bool, error: Option<&ProtocolError>, cause: &CloseCause, traffic: &Traffic) {
        assert_eq!(self.budget.used(), 0);
        let Some(log) = self.log else { return };
        let told = log.told();
        assert_eq!(told.opened.len(), usize::from(is_open));
        assert_eq!(told.refused, Vec::from_iter(error.filter(|_| !is_open).cloned()));
        assert_eq!(told.closed, Vec::from_iter(is_open.then(|| cause.clone())));
        if is_open {
            let mut expected = *traffic;
            expected.wire_received = told.traffic.wire_received.min(traffic.wire_received);
            assert_eq!(told.traffic, expected);
        }
    }

    /// Returns the report of the opening.
    pub fn opened(&self) -> Option<(bool, String)> {
        self.log.as_ref()?.told().opened.first().cloned()
    }
}

impl Log {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().expect("nobody panicked")
    }
}

impl Observer for Log {
    fn opened(&self, opened: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        self.told().opened.push((opened.is_client, opened.path.into()));
        Box::new(self.clone())
    }

    fn refused(&self, error: &ProtocolError) {
        self.told().refused.push(error.clone());
    }
}

impl ConnectionObserver for Log {
    fn passed(&mut self, passed: &Traffic) {
        let Told { closed, traffic, .. } = &mut *self.told();
        assert!(closed.is_empty() && *passed != Traffic::default());
        traffic.messages_received += passed.messages_received;
        traffic.messages_sent += passed.messages_sent;
        traffic.payload_received += passed.payload_received;
        traffic.payload_sent += passed.payload_sent;
        traffic.wire_received += passed.wire_received;
        traffic.wire_sent += passed.wire_sent;
    }

    fn closed(&mut self, cause: &CloseCause) {
        self.told().closed.push(cause.clone());
    }
}
