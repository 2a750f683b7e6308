use std::env;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A listening program, which is killed when this is dropped.
pub(crate) struct Server {
    #[cfg_attr(not(unix), expect(dead_code, reason = "it is only dropped"))]
    child: Child,
    /// The address that it has printed.
    pub(crate) address: String,
}

impl Server {
    pub(crate) async fn start(name: &str, args: &[&str]) -> Self {
        let mut child = command(name, args).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = lines.next_line().await.expect("UTF-8").expect("a line");
        let address = line.strip_prefix("listening on ").expect("its address").to_owned();
        // The program may print more.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address }
    }

    /// Kills the program, and waits for its end.
    #[cfg(unix)]
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }
}

/// Runs a program to its end.
pub(crate) async fn run(name: &str, args: &[&str]) -> Output {
    command(name, args).output().await.expect("the program runs")
}

/// Returns the path of an example, next to the directory of the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("this test's path");
    let target = test.ancestors().nth(2).expect("the folder of the profile");
    let path = target.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: cargo build --example {name}", path.display());
    path
}

fn command(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(example(name));
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}
