use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// The program on a free port. It is killed on drop.
pub(crate) struct Program {
    child: Child,
    addr: String,
}

impl Program {
    pub(crate) fn start() -> Self {
        let tests = env::current_exe().unwrap();
        // target/debug/deps/metrics-…
        let path = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join("metrics");
        let path = path.with_extension(env::consts::EXE_EXTENSION);
        assert!(path.exists(), "{} is not built: cargo build --example metrics", path.display());
        let mut command = Command::new(path);
        command.args(["--addr", "127.0.0.1:0", "--ping-interval", "50"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim_end().strip_prefix("listening on http://").and_then(|line| line.strip_suffix('/'));
        let addr = addr.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, addr }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.addr)
    }

    /// Requests a page, which must have the content type of the format.
    pub(crate) fn scrape(&self, path: &str) -> String {
        let answer = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.addr));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4\r\n"), "{head}");
        body.to_owned()
    }

    pub(crate) fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.addr).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
