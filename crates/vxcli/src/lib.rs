//! What the command lines of `vxdump` and `vxrewrite` share: the options for names, tunnel ports and selection, what is
//! made of them, how failures are told, and the progress bar.

#![forbid(unsafe_code)]

pub mod args;
mod failure;
mod map_flags;
mod progress;
mod same_file;
mod select;
pub mod setup;
mod signals;
mod terminal;

pub use failure::Failure;
pub use progress::Progress;
pub use same_file::{is_same_file, refuse_same_file};
pub use select::{Selection, ends};
pub use signals::is_ignored;
pub use terminal::Terminal;

use std::io::Write;

/// Tells what clap makes of a command line: help and version go to stdout with status 0, mistakes to stderr with status 2.
pub fn refuse(error: &clap::Error, terminal: &mut Terminal) -> u8 {
    let (stream, styled) = if error.use_stderr() {
        (&mut terminal.err, terminal.err_is_terminal)
    } else {
        (&mut terminal.out, terminal.out_is_terminal)
    };
    let text = error.render();
    // nobody is left to tell where the stream is closed
    let _ = if styled && !terminal.no_color {
        write!(stream, "{}", text.ansi())
    } else {
        write!(stream, "{text}")
    };
    if error.use_stderr() { 2 } else { 0 }
}
