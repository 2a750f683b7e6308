//! The description of the machine.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use crate::options::Options;
use crate::server::Server;

/// Returns a paragraph on the machine, the compiler, the versions and the settings.
pub(crate) fn describe(options: &Options, servers: &[Server]) -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let gigabytes = memory.and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or_default() / 1024.0 / 1024.0;
    let pinned = match options.cores() {
        Some((server, load)) => format!("servers on processor {server}, the load generator on processor {load}"),
        None => "no processor affinity, as there is only one processor".to_owned(),
    };
    format!(
        "{model}, {cores} processors, {gigabytes:.0} GiB; Linux {}; {}, {}; commit {}; {pinned}.\n\
         {} rounds of {} s after {} s of warm-up{}.\n",
        kernel.trim(),
        first_line("rustc", &["--version"]),
        target(),
        first_line("git", &["describe", "--always", "--dirty"]),
        options.rounds,
        options.seconds,
        options.warmup,
        versions(servers)
    )
}

/// Returns the instruction set of the build.
fn target() -> &'static str {
    if cfg!(target_feature = "avx512f") {
        "built for AVX-512"
    } else if cfg!(target_feature = "avx2") {
        "built for AVX2"
    } else {
        "built for the baseline of the architecture"
    }
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Returns the versions of the other libraries, from the lock file.
fn versions(servers: &[Server]) -> String {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap_or_default();
    let newest = |package: &str| {
        let name = format!("name = \"{package}\"\nversion = \"");
        // If there are several versions, the newest is measured; the others are indirect
        // dependencies.
        let (_, rest) = lock.rsplit_once(&name)?;
        rest.split_once('"').map(|(version, _)| version)
    };
    let versions: Vec<String> = servers
        .iter()
        .filter_map(|server| server.package)
        .filter_map(|package| Some(format!("{package} {}", newest(package)?)))
        .collect();
    if versions.is_empty() { String::new() } else { format!("; {}", versions.join(", ")) }
}
