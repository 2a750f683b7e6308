use super::backlog::Backlog;
use crate::message::prepared::SharedFrames;

/// The bytes before [`Output::tail`](super::Output).
#[derive(Default)]
pub(super) enum Front {
    /// The usual case.
    #[default]
    Empty,
    /// Prepared frames that were queued while nothing else was. Other connections share them, so
    /// they need neither a copy nor an allocation.
    Shared(SharedFrames),
    /// Boxed, as it is part of every connection, but few send large messages.
    Backlog(Box<Backlog>),
}

impl Front {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Returns the size in bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Shared(frames) => frames.len(),
            Self::Backlog(backlog) => backlog.len,
        }
    }

    pub(super) fn backlog(&self) -> Option<&Backlog> {
        match self {
            Self::Backlog(backlog) => Some(backlog),
            Self::Empty | Self::Shared(_) => None,
        }
    }

    /// Returns the backlog, into which shared frames are moved, so that others can follow them.
    pub(super) fn backlog_mut(&mut self) -> &mut Backlog {
        match self {
            Self::Backlog(backlog) => backlog,
            other => {
                let mut backlog = Box::<Backlog>::default();
                if let Self::Shared(frames) = other {
                    backlog.push((**frames).clone());
                }
                *other = Self::Backlog(backlog);
                other.backlog_mut()
            }
        }
    }

    /// Removes the first `written` bytes, or all if there are fewer. Returns the number of bytes
    /// removed.
    pub(super) fn advance(&mut self, written: usize) -> usize {
        let removed = written.min(self.len());
        match self {
            Self::Backlog(backlog) => backlog.advance(removed),
            Self::Shared(frames) if removed < frames.len() => {
                let rest = frames.slice(removed..);
                *self = Self::Empty;
                self.backlog_mut().push(rest);
            }
            Self::Empty | Self::Shared(_) => *self = Self::Empty,
        }
        removed
    }

    /// Returns the first bytes, if there are any.
    #[inline]
    pub(super) fn chunk(&self) -> Option<&[u8]> {
        match self {
            Self::Empty => None,
            Self::Shared(frames) => Some(frames),
            Self::Backlog(backlog) => backlog.chunks().find(|chunk| !chunk.is_empty()),
        }
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let shared = if let Self::Shared(frames) = self { Some(&frames[..]) } else { None };
        shared.into_iter().chain(self.backlog().into_iter().flat_map(Backlog::chunks))
    }
}
