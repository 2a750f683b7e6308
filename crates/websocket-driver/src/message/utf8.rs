use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::{fmt, ops, str};

use bytes::Bytes;
use faststr::FastStr;
use simdutf8::basic::from_utf8;

use crate::message::inline_text::{InlineText, MAX_INLINE};

/// The bytes are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid UTF-8")]
#[non_exhaustive]
pub struct InvalidUtf8;

/// Text: bytes that are known to be valid UTF-8. Cheap to clone, like [`Bytes`].
#[derive(Clone)]
pub struct Utf8Bytes(Repr);

#[derive(Clone)]
enum Repr {
    /// Copying up to 48 bytes costs less than the reference counting of `Bytes`.
    Inline(Inline),
    /// The received bytes. Without unsafe code they are revalidated on each access, which for this
    /// length costs less than the allocation that `FastStr` makes.
    Medium(Bytes),
    Shared(FastStr),
}

/// The maximum length of `Repr::Medium` in bytes.
const MEDIUM: usize = 512;

/// The length follows the text, and its unused values are the niche for the tags of all enclosing
/// enums. A move therefore copies whole words, see [`InlineText`].
#[derive(Clone, Copy)]
#[repr(C)]
struct Inline {
    text: InlineText,
    len: Len,
}

/// The numbers from 0 to [`MAX_INLINE`] as an enum, so that the compiler knows which values are
/// unused.
#[derive(Clone, Copy)]
#[repr(u64)]
#[rustfmt::skip]
enum Len {
    L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13, L14, L15, L16, L17, L18, L19, L20, L21, L22, L23, L24,
    L25, L26, L27, L28, L29, L30, L31, L32, L33, L34, L35, L36, L37, L38, L39, L40, L41, L42, L43, L44, L45, L46, L47, L48,
}

#[rustfmt::skip]
const LENS: [Len; MAX_INLINE + 1] = {
    use Len::*;
    [
        L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13, L14, L15, L16, L17, L18, L19, L20, L21, L22, L23, L24,
        L25, L26, L27, L28, L29, L30, L31, L32, L33, L34, L35, L36, L37, L38, L39, L40, L41, L42, L43, L44, L45, L46, L47, L48,
    ]
};

impl Inline {
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        &self.text.as_bytes()[..self.len as usize]
    }
}

impl Utf8Bytes {
    /// Creates a text from a static string without copying it.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Repr::Shared(FastStr::from_static_str(text)))
    }

    /// Returns the text. Texts of up to 512 bytes are revalidated on every call, which takes a few
    /// nanoseconds: keep the `&str` if you need it more than once.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // The bytes were validated when they were received.
            Repr::Inline(Inline { text, len }) => text.as_str(*len as usize).unwrap_or_default(),
            Repr::Medium(bytes) => from_utf8(bytes).unwrap_or_default(),
            Repr::Shared(text) => text.as_str(),
        }
    }

    /// Returns the bytes of the text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(text) => text.as_bytes(),
            Repr::Medium(bytes) => bytes,
            Repr::Shared(text) => text.as_ref(),
        }
    }

    /// Returns the length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Inline(text) => text.len as usize,
            Repr::Medium(bytes) => bytes.len(),
            Repr::Shared(text) => text.len(),
        }
    }

    /// Returns whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Converts bytes to text like [`String::from_utf8_lossy`], or returns `None` if that would be
    /// longer than `limit`, as a replacement is up to three times as long.
    pub(crate) fn replacing_invalid(bytes: &Bytes, limit: usize) -> Option<Self> {
        if let Ok(text) = Self::try_from(bytes.clone()) {
            return Some(text);
        }
        let mut text = String::with_capacity(bytes.len().min(limit));
        for chunk in bytes.utf8_chunks() {
            let replacement = if chunk.invalid().is_empty() { "" } else { "\u{FFFD}" };
            if text.len() + chunk.valid().len() + replacement.len() > limit {
                return None;
            }
            text.push_str(chunk.valid());
            text.push_str(replacement);
        }
        Some(text.into())
    }

    /// Unmasks the first `len` bytes, at most [`MAX_INLINE`], into a text.
    #[inline]
    pub(crate) fn unmask(masked: &[u8], len: usize, mask: [u8; 4]) -> Result<Self, InvalidUtf8> {
        Self::fill(len, |text| text.unmask(masked, len, mask))
    }

    /// Creates a text of up to [`MAX_INLINE`] bytes. `fill` writes it, and returns whether it is
    /// ASCII.
    #[inline]
    pub(crate) fn fill(len: usize, fill: impl FnOnce(&mut InlineText) -> bool) -> Result<Self, InvalidUtf8> {
        let mut text = InlineText::EMPTY;
        if !fill(&mut text) && !text.is_utf8() {
            return Err(InvalidUtf8);
        }
        Ok(Self(Repr::Inline(Inline { text, len: LENS[len] })))
    }

    /// Returns an inline text and its length.
    #[inline]
    pub(crate) fn as_short(&self) -> Option<(&InlineText, usize)> {
        match &self.0 {
            Repr::Inline(Inline { text, len }) => Some((text, *len as usize)),
            Repr::Medium(_) | Repr::Shared(_) => None,
        }
    }
}

impl Default for Utf8Bytes {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl ops::Deref for Utf8Bytes {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Self(match InlineText::copy(text) {
            Some(short) => Repr::Inline(Inline { text: short, len: LENS[text.len()] }),
            None => Repr::Shared(FastStr::new(text)),
        })
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(Repr::Shared(FastStr::from_string(text)))
    }
}

impl From<&String> for Utf8Bytes {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl TryFrom<Vec<u8>> for Utf8Bytes {
    type Error = InvalidUtf8;

    fn try_from(bytes: Vec<u8>) -> Result<Self, InvalidUtf8> {
        Bytes::from(bytes).try_into()
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = InvalidUtf8;

    fn try_from(bytes: Bytes) -> Result<Self, InvalidUtf8> {
        if bytes.len() > MEDIUM {
            return FastStr::from_bytes(bytes).map(Repr::Shared).map(Self).map_err(|_| InvalidUtf8);
        }
        from_utf8(&bytes).map_err(|_| InvalidUtf8)?;
        Ok(Self(Repr::Medium(bytes)))
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        match text.0 {
            Repr::Inline(text) => Self::copy_from_slice(text.as_bytes()),
            Repr::Medium(bytes) => bytes,
            Repr::Shared(text) => text.into_bytes(),
        }
    }
}

impl PartialEq for Utf8Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Utf8Bytes {}

impl PartialOrd for Utf8Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Utf8Bytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Utf8Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// Implements comparison with other text types, in both directions.
macro_rules! eq_text {
    ($($text:ty),*) => {
        $(
            impl PartialEq<$text> for Utf8Bytes {
                fn eq(&self, other: &$text) -> bool {
                    self.as_bytes() == other.as_bytes()
                }
            }

            impl PartialEq<Utf8Bytes> for $text {
                fn eq(&self, other: &Utf8Bytes) -> bool {
                    self.as_bytes() == other.as_bytes()
                }
            }
        )*
    };
}

eq_text!(str, &str, String, &String, Cow<'_, str>);

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Validates UTF-8 that is received in pieces, and fails at the first byte that cannot be part of
/// valid UTF-8 (RFC 6455 §8.1).
#[derive(Debug, Clone, Default)]
pub(crate) struct Validator {
    /// The first bytes of an incomplete character.
    partial: [u8; 4],
    len: u8,
}

impl Validator {
    /// Validates the next piece. Each byte is examined once, except for up to three of a split
    /// character.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while self.len > 0 {
            let Some((&byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            self.partial[usize::from(self.len)] = byte;
            self.len += 1;
            piece = rest;
            if is_whole(&self.partial[..usize::from(self.len)])? {
                self.len = 0;
            }
        }
        let (whole, cut) = piece.split_at(piece.len() - cut_character(piece));
        from_utf8(whole).map_err(|_| InvalidUtf8)?;
        if !cut.is_empty() {
            is_whole(cut)?;
            self.partial[..cut.len()].copy_from_slice(cut);
            self.len = cut.len() as u8;
        }
        Ok(())
    }

    /// Returns whether the text is complete, that is, does not end within a character.
    pub(crate) fn is_complete(&self) -> bool {
        self.len == 0
    }
}

/// Replaces invalid UTF-8 in a text that is received in pieces, like
/// [`Utf8Bytes::replacing_invalid`] in a whole one.
#[derive(Debug, Default)]
pub(crate) struct Replacer {
    /// The beginning of a character whose rest has not arrived.
    cut: Vec<u8>,
}

impl Replacer {
    /// Returns the next piece of the text, without a character that is cut at its end.
    pub(crate) fn feed(&mut self, piece: &[u8], is_last: bool) -> Bytes {
        let mut bytes = std::mem::take(&mut self.cut);
        bytes.extend_from_slice(piece);
        if !is_last {
            self.cut = bytes.split_off(bytes.len() - cut_character(&bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned().into()
    }
}

/// Returns whether the bytes, the beginning of one character, are a complete character.
fn is_whole(character: &[u8]) -> Result<bool, InvalidUtf8> {
    match str::from_utf8(character) {
        Ok(_) => Ok(true),
        Err(error) if error.error_len().is_none() => Ok(false),
        Err(_) => Err(InvalidUtf8),
    }
}

/// Returns the number of bytes at the end, at most 3, that begin an incomplete character.
fn cut_character(bytes: &[u8]) -> usize {
    for (back, byte) in bytes.iter().rev().take(3).enumerate() {
        let need = match byte {
            0x80..=0xBF => continue,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xFF => 4,
            0x00..=0x7F => 1,
        };
        return if need > back + 1 { back + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns every sequence of up to `len` bytes from a set with a member of each class of UTF-8.
    fn sequences(len: usize) -> Vec<Vec<u8>> {
        const CLASSES: [u8; 18] = [
            0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5,
        ];
        let mut all: Vec<Vec<u8>> = vec![vec![]];
        let mut last = all.clone();
        for _ in 0..len {
            last = last.iter().flat_map(|s| CLASSES.iter().map(move |&b| [s.as_slice(), &[b]].concat())).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    #[test]
    fn text_of_any_length_round_trips() {
        for len in [0, 1, 48, 49, 511, 512, 513, 5000] {
            let string: String = "aé€😀"
                .chars()
                .cycle()
                .scan(0, |sum, c| {
                    *sum += c.len_utf8();
                    (*sum <= len).then_some(c)
                })
                .collect();
            let string = format!("{string}{}", "x".repeat(len - string.len()));
            let bytes = Bytes::from(string.clone());
            for text in [Utf8Bytes::from(&string[..]), string.clone().into(), bytes.clone().try_into().unwrap()] {
                assert_eq!((text.as_str(), text.as_bytes(), text.len()), (&string[..], string.as_bytes(), len));
                assert_eq!(Bytes::from(text.clone()), bytes);
                assert_eq!(text.to_string(), string);
            }
            let cut = bytes.slice(..len.saturating_sub(1));
            assert_eq!(Utf8Bytes::try_from(cut.clone()).is_ok(), str::from_utf8(&cut).is_ok());
            assert!(Utf8Bytes::try_from(Bytes::from([&bytes[..], b"\xff"].concat())).is_err());
        }
    }

    #[test]
    fn replacement_in_pieces_equals_replacement_of_whole() {
        for bytes in sequences(4) {
            let whole = String::from_utf8_lossy(&bytes);
            for cut in 0..=bytes.len() {
                let mut replacer = Replacer::default();
                let pieces = [replacer.feed(&bytes[..cut], false), replacer.feed(&bytes[cut..], true)].concat();
                assert_eq!(pieces, whole.as_bytes(), "{bytes:x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn pieces_are_validated_like_the_whole_at_the_first_invalid_byte() {
        for bytes in sequences(4) {
            // The result of the standard library: whether the bytes are valid, and whether more
            // bytes could make them valid.
            let (valid, completable) = match str::from_utf8(&bytes) {
                Ok(_) => (true, true),
                Err(error) => (false, error.error_len().is_none()),
            };
            for cut in 0..=bytes.len() {
                let mut validator = Validator::default();
                let fed = validator.feed(&bytes[..cut]).and_then(|()| validator.feed(&bytes[cut..]));
                assert_eq!(fed.is_ok(), completable, "{bytes:x?} cut at {cut}");
                if fed.is_ok() {
                    assert_eq!(validator.is_complete(), valid, "{bytes:x?} cut at {cut}");
                }
            }
        }
    }
}
