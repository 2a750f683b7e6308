use std::fmt;

/// A value of the application that is dropped together with the connection.
#[derive(Default)]
pub(crate) struct Held(Vec<Box<dyn Send>>);

impl Held {
    pub(crate) fn push(&mut self, guard: impl Send + 'static) {
        self.0.push(Box::new(guard));
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("count", &self.0.len()).finish()
    }
}
