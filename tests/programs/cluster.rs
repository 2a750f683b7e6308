//! `examples/cluster/run --check`: a message crosses two nodes of the example `chat`.

use std::process::{Command, Stdio};

use crate::program::example;

#[test]
fn message_crosses_two_nodes_over_redis() {
    check("redis-server", &["--check"]);
}

#[test]
fn message_crosses_two_nodes_over_nats() {
    check("nats-server", &["--nats", "--check"]);
}

fn check(server: &str, args: &[&str]) {
    for program in [server, "haproxy"] {
        if !is_installed(program) {
            println!("skipped: {program} is not installed (apt-get install {program})");
            assert!(std::env::var_os("REQUIRE_SERVERS").is_none(), "{program} is not installed");
            return;
        }
    }
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/cluster/run"));
    script.args(args).env("CHAT", example("chat")).env("WSX", example("wsx")).stdin(Stdio::null());
    let output = script.output().expect("the script runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(printed.ends_with("node two  received: hello from node one\n"), "{printed}");
}

/// Returns whether a program is in the path, or where Debian has servers.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).any(|folder| folder.join(program).exists())
}
