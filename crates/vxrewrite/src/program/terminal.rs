//! The streams a run talks to, handed in so that tests can run in-process.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Output and error stream, and what is known of them.
pub struct Terminal {
    /// Where `-w -` writes to.
    pub out: Box<dyn Write>,
    /// Where errors and warnings are told.
    pub err: Box<dyn Write>,
    /// Is `out` a terminal?
    pub out_is_terminal: bool,
    /// Is `err` a terminal?
    pub err_is_terminal: bool,
    /// Are colours unwanted (`NO_COLOR`)?
    pub no_color: bool,
    /// Set from outside to end the run; what was begun is taken away.
    pub interrupted: Arc<AtomicBool>,
}

impl Terminal {
    /// The streams of this process.
    pub fn of_process() -> Self {
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            no_color: std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
            interrupted: Arc::default(),
        }
    }

    /// Tells something on the error stream, behind the program's name.
    pub fn tell(&mut self, message: impl std::fmt::Display) {
        // nobody is left to tell where stderr is closed
        let _ = writeln!(self.err, "vxrewrite: {message}");
    }
}
