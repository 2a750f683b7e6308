//! The program of the crate `wsx`, so that `cargo run --example wsx` starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    wsx::main()
}
