//! Golden outputs: each file of testdata/golden holds a command line, and what it printed.
//! `VXDUMP_BLESS=1` writes them anew.

use std::fs;

use vxtest::{files_below, in_process, root, words};

/// Runs a command line, split at spaces but for quotes; what it printed, in one text.
fn run(command: &str) -> String {
    let outcome = in_process(|out, err| {
        let mut terminal = vxdump::Terminal::of_streams("vxdump", out, err);
        vxdump::run(words(command), &mut terminal)
    });
    let printed = String::from_utf8(outcome.stdout).expect("output is UTF-8");
    let (status, said) = (outcome.status, outcome.stderr);
    format!("$ {command}\n{printed}--- stderr, status {status}\n{said}")
}

#[test]
fn as_recorded() {
    let bless = std::env::var_os("VXDUMP_BLESS").is_some();
    // the commands name files below the root of the workspace
    std::env::set_current_dir(root()).expect("the workspace's root");
    let files = files_below("testdata/golden".as_ref(), &["txt"]);
    assert!(files.len() >= 20, "only {} golden files", files.len());
    let mut different = Vec::new();
    for path in files {
        let recorded = fs::read_to_string(&path).expect("a golden file");
        let command =
            recorded.lines().next().and_then(|l| l.strip_prefix("$ ")).expect("`$ command`");
        let now = run(command);
        if now == recorded {
            continue;
        }
        if bless {
            fs::write(&path, now).expect("the golden file is written");
        } else {
            let line = recorded.lines().zip(now.lines()).position(|(a, b)| a != b);
            let line = line.unwrap_or_else(|| recorded.lines().count().min(now.lines().count()));
            different.push(format!(
                "{}:{}\n  recorded: {}\n  now:      {}",
                path.display(),
                line + 1,
                recorded.lines().nth(line).unwrap_or("(end)"),
                now.lines().nth(line).unwrap_or("(end)"),
            ));
        }
    }
    assert!(different.is_empty(), "{}\nVXDUMP_BLESS=1 records anew", different.join("\n"));
}
