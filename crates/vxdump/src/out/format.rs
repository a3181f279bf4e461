//! The forms of output that commands have in common.

use clap::ValueEnum;

/// How to print.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines of text.
    Text,
    /// One JSON object a line.
    Json,
    /// Comma-separated values, with a line of column names.
    Csv,
}
