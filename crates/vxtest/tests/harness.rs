//! The harness itself.

use std::process::Stdio;

use vxtest::{Folder, Running, command, files_below, in_process, judge, output, run, tool, words};

/// Set in the child of a test.
const CHILD: &str = "VXTEST_CHILD";

#[test]
fn words_are_split_but_not_in_quotes() {
    assert_eq!(words("a  b 'c d' e"), ["a", "b", "c d", "e"]);
}

#[test]
fn both_streams_and_the_status_are_kept() {
    use std::io::Write as _;

    let outcome = in_process(|mut out, mut err| {
        out.write_all(b"printed").and(err.write_all(b"said")).map_or(1, |()| 7)
    });
    assert_eq!((outcome.status, outcome.stdout.as_slice()), (7, &b"printed"[..]));
    assert_eq!(outcome.stderr, "said");
}

#[test]
fn folders_go_away_with_their_files() {
    let folder = Folder::new();
    std::fs::create_dir(folder.file("inner")).unwrap();
    for name in ["inner/b.pcap", "a.pcap", "c.txt"] {
        std::fs::write(folder.file(name), "").unwrap();
    }
    assert_eq!(folder.names(), ["a.pcap", "c.txt", "inner"]);
    let found = files_below(folder.path(), &["pcap"]);
    assert_eq!(found, [folder.file("a.pcap"), folder.file("inner/b.pcap")]);
    let path = folder.path().to_owned();
    drop(folder);
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn a_process_is_read_as_it_comes() {
    let mut shell = command("sh");
    shell.args(["-c", "echo first; read line; echo $line >&2; exit 3"]).stdin(Stdio::piped());
    let running = Running::start(&mut shell);
    running.prints("a line", |printed| printed == "first\n");
    let (status, printed, said) = running.fed(|stdin| stdin_line(stdin, "second")).ended();
    assert_eq!((status.code(), printed.as_str(), said.as_str()), (Some(3), "first\n", "second\n"));
}

fn stdin_line(stdin: &mut impl std::io::Write, line: &str) -> std::io::Result<()> {
    writeln!(stdin, "{line}")
}

#[cfg(unix)]
#[test]
fn what_fails_or_warns_is_told() {
    let fails = |f: fn() -> String| std::panic::catch_unwind(f).is_err();
    assert_eq!(tool("echo", ["text"]), "text\n");
    assert!(fails(|| tool("false", [""; 0])));
    assert!(fails(|| judge("sh", ["-c", "echo a warning >&2"])));
    assert!(!run("no-such-program-anywhere", [""; 0]).status.success());
}

#[cfg(unix)]
#[test]
fn a_process_that_nobody_waits_for_is_ended() {
    let running = Running::start(command("sleep").arg("1000"));
    let id = running.id().to_string();
    drop(running);
    assert!(!run("kill", ["-0", &id]).status.success(), "it still runs");
}

/// Under nohup, in a shell's background or a service, signals may be ignored: children do not
/// inherit that.
#[cfg(target_os = "linux")]
#[test]
fn signals_have_their_default_actions() {
    use std::os::unix::process::ExitStatusExt as _;

    if std::env::var_os(CHILD).is_some() {
        for (name, number) in [("HUP", 1), ("INT", 2), ("TERM", 15)] {
            let mut shell = command("sh");
            shell.args(["-c", "echo up; exec sleep 1000"]);
            let mut sleep = Running::start(&mut shell);
            sleep.prints("its start", |printed| printed == "up\n");
            sleep.signal(name);
            assert_eq!(sleep.output().status.signal(), Some(number), "SIG{name}");
        }
        return;
    }
    let program = std::env::current_exe().unwrap();
    let mut shell = command("sh");
    shell.args(["-c", "trap '' HUP INT TERM; exec \"$0\" --exact \"$1\""]).arg(program);
    let output = output(shell.arg("signals_have_their_default_actions").env(CHILD, "yes"));
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}
