//! Golden outputs: each file of testdata/golden holds a command line, and what it printed. `VXDUMP_BLESS=1` writes them
//! anew.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A stream that a test reads after the run.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).expect("output is UTF-8")
    }
}

/// Runs a command line, split at spaces but for quotes; what it printed, in one text.
fn run(command: &str) -> String {
    let (out, err) = (Kept::default(), Kept::default());
    let mut terminal = vxdump::Terminal::of_streams("vxdump", out.clone(), err.clone());
    let status = vxdump::run(words(command), &mut terminal);
    format!("$ {command}\n{}--- stderr, status {status}\n{}", out.text(), err.text())
}

fn words(command: &str) -> Vec<OsString> {
    let mut words = Vec::new();
    for (at, part) in command.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.into());
        } else {
            words.extend(part.split_whitespace().map(OsString::from));
        }
    }
    words
}

#[test]
fn as_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::env::set_current_dir(&root).expect("the workspace's root");
    let bless = std::env::var_os("VXDUMP_BLESS").is_some();
    let mut files: Vec<PathBuf> = fs::read_dir("testdata/golden")
        .expect("testdata/golden")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
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
