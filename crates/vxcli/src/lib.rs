//! What the command lines of `vxdump` and `vxrewrite` share: the options for names, tunnel ports and selection, what is
//! made of them, how failures are told, and the progress bar.

#![forbid(unsafe_code)]

pub mod args;
mod failure;
mod progress;
mod select;
pub mod setup;
mod terminal;

pub use failure::Failure;
pub use progress::Progress;
pub use select::{Selection, ends};
pub use terminal::Terminal;
