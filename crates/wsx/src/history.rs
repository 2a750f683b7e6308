use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// The number of lines that are stored.
const KEPT: usize = 1000;

/// The lines that were typed, stored in a file in the user's home directory. If that is not
/// possible, they are not stored.
#[derive(Debug)]
pub(crate) struct History {
    path: Option<PathBuf>,
}

impl History {
    /// Returns the stored lines, the oldest first.
    pub(crate) fn open() -> (Self, Vec<String>) {
        let path = path();
        let text = path.as_ref().and_then(|path| fs::read(path).ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // The prompt prints lines unescaped.
        let lines: Vec<_> = text.lines().filter(|line| !line.contains(char::is_control)).map(str::to_owned).collect();
        let first = lines.len().saturating_sub(KEPT);
        let history = Self { path };
        if lines.len() > 2 * KEPT {
            // On failure, the file is merely longer than necessary.
            let _ = history.shorten(&lines[first..]);
        }
        (history, lines[first..].to_vec())
    }

    /// Returns whether a line is stored, by the rules of shells.
    pub(crate) fn keeps(line: &str) -> bool {
        !line.is_empty() && !line.starts_with(' ')
    }

    /// Stores a line for later sessions. Pasted text with several lines is not stored.
    pub(crate) fn add(&self, line: &str) {
        if !line.contains(char::is_control) {
            let _ = self.append(line);
        }
    }

    /// In one write, so that concurrent sessions do not mix their lines.
    fn append(&self, line: &str) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        if let Some(folder) = path.parent() {
            create_private_folder(folder.into())?;
        }
        let mut file = private(OpenOptions::new().append(true).create(true)).open(path)?;
        file.write_all(format!("{line}\n").as_bytes())
    }

    fn shorten(&self, lines: &[String]) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let new = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&new)?;
        file.write_all(format!("{}\n", lines.join("\n")).as_bytes())?;
        fs::rename(new, path)
    }
}

/// Returns the path that the XDG Base Directory Specification defines.
fn path() -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(env::home_dir()?.join(".local").join("state")))?;
    Some(state.join("wsx").join("history"))
}

/// Readable by the user only, as the lines may be secret.
#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

fn create_private_folder(folder: PathBuf) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
