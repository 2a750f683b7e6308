//! Operations of applications on messages and texts as values.

use std::borrow::Cow;

use axum::body::Bytes;

use super::ws::{CloseCode, CloseFrame, Message, Utf8Bytes, close_code};

const GREETING: Utf8Bytes = Utf8Bytes::from_static("hello");

fn close() -> Message {
    let code: CloseCode = close_code::AWAY;
    Message::Close(Some(CloseFrame { code, reason: "bye".into() }))
}

#[test]
fn values_convert_to_messages() {
    let string = String::from("hello");
    assert_eq!(Message::from("hello"), Message::Text(GREETING));
    assert_eq!(Message::from(string.clone()), Message::text("hello"));
    assert_eq!(Message::text(&string), Message::Text(Utf8Bytes::from(&string)));
    assert_eq!(Message::from(vec![1, 2]), Message::Binary(Bytes::from_static(&[1, 2])));
    assert_eq!(Message::from(&[1, 2][..]), Message::binary(vec![1, 2]));
    assert_eq!(Message::from(Bytes::from_static(&[1, 2])), Message::binary(&[1, 2][..]));
}

#[test]
fn messages_convert_to_values() {
    for (message, expected) in [
        (Message::text("hello"), "hello"),
        (Message::binary("hello"), "hello"),
        (Message::Ping("hello".into()), "hello"),
        (Message::Pong("hello".into()), "hello"),
        (close(), "bye"),
        (Message::Close(None), ""),
    ] {
        assert_eq!(message.to_text().unwrap(), expected);
        assert_eq!(message.clone().into_text().unwrap(), expected);
        assert_eq!(message.clone().into_data(), expected);
        assert_eq!(Vec::<u8>::from(message), expected.as_bytes());
    }
    let broken = Message::binary(&b"\xff"[..]);
    assert!(broken.to_text().is_err());
    let error: axum::Error = broken.into_text().unwrap_err();
    assert!(!error.to_string().is_empty());
}

#[test]
fn texts_compare_and_convert_like_strings() {
    fn len(text: &str) -> usize {
        text.len()
    }
    assert_eq!(GREETING, "hello");
    assert_eq!(GREETING, String::from("hello"));
    assert_eq!(GREETING, &String::from("hello"));
    assert_eq!(GREETING, Cow::from("hello"));
    assert_eq!(len(&GREETING), 5);
    assert!(GREETING.starts_with("he") && GREETING.as_str() == "hello");
    assert_eq!(format!("{GREETING}"), "hello");
    assert_eq!(Utf8Bytes::try_from(Bytes::from_static(b"hello")).unwrap(), GREETING);
    assert_eq!(Utf8Bytes::try_from(b"hello".to_vec()).unwrap(), GREETING);
    assert!(Utf8Bytes::try_from(vec![0xff]).is_err());
    assert_eq!(Bytes::from(GREETING), "hello");
    assert_eq!(Utf8Bytes::default(), "");
}

#[test]
fn close_codes_have_names() {
    let names = [
        close_code::NORMAL,
        close_code::AWAY,
        close_code::PROTOCOL,
        close_code::UNSUPPORTED,
        close_code::STATUS,
        close_code::ABNORMAL,
        close_code::INVALID,
        close_code::POLICY,
        close_code::SIZE,
        close_code::EXTENSION,
        close_code::ERROR,
        close_code::RESTART,
        close_code::AGAIN,
    ];
    assert_eq!(names, [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013]);
}
