//! An extension that is not compression, on RSV2: each message is followed by a checksum.

use websocket_driver::extensions::{BoundedBuffer, Extension, ExtensionFault, Message, Offer, Params, Rsv, Session};

/// With the name and the bit of [`Checksum::new`] or others.
#[derive(Debug, Clone)]
pub(crate) struct Checksum {
    name: &'static str,
    rsv: Rsv,
}

impl Checksum {
    pub(crate) fn new() -> Self {
        Self { name: "x-checksum", rsv: Rsv::RSV2 }
    }

    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(crate) fn on(self, rsv: Rsv) -> Self {
        Self { rsv, ..self }
    }
}

impl Extension for Checksum {
    fn name(&self) -> &str {
        self.name
    }

    fn rsv(&self) -> Rsv {
        self.rsv
    }

    fn offer(&self) -> Option<Box<dyn Offer>> {
        Some(Box::new(self.clone()))
    }

    fn accept(&self, offers: &[Params]) -> Option<(Params, Box<dyn Session>)> {
        offers.iter().any(Params::is_empty).then(|| (Params::new(), Box::new(self.clone()) as Box<dyn Session>))
    }
}

impl Offer for Checksum {
    fn params(&self) -> Vec<Params> {
        vec![Params::new()]
    }

    fn activate(self: Box<Self>, response: &Params) -> Result<Box<dyn Session>, ExtensionFault> {
        match response.iter().next() {
            None => Ok(self),
            Some((name, value)) => {
                Err(ExtensionFault::Parameter { name: name.to_owned(), value: value.map(Into::into) })
            }
        }
    }
}

impl Session for Checksum {
    fn encode(&mut self, message: &mut Message) -> Result<(), ExtensionFault> {
        message.data = [&message.data[..], &sum(&message.data)].concat().into();
        message.rsv = message.rsv | self.rsv;
        Ok(())
    }

    fn decode(&mut self, message: &mut Message, room: &mut BoundedBuffer<'_>) -> Result<(), ExtensionFault> {
        if !message.rsv.contains(self.rsv) {
            return Ok(());
        }
        match message.data.split_last_chunk::<4>() {
            Some((data, checksum)) if *checksum == sum(data) => room.extend(data)?,
            _ => return Err(ExtensionFault::InvalidData("wrong checksum")),
        }
        message.data = room.take();
        message.rsv = message.rsv.without(self.rsv);
        Ok(())
    }
}

pub(crate) fn sum(data: &[u8]) -> [u8; 4] {
    data.iter().fold(1_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte))).to_be_bytes()
}
