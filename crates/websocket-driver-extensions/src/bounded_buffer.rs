use std::fmt;
use std::mem;

use bytes::Bytes;

use crate::error::ExtensionFault;

/// How much is decoded before it is looked at.
const STEP: usize = 64 * 1024;

/// Where a decoded message gathers: bounded, and looked at while it grows, so that neither a small frame that expands
/// without end nor a long text that is none costs more than the limit.
pub struct BoundedBuffer<'a> {
    data: Vec<u8>,
    limit: usize,
    /// How much of `data` was looked at.
    inspected: usize,
    inspect: &'a mut dyn FnMut(&[u8]) -> Result<(), ExtensionFault>,
}

impl<'a> BoundedBuffer<'a> {
    /// Creates a buffer for messages of up to `limit` bytes. Of the long ones each piece is given to `inspect` as it comes, in order;
    /// what is left when the message is whole is not.
    pub fn new(limit: usize, inspect: &'a mut dyn FnMut(&[u8]) -> Result<(), ExtensionFault>) -> Self {
        Self { data: Vec::new(), limit, inspected: 0, inspect }
    }

    /// The most bytes that a message may have.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Adds what was decoded.
    ///
    /// # Errors
    ///
    /// [`ExtensionFault::MessageTooBig`], and what the inspection says. The message is lost then.
    pub fn extend(&mut self, decoded: &[u8]) -> Result<(), ExtensionFault> {
        if decoded.len() > self.limit - self.data.len() {
            return Err(ExtensionFault::MessageTooBig { limit: self.limit });
        }
        self.data.extend_from_slice(decoded);
        if self.data.len() - self.inspected >= STEP {
            (self.inspect)(&self.data[self.inspected..])?;
            self.inspected = self.data.len();
        }
        Ok(())
    }

    /// Takes the message, and makes room for the next.
    pub fn take(&mut self) -> Bytes {
        self.inspected = 0;
        mem::take(&mut self.data).into()
    }
}

impl fmt::Debug for BoundedBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedBuffer")
            .field("len", &self.data.len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
