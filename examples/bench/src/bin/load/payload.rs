//! The content of messages.

use std::fmt::Write;

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Content {
    /// Random bytes, sent as binary messages.
    Binary,
    /// ASCII text.
    Ascii,
    /// Text with about a third of its bytes in characters of two to four bytes.
    Mixed,
    /// JSON as services send it.
    Json,
}

impl Content {
    pub(crate) fn is_text(self) -> bool {
        self != Self::Binary
    }

    /// Returns a message of the given size. Different numbers produce different messages.
    pub(crate) fn message(self, size: usize, number: u64) -> Vec<u8> {
        let mut random = Random::new(number);
        if self == Self::Binary {
            return (0..size.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).take(size).collect();
        }
        let mut text = format!("{number:04x} ");
        while text.len() < size {
            match self {
                Self::Mixed => text.push_str(random.pick(&MIXED)),
                Self::Json => quote(&mut text, &mut random),
                _ => text.push_str(random.pick(&ASCII)),
            }
        }
        cut(&mut text, size);
        text.into_bytes()
    }
}

const ASCII: [&str; 8] = ["the ", "quick ", "brown ", "fox ", "jumps ", "over ", "lazy ", "dogs "];

const MIXED: [&str; 12] = [
    "the quick ",
    "brown fox ",
    "jumps over ",
    "lazy dogs ",
    "and ",
    "then ",
    "größer ",
    "déjà vu ",
    "привет ",
    "日本語 ",
    "數據 ",
    "🦀🚀 ",
];

fn quote(text: &mut String, random: &mut Random) {
    let (id, units, cents) = (random.below(1_000_000), random.below(10_000), random.below(100));
    let symbol = random.pick(&["BTC-USD", "ETH-USD", "EUR-USD", "XAU-USD"]);
    let side = random.pick(&["buy", "sell"]);
    let quote = write!(text, r#"{{"id":{id},"symbol":"{symbol}","side":"{side}","price":{units}.{cents:02}}},"#);
    debug_assert!(quote.is_ok(), "a String takes everything");
}

/// Truncates at a character boundary, and pads with spaces.
fn cut(text: &mut String, size: usize) {
    let mut end = size.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.extend(std::iter::repeat_n(' ', size - end));
}

/// A generator with the same numbers in every run (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_size_and_are_all_different() {
        for content in [Content::Binary, Content::Ascii, Content::Mixed, Content::Json] {
            for size in [32, 64, 1024, 16 * 1024 + 1] {
                let messages: Vec<_> = (0..100).map(|number| content.message(size, number)).collect();
                for (number, message) in messages.iter().enumerate() {
                    assert_eq!(message.len(), size);
                    assert!(!messages[..number].contains(message), "{content:?} {size} {number}");
                    assert!(!content.is_text() || std::str::from_utf8(message).is_ok());
                }
            }
        }
    }
}
