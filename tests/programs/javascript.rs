//! The client of the hub's guide, run by Node.js against the example `chat`.

use std::process::{Command, Output, Stdio};

use crate::program::example;

const GUIDE: &str = include_str!("../../crates/websocket-hub/src/guide/javascript.md");

/// Calls the guide's `follow`, and prints what it does while connections are cut and the server is
/// restarted.
const SCENARIO: &str = include_str!("javascript.mjs");

#[test]
fn client_of_the_guide_resumes_and_notices_what_is_lost() {
    let (_, block) = GUIDE.split_once("```js\n").expect("the client");
    let (client, _) = block.split_once("```").expect("its end");
    assert!(client.lines().count() <= 40, "the client is too long");
    // Later versions have a `WebSocket` by default.
    let run = |option: &[&str], program: &str| -> Option<Output> {
        let mut node = Command::new("node");
        node.args(option).args(["--input-type=module", "--eval", program]);
        node.env("CHAT", example("chat")).stdin(Stdio::null()).output().ok()
    };
    let Some(version) = run(&[], "console.log(process.versions.node)") else {
        println!("skipped: node is not installed");
        assert!(std::env::var_os("REQUIRE_SERVERS").is_none(), "node is not installed");
        return;
    };
    let version = String::from_utf8_lossy(&version.stdout);
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).expect("a version");
    let option: &[&str] = if major < 22 { &["--experimental-websocket"] } else { &[] };
    let output = run(option, &format!("{client}\n{SCENARIO}")).expect("node runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    // The history is gone with the process, so the messages before the restart are lost.
    let expected = ["one", "cut", "two", "three", "four", "restart", "lost", "five", "end"];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected, "{output:?}");
}
