//! The hot paths of the core, one at a time, for `tests/instructions/run` to count the instructions of. See README.md.
//!
//! Without arguments it lists them, each with its operations; with a name and a number it runs that one so many times.

mod hot_paths;

use std::env;
use std::process::ExitCode;

use crate::hot_paths::ALL;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [] => {
            for path in ALL {
                println!("{} {}", path.name, path.turns * path.operations);
            }
            ExitCode::SUCCESS
        }
        [name, times] => match (ALL.iter().find(|path| path.name == name), times.parse::<usize>()) {
            (Some(path), Ok(times)) => {
                let mut turn = (path.prepare)();
                for _ in 0..path.turns * times {
                    turn();
                }
                ExitCode::SUCCESS
            }
            _ => ExitCode::from(2),
        },
        _ => ExitCode::from(2),
    }
}
