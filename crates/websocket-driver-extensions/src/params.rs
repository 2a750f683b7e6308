use std::fmt;

use crate::token::{is_token, write_quoted};

/// The parameters of an extension, in the order in which they stand in the header (RFC 6455 §9.1).
///
/// Values are texts, numbers as they were written; a parameter without a value has none; one may be there several times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// No parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more parameter that has no value.
    #[must_use]
    pub fn flag(mut self, name: impl Into<String>) -> Self {
        self.push(name, None);
        self
    }

    /// With one more parameter that has a value.
    #[must_use]
    pub fn value(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.push(name, Some(value.to_string()));
        self
    }

    /// Adds a parameter.
    pub fn push(&mut self, name: impl Into<String>, value: Option<String>) {
        self.0.push((name.into(), value));
    }

    /// The parameters, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// The values of a parameter, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Option<&'a str>> {
        self.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// As in the header, each with its semicolon before it.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            write!(f, "; {name}")?;
            match value {
                None => {}
                Some(value) if is_token(value) => write!(f, "={value}")?,
                Some(value) => write_quoted(f, value)?,
            }
        }
        Ok(())
    }
}
