//! The program of the crate `wsx`.

use std::process::ExitCode;

fn main() -> ExitCode {
    wsx::main()
}
