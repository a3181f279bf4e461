//! What the command lines of `vxdump` and `vxrewrite` share: the options for names, tunnel ports
//! and selection, what is made of them, how failures are told, the progress bar, and the manual
//! page.
//!
//! This crate is internal to the two programs: it may change with every release.

#![forbid(unsafe_code)]

pub mod args;
mod compression;
mod failure;
pub mod man;
mod map_flags;
mod progress;
mod same_file;
mod select;
pub mod setup;
mod signals;
mod terminal;

pub use compression::compression;
pub use failure::Failure;
pub use progress::Progress;
pub use same_file::{is_same_file, refuse_same_file};
pub use select::{Selection, ends};
pub use signals::is_ignored;
pub use terminal::Terminal;

/// Prints what clap makes of a command line: help and version go to stdout with status 0, mistakes
/// to stderr with status 2. Where stdout cannot be written to, the status is 1.
pub fn refuse(error: &clap::Error, terminal: &mut Terminal) -> u8 {
    let text = error.render();
    let is_terminal =
        if error.use_stderr() { terminal.err_is_terminal } else { terminal.out_is_terminal };
    let text =
        if is_terminal && !terminal.no_color { text.ansi().to_string() } else { text.to_string() };
    if error.use_stderr() {
        // nobody is left to tell where stderr is closed
        let _ = terminal.err.write_all(text.as_bytes());
        return 2;
    }
    let printed = terminal.print(text.as_bytes());
    terminal.finish(printed)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;

    /// Refuses every byte.
    struct Refuses(io::ErrorKind);

    impl Write for Refuses {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn help_that_cannot_be_printed_has_status_1() {
        let asked = |words| clap::Command::new("x").try_get_matches_from(words).unwrap_err();
        for (words, kind, status) in [
            (["x", "--help"], io::ErrorKind::StorageFull, 1),
            (["x", "--help"], io::ErrorKind::BrokenPipe, 0),
            (["x", "--wrong"], io::ErrorKind::StorageFull, 2),
        ] {
            let mut terminal = Terminal::of_streams("x", Refuses(kind), Refuses(kind));
            assert_eq!(refuse(&asked(words), &mut terminal), status, "{words:?} {kind}");
        }
    }
}
