//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1), parsed and written.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use websocket_driver_extensions::{Params, parse_header, write_header};

use crate::peer::cases;

/// Parses a header and returns it in normal form.
fn read(lines: &[&str]) -> Option<String> {
    let entries = parse_header(lines.iter().map(|line| line.as_bytes())).ok()?;
    let entries = entries.iter().map(|(name, params)| format!("{name}{:?}", params.iter().collect::<Vec<_>>()));
    Some(entries.collect::<Vec<_>>().join(" "))
}

#[track_caller]
fn assert_reads(line: &str, means: &str) {
    assert_eq!(read(&[line]).as_deref(), Some(means), "{line:?}");
}

#[test]
fn examples_of_rfc_6455_section_9_1_are_read() {
    assert_reads("foo", "foo[]");
    assert_reads("bar; baz=2", r#"bar[("baz", Some("2"))]"#);
    assert_eq!(read(&["foo", "bar; baz=2"]), read(&["foo, bar; baz=2"]));
    assert_reads("deflate-stream", "deflate-stream[]");
    let muxed = "mux; max-channels=4; flow-control, deflate-stream";
    assert_reads(muxed, r#"mux[("max-channels", Some("4")), ("flow-control", None)] deflate-stream[]"#);
    assert_reads("private-extension", "private-extension[]");
}

#[test]
fn whitespace_is_accepted_around_every_delimiter() {
    let means = r#"a[("b", Some("1")), ("c", None), ("d", Some("x"))] e[]"#;
    assert_reads(r#"a;b=1;c;d="x",e"#, means);
    assert_reads(r#"a; b=1; c; d="x", e"#, means);
    assert_reads("  a\t ;  b =\t1 ; c\t;d  =  \"x\" \t,\te  ", means);
}

#[test]
fn quoted_value_is_read_without_quotes_and_backslashes() {
    assert_reads(r#"a; b="c""#, r#"a[("b", Some("c"))]"#);
    assert_reads(r#"a; b="\c\d""#, r#"a[("b", Some("cd"))]"#);
    assert_reads(r#"a; b="10"; c="d""#, r#"a[("b", Some("10")), ("c", Some("d"))]"#);
    let all = "!#$%&'*+-.^_`|~09azAZ";
    assert_reads(&format!("a; b=\"{all}\""), &format!("a[(\"b\", Some(\"{all}\"))]"));
    assert_reads(&format!("{all}; {all}={all}"), &format!("{all}[(\"{all}\", Some(\"{all}\"))]"));
}

#[test]
fn repeated_parameters_and_extensions_are_kept_in_order() {
    let means = r#"a[("b", Some("2")), ("c", None), ("b", None), ("b", Some("1"))] a[] d[] a[("e", None)]"#;
    assert_reads("a; b=2; c; b; b=1, a, d, a; e", means);
    let entries = parse_header([b"a; b=2; c; b; b=1".as_slice()]).unwrap();
    assert_eq!(entries[0].1.get_all("b").collect::<Vec<_>>(), [Some("2"), None, Some("1")]);
    assert_eq!(entries[0].1.get_all("B").count(), 0, "names are compared byte for byte");
}

#[test]
fn numbers_are_kept_as_written() {
    for number in ["0", "08", "+9", "-1", "1.50", "1e3", "0x10", "99999999999999999999999999", "007"] {
        assert_reads(&format!("a; b={number}"), &format!("a[(\"b\", Some(\"{number}\"))]"));
    }
}

#[test]
fn several_lines_are_one_list_and_elements_may_be_empty() {
    assert_eq!(read(&["a; x", "b, c", "a"]).as_deref(), Some(r#"a[("x", None)] b[] c[] a[]"#));
    for lines in [&[""][..], &[], &[" ", "\t,", ",,", " , ,"]] {
        assert_eq!(read(lines).as_deref(), Some(""), "{lines:?}");
    }
    assert_eq!(read(&[",a, ,\t,b,", "", " c ,"]).as_deref(), Some("a[] b[] c[]"));
}

#[test]
fn malformed_header_is_an_error_with_its_position() {
    for (line, at) in [
        (";", 0),
        ("=", 0),
        ("\"a\"", 0),
        ("a b", 2),
        ("a=1", 1),
        ("a;", 2),
        ("a; ", 3),
        ("a;,b", 2),
        ("a;;b", 2),
        ("a; =1", 3),
        ("a; b=", 5),
        ("a; b= ", 6),
        ("a; b=,c", 5),
        ("a; b=;c", 5),
        ("a; b==1", 5),
        ("a; b=1=2", 6),
        ("a; b=1 2", 7),
        ("a; b c", 5),
        ("a; \"b\"", 3),
        ("a; b=\"", 6),
        ("a; b=\"\"", 6),
        ("a; b=\"c", 7),
        ("a; b=\"c d\"", 7),
        ("a; b=\"c,d\"", 7),
        ("a; b=\"c;d\"", 7),
        ("a; b=\"\\", 7),
        ("a; b=\"\\\"\"", 7),
        ("a; b=\"\\\\\"", 7),
        ("a; b=\"c\\", 8),
        ("a; b=\"c\\\"", 8),
        ("a; b=\"c\"d", 8),
        ("a; b=c\"d\"", 6),
        ("a; b='c d'", 8),
        ("a/b", 1),
        ("a(b)", 1),
        ("a\u{7f}", 1),
        ("a\0", 1),
        ("a\u{b}b", 1),
        ("é", 0),
        ("a; é", 3),
        ("a; b=é", 5),
        ("a; b=\"é\"", 6),
        ("a, b, c d", 8),
        ("a\r\nb", 1),
    ] {
        let error = parse_header([line.as_bytes()]).expect_err(line);
        assert_eq!(error.at, at, "{line:?}");
        assert!(parse_header([b"fine".as_slice(), line.as_bytes(), b"fine"]).is_err(), "{line:?} between others");
        assert!(parse_header([format!("fine; x=1, {line}").as_bytes()]).is_err(), "{line:?} behind another");
        let told = format!("invalid Sec-WebSocket-Extensions header at byte {at}");
        assert_eq!(error.to_string(), told);
    }
}

#[test]
fn token_has_only_token_characters() {
    let separators = b"()<>@,;:\\\"/[]?={} \t";
    for byte in 0..=255_u8 {
        let is_token = byte.is_ascii_graphic() && !separators.contains(&byte);
        let is_read = |before: &[u8], after: &[u8]| parse_header([&[before, &[byte], after].concat()[..]]).is_ok();
        assert_eq!(is_read(b"a; b=\"", b"\""), is_token, "{byte:#x} in quotes");
        assert_eq!(is_read(b"a; b=\"\\", b"\""), is_token, "{byte:#x} behind a backslash");
        assert_eq!(is_read(b"a; x", b"x"), is_token || b",;=".contains(&byte), "{byte:#x} in a parameter");
        assert_eq!(is_read(b"x", b"x"), is_token || b",;".contains(&byte), "{byte:#x} in a name");
    }
}

/// Returns headers of any length that caused super-linear time in other libraries.
fn hostile(len: usize) -> Vec<(&'static str, Vec<u8>)> {
    let repeat = |part: &str| part.as_bytes().iter().copied().cycle().take(len).collect::<Vec<u8>>();
    let after = |start: &str, part: &str| [start.as_bytes(), &repeat(part)].concat();
    vec![
        ("a name", repeat("a")),
        ("names", repeat("a,")),
        ("commas", repeat(",")),
        ("semicolons", after("a", ";")),
        ("white space", repeat(" \t")),
        ("white space behind a name", after("a", " ")),
        ("parameters", after("a", ";b")),
        ("parameters with values", after("a", "; b=c")),
        ("equals", after("a;b", "=")),
        ("a value", after("a;b=", "c")),
        ("an open quoted string", after("a;b=\"", "c")),
        // CVE-2020-7662, CVE-2020-7663.
        ("backslashes in an open quoted string", after("a;b=\"", "\\")),
        ("escapes in an open quoted string", after("a;b=\"", "\\c")),
        ("quoted strings", after("a", ";b=\"c\"")),
        ("quotes", after("a;b=", "\"")),
        ("bytes beyond ASCII", after("a;b=\"", "é")),
    ]
}

#[test]
fn hostile_headers_are_read_in_linear_time() {
    for len in [16 * 1024, 1024 * 1024] {
        for (kind, header) in hostile(len) {
            let start = Instant::now();
            let _ = parse_header([&header[..]]);
            let _ = parse_header(header.chunks(100));
            // Milliseconds in linear time. Quadratic time would be hours for the longer ones.
            assert!(start.elapsed() < Duration::from_secs(20), "{len} bytes, {kind}: {:?}", start.elapsed());
        }
    }
}

#[test]
fn empty_list_is_no_header() {
    assert_eq!(write_header([]), None);
    let params = Params::new().flag("b").value("c", 10).value("b", "x");
    assert_eq!(write_header([("a", &params), ("d", &Params::new())]).as_deref(), Some("a; b; c=10; b=x, d"));
    assert_eq!((params.len(), params.is_empty()), (3, false));
}

#[test]
fn value_that_is_not_a_token_is_quoted() {
    let params = Params::new().value("b", "two \"words\" \\").value("c", "");
    assert_eq!(params.to_string(), r#"; b="two \"words\" \\"; c="""#);
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn written_header_is_read_back(
        entries in prop::collection::vec((TOKEN, prop::collection::vec((TOKEN, prop::option::of(TOKEN)), 0..5)), 1..6)
    ) {
        let entries: Vec<(String, Params)> = entries
            .into_iter()
            .map(|(name, list)| {
                let mut params = Params::new();
                list.into_iter().for_each(|(name, value)| params.push(name, value));
                (name, params)
            })
            .collect();
        let header = write_header(entries.iter().map(|(name, params)| (name.as_str(), params))).expect("a header");
        prop_assert_eq!(parse_header([header.as_bytes()]), Ok(entries));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic_and_yield_tokens(line in HEADERISH) {
        if let Ok(entries) = parse_header([line.as_bytes()]) {
            let written = write_header(entries.iter().map(|(name, params)| (name.as_str(), params)));
            prop_assert_eq!(parse_header([written.unwrap_or_default().as_bytes()]), Ok(entries));
        }
    }
}

const TOKEN: &str = "[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,8}";
const HEADERISH: &str = "[ab1,;=\"\\\\ \té]{0,24}";
