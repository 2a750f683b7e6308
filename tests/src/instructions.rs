//! The programs whose instructions `tests/instructions/run` counts.
//!
//! Without arguments, they list their paths with the number of operations. With a name and a
//! number, they run that path this number of times.

use std::env;
use std::process::ExitCode;

/// A measured path.
#[derive(Debug)]
pub struct HotPath {
    name: &'static str,
    operations: usize,
    turns: usize,
    prepare: fn() -> Turn,
}

/// Runs a path once and restores its state, so that a thousand turns cost a thousand times as much
/// as one.
pub type Turn = Box<dyn FnMut()>;

impl HotPath {
    /// Creates a path with a number of operations per turn, mostly messages, and the number of
    /// turns for a stable result.
    #[must_use]
    pub const fn new(name: &'static str, operations: usize, turns: usize, prepare: fn() -> Turn) -> Self {
        Self { name, operations, turns, prepare }
    }
}

/// Runs a program with these paths.
#[must_use]
pub fn run(paths: &[HotPath]) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [] => {
            for path in paths {
                println!("{} {}", path.name, path.turns * path.operations);
            }
            ExitCode::SUCCESS
        }
        [name, times] => match (paths.iter().find(|path| path.name == name), times.parse::<usize>()) {
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
