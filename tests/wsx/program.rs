//! The program and its output.

use std::env;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A program to start.
pub(crate) struct Wsx {
    command: Command,
    input: Input,
}

enum Input {
    None,
    /// A pipe with this content.
    Text(Vec<u8>),
    /// A pipe that stays open.
    Open,
    File(File),
}

impl Wsx {
    /// Creates a command without options and with an empty input.
    pub(crate) fn bare() -> Self {
        Self { command: Command::new(path()), input: Input::None }
    }

    /// Creates a command without `--json` and with an empty input.
    pub(crate) fn plain(url: impl Display) -> Self {
        let mut command = Command::new(path());
        command.arg(url.to_string());
        Self { command, input: Input::None }
    }

    /// Creates a command with `--json`.
    pub(crate) fn json(url: impl Display) -> Self {
        Self::plain(url).args(["--json"])
    }

    /// Creates a command with `--json` and without an input, as if a shell had closed it.
    #[cfg(unix)]
    pub(crate) fn with_closed_input(url: impl Display) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$@" <&-"#, "sh"]).arg(path()).args([&url.to_string(), "--json"]);
        Self { command, input: Input::None }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets the input to a pipe with this content.
    pub(crate) fn input(self, text: impl AsRef<[u8]>) -> Self {
        Self { input: Input::Text(text.as_ref().to_vec()), ..self }
    }

    /// Sets the input to a pipe that stays open.
    pub(crate) fn open_input(self) -> Self {
        Self { input: Input::Open, ..self }
    }

    pub(crate) fn input_from(self, file: File) -> Self {
        Self { input: Input::File(file), ..self }
    }

    pub(crate) fn start(mut self) -> Running {
        let (stdin, text) = match self.input {
            Input::None => (Stdio::null(), None),
            Input::Text(text) => (Stdio::piped(), Some(text)),
            Input::Open => (Stdio::piped(), None),
            Input::File(file) => (file.into(), None),
        };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the program starts");
        let mut input = child.stdin.take();
        if let Some(text) = text
            && let Some(mut pipe) = input.take()
        {
            // On a thread, as the capacity of a pipe is limited. The test checks whether everything
            // is read.
            thread::spawn(move || pipe.write_all(&text));
        }
        let output = child.stdout.take().expect("a pipe");
        let (sender, lines) = unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let _ = sender.send(line.expect("lines of UTF-8"));
            }
        });
        let mut errors = child.stderr.take().expect("a pipe");
        let errors = thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).expect("UTF-8");
            text
        });
        Running { child, input, lines, errors: Some(errors) }
    }

    /// Runs the program to its end.
    pub(crate) async fn run(self) -> Ended {
        self.start().end().await
    }
}

/// A running program, which is killed with the test.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: UnboundedReceiver<String>,
    errors: Option<JoinHandle<String>>,
}

/// The result of a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    /// The lines that were not read before the end.
    pub(crate) lines: Vec<String>,
    pub(crate) errors: String,
}

impl Running {
    /// Returns the next line of the output.
    pub(crate) async fn line(&mut self) -> String {
        self.lines.recv().await.expect("one more line")
    }

    /// Writes to the input.
    pub(crate) fn write(&mut self, text: &str) {
        self.input.as_mut().expect("an open input").write_all(text.as_bytes()).expect("it still reads");
    }

    /// Closes the input.
    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    pub(crate) async fn end(mut self) -> Ended {
        let mut lines = Vec::new();
        while let Some(line) = self.lines.recv().await {
            lines.push(line);
        }
        let status = self.child.wait().expect("its status").code();
        let errors = self.errors.take().expect("not asked before").join().expect("no panic");
        Ended { status, lines, errors }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Expects success and this output.
    #[track_caller]
    pub(crate) fn is_clean(&self, lines: &[&str]) {
        assert_eq!((self.status, &*self.errors), (Some(0), ""), "{:#?}", self.lines);
        assert_eq!(self.lines, lines);
    }

    /// Expects failure and this output.
    #[track_caller]
    pub(crate) fn has_failed(&self, lines: &[&str]) {
        assert_eq!((self.status, &*self.errors), (Some(1), ""), "{:#?}", self.lines);
        assert_eq!(self.lines, lines);
    }
}

/// Returns the path of the example, next to the directory of the tests.
pub(crate) fn path() -> PathBuf {
    let test = env::current_exe().expect("this test's path");
    let target = test.ancestors().nth(2).expect("the folder of the profile");
    let path = target.join("examples").join(format!("wsx{}", env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: cargo build --example wsx", path.display());
    path
}
