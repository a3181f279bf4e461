//! Programs that run inside the test.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::rc::Rc;

/// What a run gave.
pub struct Outcome {
    /// The exit status.
    pub status: u8,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// A stream that is read after the run.
#[derive(Clone, Default)]
pub struct Kept(Rc<RefCell<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a program that writes to the two streams, stdout and stderr, and gives its exit status.
pub fn in_process(program: impl FnOnce(Kept, Kept) -> u8) -> Outcome {
    let (out, err) = (Kept::default(), Kept::default());
    let status = program(out.clone(), err.clone());
    Outcome {
        status,
        stdout: out.0.take(),
        stderr: String::from_utf8_lossy(&err.0.take()).into_owned(),
    }
}

/// The words of a command line: split at spaces, but not between single quotes.
pub fn words(line: &str) -> Vec<OsString> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.into());
        } else {
            words.extend(part.split_whitespace().map(OsString::from));
        }
    }
    words
}
