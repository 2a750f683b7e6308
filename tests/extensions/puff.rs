//! A slow and strict RFC 1951 decoder, so that compressed data is not checked by the library that
//! produced it. It also reports how far back a message refers, which no fast decoder does.

/// The receiver of one direction: it decompresses messages one after another (RFC 7692 §7.2.2).
#[derive(Debug, Default)]
pub(crate) struct Puff {
    /// The decompressed data that the next message may refer to.
    history: Vec<u8>,
    /// The largest distance seen.
    pub(crate) reach: usize,
}

/// The base and the number of extra bits of the length codes from 257 on (RFC 1951 §3.2.5).
const LENGTHS: [(usize, u32); 29] = {
    let mut all = [(258, 0); 29];
    let (mut i, mut base) = (0, 3);
    while i < 28 {
        let extra = if i < 8 { 0 } else { i as u32 / 4 - 1 };
        all[i] = (base, extra);
        base += 1 << extra;
        i += 1;
    }
    all
};

/// The base and the number of extra bits of the distance codes.
const DISTANCES: [(usize, u32); 30] = {
    let mut all = [(0, 0); 30];
    let (mut i, mut base) = (0, 1);
    while i < 30 {
        let extra = if i < 4 { 0 } else { i as u32 / 2 - 1 };
        all[i] = (base, extra);
        base += 1 << extra;
        i += 1;
    }
    all
};

/// RFC 1951 §3.2.7.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Puff {
    /// Decompresses a message and keeps its context.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, &'static str> {
        let bytes = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
        let mut bits = Bits { bytes: &bytes, at: 0 };
        let mut start = self.history.len();
        let mut message = Vec::new();
        let mut is_empty_stored = false;
        while bits.at < 8 * bytes.len() {
            let is_final = bits.take(1)? == 1;
            let before = self.history.len();
            let kind = bits.take(2)?;
            match kind {
                0 => self.stored(&mut bits)?,
                1 => {
                    let lengths: Vec<u8> = (0..288).map(fixed_length).collect();
                    self.compressed(&mut bits, &Code::new(&lengths), &Code::new(&[5; 30]))?;
                }
                2 => {
                    let (literals, distances) = dynamic(&mut bits)?;
                    self.compressed(&mut bits, &literals, &distances)?;
                }
                _ => return Err("a block of the reserved type"),
            }
            is_empty_stored = kind == 0 && self.history.len() == before;
            if is_final {
                bits.at = bits.at.next_multiple_of(8);
                message.append(&mut self.history.split_off(start));
                (self.history, start) = (Vec::new(), 0);
            }
        }
        message.extend(&self.history[start..]);
        if is_empty_stored { Ok(message) } else { Err("it does not end with an empty block") }
    }

    /// Decompresses a message of a sender that keeps no context.
    pub(crate) fn fresh(payload: &[u8]) -> Result<Vec<u8>, &'static str> {
        Self::default().message(payload)
    }

    fn stored(&mut self, bits: &mut Bits<'_>) -> Result<(), &'static str> {
        bits.at = bits.at.next_multiple_of(8);
        let (len, inverse) = (bits.take(16)?, bits.take(16)?);
        if len != !inverse & 0xffff {
            return Err("the length of a stored block");
        }
        for _ in 0..len {
            self.history.push(bits.take(8)? as u8);
        }
        Ok(())
    }

    fn compressed(&mut self, bits: &mut Bits<'_>, literals: &Code, distances: &Code) -> Result<(), &'static str> {
        loop {
            match literals.take(bits)? {
                byte @ 0..=255 => self.history.push(byte as u8),
                256 => return Ok(()),
                symbol => {
                    let (base, extra) = *LENGTHS.get(symbol - 257).ok_or("a length that does not exist")?;
                    let len = base + bits.take(extra)?;
                    let symbol = distances.take(bits)?;
                    let (base, extra) = *DISTANCES.get(symbol).ok_or("a distance that does not exist")?;
                    let distance = base + bits.take(extra)?;
                    self.reach = self.reach.max(distance);
                    let from = self.history.len().checked_sub(distance).ok_or("a distance beyond the context")?;
                    (from..from + len).for_each(|at| self.history.push(self.history[at]));
                }
            }
        }
    }
}

fn fixed_length(symbol: usize) -> u8 {
    match symbol {
        0..=143 => 8,
        144..=255 => 9,
        256..=279 => 7,
        _ => 8,
    }
}

/// RFC 1951 §3.2.7.
fn dynamic(bits: &mut Bits<'_>) -> Result<(Code, Code), &'static str> {
    let (literals, distances, lengths) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    let mut of_lengths = [0; 19];
    for at in &ORDER[..lengths] {
        of_lengths[*at] = bits.take(3)? as u8;
    }
    let code = Code::new(&of_lengths);
    let mut all: Vec<u8> = Vec::new();
    while all.len() < literals + distances {
        let (value, times) = match code.take(bits)? {
            16 => (*all.last().ok_or("nothing to repeat")?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length as u8, 1),
        };
        all.extend(std::iter::repeat_n(value, times));
    }
    if all.len() > literals + distances {
        return Err("too many lengths");
    }
    Ok((Code::new(&all[..literals]), Code::new(&all[literals..])))
}

/// A Huffman code: the number of symbols of each length, and the symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        lengths.iter().filter(|length| **length > 0).for_each(|length| counts[usize::from(*length)] += 1);
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|symbol| lengths[*symbol] > 0).collect();
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        Self { counts, symbols }
    }

    fn take(&self, bits: &mut Bits<'_>) -> Result<usize, &'static str> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)?;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err("a code that does not exist")
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// The position in bits.
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Result<usize, &'static str> {
        let mut value = 0;
        for i in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or("it is cut off")?;
            value |= usize::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Ok(value)
    }
}

/// RFC 7692 §7.2.3.1 to §7.2.3.6.
#[test]
fn test_inflater_reads_the_examples_of_the_specification() {
    let mut puff = Puff::default();
    for (payload, message) in EXAMPLES {
        assert_eq!(puff.message(payload), Ok(message.to_vec()), "{payload:02x?}");
    }
    assert_eq!(Puff::fresh(&[0xf2, 0x00, 0x11, 0x00, 0x00]), Err("a distance beyond the context"));
    for cut in 0..7 {
        assert!(Puff::fresh(&EXAMPLES[0].0[..cut]).is_err(), "{cut}");
    }
}

/// The examples of RFC 7692 §7.2.3, in an order that works with a single context.
pub(crate) const EXAMPLES: [(&[u8], &[u8]); 7] = [
    (&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], b"Hello"),
    (&[0xf2, 0x00, 0x11, 0x00, 0x00], b"Hello"),
    (&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], b"Hello"),
    (&[0x00], b""),
    (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], b"Hello"),
    (&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], b"Hello"),
    (&[0x02, 0x00], b""),
];
