//! The streams a run talks to, handed in so that tests can run in-process.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::failure::Failure;

/// Output and error stream, and what is known of them.
pub struct Terminal {
    /// The program's name, in front of what it tells.
    pub program: &'static str,
    /// Where packets go.
    pub out: Box<dyn Write>,
    /// Where errors, warnings and counts are told.
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
    /// The streams of this process, which runs `program`.
    pub fn of_process(program: &'static str) -> Self {
        Self {
            program,
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            interrupted: Arc::default(),
            no_color: std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
        }
    }

    /// Streams that are no terminals: for tests.
    pub fn of_streams(
        program: &'static str,
        out: impl Write + 'static,
        err: impl Write + 'static,
    ) -> Self {
        Self {
            program,
            out: Box::new(out),
            err: Box::new(err),
            out_is_terminal: false,
            err_is_terminal: false,
            no_color: true,
            interrupted: Arc::default(),
        }
    }

    /// Tells something on the error stream, behind the program's name.
    pub fn tell(&mut self, message: impl std::fmt::Display) {
        // nobody is left to tell where stderr is closed
        let _ = writeln!(self.err, "{}: {message}", self.program);
    }

    /// Prints something on stdout, and makes sure that it arrives.
    ///
    /// # Errors
    ///
    /// As [`Failure::writing`].
    pub fn print(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(|e| Failure::writing(&e))
    }

    /// Tells what was damaged in the input, but for the last, which is the run's failure.
    ///
    /// # Errors
    ///
    /// [`Failure::Error`] where anything was damaged.
    pub fn tell_damage<E: std::fmt::Display>(&mut self, mut damage: Vec<E>) -> Result<(), Failure> {
        let Some(last) = damage.pop() else { return Ok(()) };
        for error in damage {
            self.tell(error);
        }
        Err(Failure::error(last))
    }

    /// The exit status of a run that ended so. What went wrong is told.
    pub fn finish(&mut self, result: Result<(), Failure>) -> u8 {
        let Err(failure) = result else { return 0 };
        if !matches!(failure, Failure::Closed) {
            self.tell(&failure);
        }
        failure.status()
    }
}
