use std::sync::Arc;

use crate::bounded_buffer::BoundedBuffer;
use crate::error::{ExtensionError, ExtensionFault};
use crate::extension::{Extension, Session};
use crate::message::{Message, Rsv};
use crate::streaming::StreamingStage;

/// The sessions of a connection, in the order of the negotiation. Outgoing messages pass through
/// them in this order, incoming messages in reverse (RFC 6455 §9.1).
#[derive(Debug, Default)]
pub struct Pipeline {
    stages: Vec<Stage>,
    rsv: Rsv,
    /// Whether a session claims no bit, so that it may transform any message.
    sees_all: bool,
}

/// The encoder settings that several connections have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    extension: Box<str>,
    number: u64,
}

#[derive(Debug)]
struct Stage {
    extension: Arc<dyn Extension>,
    session: Box<dyn Session>,
}

impl Pipeline {
    /// Returns whether no extension is active.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Returns the names of the active extensions in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().map(|stage| stage.extension.name())
    }

    /// Returns the reserved bits that may be set on the first frame of a message.
    #[must_use]
    pub fn rsv(&self) -> Rsv {
        self.rsv
    }

    /// Returns whether an incoming message with these bits may differ from what is on the wire.
    #[must_use]
    pub fn transforms(&self, rsv: Rsv) -> bool {
        self.sees_all || !rsv.is_empty()
    }

    /// Decodes an incoming message. No session produces more than `limit` bytes. The pieces of a
    /// long message are passed to `inspect` as the last session decodes them, see
    /// [`BoundedBuffer::new`].
    ///
    /// # Errors
    ///
    /// The first error of a session.
    pub fn decode(
        &mut self,
        message: &mut Message,
        limit: usize,
        inspect: &mut dyn FnMut(&[u8]) -> Result<(), ExtensionFault>,
    ) -> Result<(), ExtensionError> {
        for (left, stage) in self.stages.iter_mut().enumerate().rev() {
            let mut pass = |_: &[u8]| Ok(());
            let mut room = BoundedBuffer::new(limit, if left == 0 { &mut *inspect } else { &mut pass });
            stage.run(|session| session.decode(message, &mut room))?;
        }
        Ok(())
    }

    /// Encodes an outgoing message.
    ///
    /// # Errors
    ///
    /// The first error of a session.
    pub fn encode(&mut self, message: &mut Message) -> Result<(), ExtensionError> {
        self.stages.iter_mut().try_for_each(|stage| stage.run(|session| session.encode(message)))
    }

    /// Returns the session that transforms messages piece by piece, if only one extension is active
    /// and its session supports it. Otherwise messages have to be buffered.
    pub fn streaming(&mut self) -> Option<StreamingStage<'_>> {
        let [stage] = &mut *self.stages else {
            return None;
        };
        let session = stage.session.streaming()?;
        Some(StreamingStage { extension: stage.extension.name(), session })
    }

    /// Returns the number of bytes held by the sessions.
    #[must_use]
    pub fn memory(&self) -> usize {
        let sessions = self.stages.iter().map(|stage| stage.session.memory()).sum::<usize>();
        size_of::<Self>() + self.stages.capacity() * size_of::<Stage>() + sessions
    }

    /// Has the sessions release memory that they did not need since the last call: see
    /// [`Session::release_idle`].
    pub fn release_idle(&mut self) {
        self.stages.iter_mut().for_each(|stage| stage.session.release_idle());
    }

    /// Returns the encoder settings if the encoding of a message depends on nothing else: see
    /// [`Session::encoding`].
    #[must_use]
    pub fn encoding(&self) -> Option<Encoding> {
        match &*self.stages {
            [stage] => Some(Encoding { extension: stage.extension.name().into(), number: stage.session.encoding()? }),
            _ => None,
        }
    }

    /// Adds a session after the others, unless its bits are claimed.
    pub(crate) fn push(
        &mut self,
        extension: &Arc<dyn Extension>,
        session: Box<dyn Session>,
    ) -> Result<(), ExtensionError> {
        if let Some(other) = self.claimant(extension.rsv()) {
            let reason = ExtensionFault::RsvConflict { other: other.to_owned() };
            return Err(ExtensionError::new(extension.name(), reason));
        }
        self.rsv = self.rsv | extension.rsv();
        self.sees_all |= extension.rsv().is_empty();
        self.stages.push(Stage { extension: extension.clone(), session });
        Ok(())
    }

    /// Returns the name of an extension that claims one of these bits.
    pub(crate) fn claimant(&self, rsv: Rsv) -> Option<&str> {
        self.stages
            .iter()
            .map(|stage| &stage.extension)
            .find(|other| other.rsv().intersects(rsv))
            .map(|other| other.name())
    }
}

impl Stage {
    fn run(&mut self, step: impl FnOnce(&mut dyn Session) -> Result<(), ExtensionFault>) -> Result<(), ExtensionError> {
        step(&mut *self.session).map_err(|reason| ExtensionError::new(self.extension.name(), reason))
    }
}
