use arbitrary::{Arbitrary, Result, Unstructured};

use crate::wire::bytes;

/// What is changed in a head: up to three times something is cut out and something put in its place.
#[derive(Debug)]
pub struct Edits(Vec<Edit>);

#[derive(Debug)]
struct Edit {
    at: u16,
    cut: u8,
    times: u8,
    insert: Vec<u8>,
}

impl<'a> Arbitrary<'a> for Edits {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let count = u.arbitrary::<u8>()? % 4;
        let edit = |u: &mut Unstructured<'a>| {
            Ok(Edit { at: u.arbitrary()?, cut: u.arbitrary()?, times: u.arbitrary()?, insert: bytes(u)? })
        };
        Ok(Self((0..count).map(|_| edit(u)).collect::<Result<_>>()?))
    }
}

impl Edits {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A head with its edits.
pub fn edited(head: &[u8], edits: &Edits) -> Vec<u8> {
    let mut head = head.to_vec();
    for Edit { at, cut, times, insert } in &edits.0 {
        let at = usize::from(*at).min(head.len());
        let end = (at + usize::from(*cut)).min(head.len());
        head.splice(at..end, insert.repeat(1 + usize::from(times / 4)));
    }
    head
}

/// Takes the head of a request off, which must be well formed.
pub fn check_request(written: &[u8]) -> &[u8] {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let head = httparse::Request::new(&mut fields).parse(written).expect("a request");
    &written[head.unwrap()..]
}

/// Takes a response off, which must be well formed, and tells its status.
pub fn check_response(written: &[u8]) -> (u16, &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    let head = response.parse(written).expect("a response").unwrap();
    assert_eq!((response.version, &written[head - 4..head]), (Some(1), &b"\r\n\r\n"[..]));
    let status = response.code.expect("a status");
    let values = |name: &str| {
        let fields = response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        fields.map(|field| field.value).collect::<Vec<_>>()
    };
    assert!(values("Transfer-Encoding").is_empty());
    if status == 101 {
        assert!(values("Upgrade")[0].eq_ignore_ascii_case(b"websocket"));
        assert_eq!((values("Connection"), values("Content-Length").len()), (vec![&b"Upgrade"[..]], 0));
        return (status, &written[head..]);
    }
    assert!((400..500).contains(&status), "{status}");
    let [len] = values("Content-Length")[..] else { panic!("one length") };
    let len: usize = std::str::from_utf8(len).expect("a number").parse().expect("a number");
    (status, &written[head + len..])
}
