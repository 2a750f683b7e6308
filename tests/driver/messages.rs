//! Messages and texts as values: conversions and comparisons.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use websocket_driver::{CloseCode, Message, Utf8Bytes};

/// Returns one text per representation: inline, revalidated bytes, shared.
fn texts() -> Vec<(String, Utf8Bytes)> {
    [3, 100, 5000].map(|len| "x".repeat(len)).map(|text| (text.clone(), Bytes::from(text).try_into().unwrap())).into()
}

#[test]
fn message_text_is_available_for_either_type() {
    for (string, text) in texts() {
        for message in [Message::Text(text.clone()), Message::binary(string.clone())] {
            assert_eq!(message.to_text(), Ok(&string[..]));
            assert_eq!(message.clone().into_text(), Ok(text.clone()));
            assert_eq!(message.clone().into_data(), string.as_bytes());
            assert_eq!(Vec::from(message), string.as_bytes());
        }
    }
}

#[test]
fn message_that_is_not_utf8_has_only_data() {
    let message = Message::binary(&b"\xff"[..]);
    assert!(message.to_text().is_err());
    assert!(message.clone().into_text().is_err());
    assert_eq!(Vec::from(message), b"\xff");
}

#[test]
fn utf8_bytes_convert_from_every_text() {
    const STATIC: Utf8Bytes = Utf8Bytes::from_static("hello");
    let string = String::from("hello");
    assert_eq!(Utf8Bytes::from(&string), STATIC);
    assert_eq!(Utf8Bytes::try_from(string.clone().into_bytes()), Ok(STATIC));
    assert!(Utf8Bytes::try_from(vec![0xff]).is_err());
    assert_eq!(Message::text(&string), Message::text("hello"));
}

#[test]
fn utf8_bytes_compare_with_every_text_in_both_directions() {
    fn is_equal<A: PartialEq<B>, B: PartialEq<A>>(one: A, other: B) -> bool {
        let (forth, back) = (one == other, other == one);
        assert_eq!(forth, back);
        forth
    }
    for (string, text) in texts() {
        for (other, expected) in [(string, true), ("other".into(), false)] {
            assert_eq!(is_equal(text.clone(), other.clone()), expected);
            assert_eq!(is_equal(text.clone(), &other), expected);
            assert_eq!(is_equal(text.clone(), &other[..]), expected);
            assert_eq!(is_equal(text.clone(), Cow::from(&other)), expected);
            assert_eq!(text == *other.as_str() && *other.as_str() == text, expected);
        }
    }
}

#[test]
fn utf8_bytes_are_ordered_and_hashed_by_their_text() {
    let mut sorted = [Utf8Bytes::from("b"), "a".repeat(100).into(), Utf8Bytes::from_static("a")];
    sorted.sort();
    assert_eq!(sorted, ["a", &"a".repeat(100), "b"]);
    let checked = Utf8Bytes::try_from(Bytes::from_static(b"hello")).unwrap();
    assert!(HashSet::from([Utf8Bytes::from("hello")]).contains(&checked));
}

#[test]
fn close_code_compares_with_a_number() {
    assert!(CloseCode::GOING_AWAY == 1001 && CloseCode::GOING_AWAY != 1000);
}
