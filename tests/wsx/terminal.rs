//! A terminal with a program in it.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::program;

/// The program in a terminal of 80 columns. It is killed with the test.
pub(crate) struct Terminal {
    child: Killed,
    keyboard: File,
    /// The program's side, to inspect its settings.
    device: OwnedFd,
    output: UnboundedReceiver<Vec<u8>>,
    /// Output that was not awaited yet.
    printed: String,
}

impl Terminal {
    /// Starts the program, with a directory for its history.
    pub(crate) fn start(url: impl Display, args: &[&str], state: &Path) -> Self {
        Self::start_with(url, args, state, |command| command.env_remove("NO_COLOR"))
    }

    pub(crate) fn start_with(
        url: impl Display,
        args: &[&str],
        state: &Path,
        set: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("the terminal's other side");
        tcsetwinsize(&keyboard, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let name = ptsname(&keyboard, Vec::new()).expect("a name");
        let device: OwnedFd = OpenOptions::new()
            .read(true)
            .write(true)
            .open(std::ffi::OsStr::from_bytes(name.as_bytes()))
            .expect("the terminal's other side")
            .into();
        let other = || device.try_clone().expect("one more of it");
        let mut command = Command::new(program::path());
        command.arg(url.to_string()).args(args).env("XDG_STATE_HOME", state).env("TERM", "xterm");
        set(&mut command);
        let child = command.stdin(other()).stdout(other()).stderr(other()).spawn().expect("the program starts");
        let keyboard = File::from(keyboard);
        let mut screen = keyboard.try_clone().expect("one more of it");
        let (sender, output) = unbounded_channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // On Linux, the end is reported as an error.
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child: Killed(child), keyboard, device, output, printed: String::new() }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits until this is printed. Returns the output before it, since the last such wait.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.printed.find(text) {
                let rest = self.printed.split_off(at + text.len());
                let mut before = std::mem::replace(&mut self.printed, rest);
                before.truncate(at);
                return before;
            }
            let more =
                self.output.recv().await.unwrap_or_else(|| panic!("an end instead of {text:?}: {:?}", self.printed));
            // The tests print nothing that is split within a character.
            self.printed.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// Waits for the end of the program. Returns its status and its last output.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        let status = loop {
            if let Some(status) = self.child.0.try_wait().expect("a status") {
                break status;
            }
            // The program exits soon after its last output; nothing reports it.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        let settings = tcgetattr(&self.device).expect("the settings");
        let usual = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        assert!(settings.local_modes.contains(usual), "the terminal is left as it was: {settings:?}");
        // Closing the last handle ends the output for the reader.
        let Self { device, mut output, mut printed, .. } = self;
        drop(device);
        while let Some(more) = output.recv().await {
            printed.push_str(&String::from_utf8_lossy(&more));
        }
        (status.code(), printed)
    }
}

/// A program that ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Creates an empty directory.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("wsx-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}
