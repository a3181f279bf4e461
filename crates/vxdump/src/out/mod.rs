//! What all commands print with: the output stream, numbers, times, and pieces of JSON and CSV.

pub(crate) mod csv;
pub(crate) mod format;
pub(crate) mod json;
pub(crate) mod numbers;
pub(crate) mod output;
pub(crate) mod put;
pub(crate) mod time_utc;
