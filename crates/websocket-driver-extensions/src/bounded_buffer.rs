use std::fmt;
use std::mem;

use bytes::Bytes;

use crate::error::ExtensionFault;

/// Number of decoded bytes after which they are inspected.
const STEP: usize = 64 * 1024;

/// A bounded buffer for a decoded message.
///
/// It is inspected while it grows, so that neither a decompression bomb nor invalid UTF-8 costs
/// more than the limit.
pub struct BoundedBuffer<'a> {
    data: Vec<u8>,
    limit: usize,
    /// Number of bytes of `data` that were inspected.
    inspected: usize,
    inspect: &'a mut dyn FnMut(&[u8]) -> Result<(), ExtensionFault>,
}

impl<'a> BoundedBuffer<'a> {
    /// Creates a buffer for messages of up to `limit` bytes.
    ///
    /// The pieces of a long message are passed to `inspect` in order as they are decoded, except
    /// the remainder when the message is complete.
    pub fn new(limit: usize, inspect: &'a mut dyn FnMut(&[u8]) -> Result<(), ExtensionFault>) -> Self {
        Self { data: Vec::new(), limit, inspected: 0, inspect }
    }

    /// Returns the maximum length of a message in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Appends decoded bytes.
    ///
    /// # Errors
    ///
    /// [`ExtensionFault::MessageTooBig`] beyond the limit, and the error of the inspection. The
    /// message is lost then.
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

    /// Returns the message and empties the buffer for the next one.
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
