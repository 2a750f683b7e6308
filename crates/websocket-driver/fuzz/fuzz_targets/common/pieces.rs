use websocket_driver::{Message, MessageChunk, MessageKind};

/// A message that is received in pieces, as far as it has arrived.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    kind: Option<MessageKind>,
    data: Vec<u8>,
    /// The length of the data that was checked to be UTF-8.
    checked: usize,
}

impl Pieces {
    /// Adds a piece, and returns the message if it was the last.
    pub(crate) fn add(&mut self, chunk: &MessageChunk) -> Option<Message> {
        assert_eq!(*self.kind.get_or_insert(chunk.kind), chunk.kind);
        self.data.extend_from_slice(&chunk.data);
        if chunk.kind == MessageKind::Text {
            let valid = match std::str::from_utf8(&self.data[self.checked..]) {
                Ok(text) => text.len(),
                Err(error) => {
                    assert_eq!((error.error_len(), chunk.is_final), (None, false), "not a prefix of UTF-8");
                    error.valid_up_to()
                }
            };
            self.checked += valid;
        }
        if !chunk.is_final {
            return None;
        }
        let Self { data, .. } = std::mem::take(self);
        Some(match chunk.kind {
            MessageKind::Text => String::from_utf8(data).expect("checked").into(),
            MessageKind::Binary => data.into(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }
}
