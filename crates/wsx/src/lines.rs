use std::io::{self, BufRead};
use std::thread;

use tokio::sync::mpsc;

/// The number of lines that are read in advance.
const AHEAD: usize = 16;

/// The lines of the standard input, used if there is no prompt.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: mpsc::Receiver<io::Result<Vec<u8>>>,
}

impl Lines {
    /// Reads on a thread, as the read cannot be cancelled. The thread ends with the program.
    pub(crate) fn start() -> Self {
        let (sender, lines) = mpsc::channel(AHEAD);
        thread::spawn(move || {
            let mut input = io::stdin().lock();
            loop {
                let mut line = Vec::new();
                let read = input.read_until(b'\n', &mut line);
                let is_last = !matches!(read, Ok(read) if read > 0);
                let line = match read {
                    Ok(0) => return,
                    Ok(_) => Ok(without_end(line)),
                    Err(error) => Err(error),
                };
                if sender.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
        });
        Self { lines }
    }

    /// Returns the next line without its line ending, or `None` after the last one or an error.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        self.lines.recv().await
    }
}

fn without_end(mut line: Vec<u8>) -> Vec<u8> {
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    line
}
