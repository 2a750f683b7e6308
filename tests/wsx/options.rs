//! Invalid options, and the help.

use crate::program::Wsx;
use crate::run::run;

#[test]
fn what_cannot_be_is_refused_before_anything_happens() {
    run(async || {
        let too_long = format!("1000:{}", "x".repeat(124));
        for args in [
            &["--close", "999:x"][..],
            &["--close", "1004"],
            &["--close", "1005:reason"],
            &["--close", "1006"],
            &["--close", "1015:x"],
            &["--close", "2999"],
            &["--close", "5000"],
            &["--close", "65536"],
            &["--close", "-1"],
            &["--close", "bye"],
            &["--close", ""],
            &["--close", &too_long],
            &["--wait", "-1"],
            &["--wait", "soon"],
            &["--wait", "nan"],
            &["--wait", "inf"],
            &["--count", "x"],
            &["--binary-size", "-1"],
            &["--ca", "file", "--insecure"],
            &["--cert", "file"],
            &["--key", "file"],
            &["--socks5", "localhost", "--proxy", "http://localhost"],
            #[cfg(unix)]
            &["--unix", "file", "--socks5", "localhost"],
            #[cfg(unix)]
            &["--unix", "file", "--proxy", "http://localhost"],
            &["--unknown"],
            &["another"],
            &["--send"],
        ] {
            let ended = Wsx::json("ws://127.0.0.1:1/").args(args.iter().copied()).run().await;
            assert_eq!((ended.status, ended.lines.len()), (Some(2), 0), "{args:?}: {ended:?}");
            assert!(ended.errors.starts_with("error: "), "{args:?}: {ended:?}");
        }
    });
}

#[test]
fn the_help_names_all_of_them() {
    run(async || {
        let ended = Wsx::plain("--help").run().await;
        assert_eq!((ended.status, &*ended.errors), (Some(0), ""));
        let help = ended.lines.join("\n");
        for option in [
            "--send <TEXT>",
            "--close <CODE:REASON>",
            "--wait <SECONDS>",
            "--json",
            "--binary",
            "--text <TEXT>",
            "--binary-size <N>",
            "--count <N>",
            "--deflate",
            "--protocols <A,B>",
            "--proxy <URL>",
            "--socks5 <[USER:PASSWORD@]HOST:PORT>",
            #[cfg(unix)]
            "--unix <PATH>",
            "--header <K: V>",
            "--ca <FILE>",
            "--cert <FILE>",
            "--key <FILE>",
            "--http2",
            "--insecure",
        ] {
            assert!(help.contains(option), "no {option} in\n{help}");
        }
    });
}
