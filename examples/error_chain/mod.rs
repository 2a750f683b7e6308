//! The complete text of an error: what failed, and why.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources, separated by colons:
/// `cannot connect to [::1]:9001: Connection refused (os error 111)`.
pub(crate) struct ErrorChain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
