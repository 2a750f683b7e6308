//! The hot paths of the core, run one at a time by `tests/instructions/run`, which counts their
//! instructions. See README.md.
//!
//! Without arguments, lists them with their operations. With a name and a number, runs that path
//! this number of times.

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
