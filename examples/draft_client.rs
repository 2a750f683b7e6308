//! A client of the two hixie drafts, like those in browsers of 2010: it joins the chat example,
//! sends typed lines, and prints what is received.
//!
//! ```text
//! cargo run --release --example draft_client -- --version hixie-75 --name Ada
//! ```

#[path = "error_chain/mod.rs"]
mod error_chain;

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;

use axum::http::Uri;
use clap::{Parser, ValueEnum};
use md5::{Digest, Md5};
use serde_json::json;

use self::error_chain::ErrorChain;

/// Joins the chat example as a client of draft-hixie-76 or -75. Sends typed lines; the end of input
/// closes.
#[derive(Debug, Parser)]
#[command(name = "draft_client")]
struct Options {
    /// URL of the chat.
    #[arg(default_value = "ws://127.0.0.1:3000/chat")]
    url: Uri,
    /// Draft to use.
    #[arg(long, value_enum, default_value_t = Draft::Hixie76)]
    version: Draft,
    /// Name in the chat [default: that of the draft].
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Draft {
    #[value(name = "hixie-76")]
    Hixie76,
    #[value(name = "hixie-75")]
    Hixie75,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("draft_client: {}", ErrorChain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let authority = options.url.authority().ok_or("URL has no host")?;
    let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80)))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    open(options, &mut writer, &mut reader)?;

    let draft = options.version.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    let name = options.name.as_ref().unwrap_or(&draft);
    send(&mut writer, &json!({ "type": "name", "name": name }).to_string())?;
    let printer = thread::spawn(move || print(reader));
    for line in io::stdin().lines() {
        send(&mut writer, &json!({ "type": "say", "text": line? }).to_string())?;
    }
    match options.version {
        // The server answers with the same two bytes and closes.
        Draft::Hixie76 => writer.write_all(&[0xff, 0x00])?,
        Draft::Hixie75 => writer.shutdown(std::net::Shutdown::Write)?,
    }
    printer.join().map_err(|_| "the printer failed")??;
    Ok(())
}

/// Performs the handshake, with the checks that the drafts require.
fn open(options: &Options, writer: &mut impl Write, reader: &mut impl BufRead) -> Result<(), Box<dyn Error>> {
    let host = options.url.authority().map_or("", |authority| authority.as_str());
    let path = options.url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
    );
    if options.version == Draft::Hixie75 {
        writer.write_all(format!("{request}\r\n").as_bytes())?;
        // Draft-hixie-75 §3.1: exactly these 85 bytes.
        let mut start = [0; 85];
        reader.read_exact(&mut start)?;
        if &start != b"HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" {
            return Err(format!("refused: {}", String::from_utf8_lossy(&start)).into());
        }
        let expected = [format!("websocket-location: ws://{host}{path}"), format!("websocket-origin: http://{host}")];
        return check_fields(reader, &expected);
    }
    let (key1, number1) = key(1);
    let (key2, number2) = key(2);
    let body = random(3).to_be_bytes();
    request += &format!("Sec-WebSocket-Key1: {key1}\r\nSec-WebSocket-Key2: {key2}\r\n\r\n");
    writer.write_all(request.as_bytes())?;
    writer.write_all(&body)?;
    let mut status = String::new();
    reader.read_line(&mut status)?;
    if !status.starts_with("HTTP/1.1 101 ") {
        return Err(format!("refused: {status}").into());
    }
    let location = format!("sec-websocket-location: ws://{host}{path}");
    let origin = format!("sec-websocket-origin: http://{host}");
    check_fields(reader, &["upgrade: websocket".to_owned(), "connection: upgrade".to_owned(), location, origin])?;
    let mut answer = [0; 16];
    reader.read_exact(&mut answer)?;
    let expected: [u8; 16] = Md5::new()
        .chain_update(number1.to_be_bytes())
        .chain_update(number2.to_be_bytes())
        .chain_update(body)
        .finalize()
        .into();
    if answer == expected { Ok(()) } else { Err("invalid response to the keys".into()) }
}

/// Reads the header fields and checks that the required ones are present.
fn check_fields(reader: &mut impl BufRead, expected: &[String]) -> Result<(), Box<dyn Error>> {
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            field => fields.push(field.to_ascii_lowercase()),
        }
    }
    match expected.iter().find(|field| !fields.contains(&field.to_ascii_lowercase())) {
        None => Ok(()),
        Some(field) => Err(format!("response lacks {field:?}: {fields:?}").into()),
    }
}

/// Returns a key and the number encoded in it: the digits of the number times the number of spaces,
/// with letters in between (draft-hixie-76 §4.1, items 16 to 22).
fn key(seed: u64) -> (String, u32) {
    let spaces = random(seed) % 12 + 1;
    let number = (random(seed + 10) % (u64::from(u32::MAX) / spaces)) as u32;
    let digits = (u64::from(number) * spaces).to_string();
    let (first, rest) = digits.split_at(1);
    (format!("x{first}{}k{rest}z", " ".repeat(spaces as usize)), number)
}

fn random(seed: u64) -> u64 {
    RandomState::new().hash_one(seed)
}

/// Both drafts delimit text by 00 and FF.
fn send(writer: &mut impl Write, text: &str) -> io::Result<()> {
    writer.write_all(&[&[0x00], text.as_bytes(), &[0xff]].concat())
}

fn print(mut reader: impl BufRead) -> io::Result<()> {
    loop {
        let mut start = [0; 1];
        if reader.read(&mut start)? == 0 || start == [0xff] {
            println!("closed");
            return Ok(());
        }
        let mut text = Vec::new();
        reader.read_until(0xff, &mut text)?;
        text.pop();
        println!("{}", String::from_utf8_lossy(&text));
    }
}
