//! Why a map's source was refused.

use std::{fmt, io};

/// Why a file is no source of a map. Its `Display` names the file, the place in it, what stands
/// there and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The file could not be read.
    #[error("{file}: {cause}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is longer than [`MAX_FILE_LEN`](crate::MAX_FILE_LEN).
    #[error("{file}: longer than {limit} bytes, which no map is")]
    TooLong {
        /// The file.
        file: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// Nothing that a map can be read from.
    #[error("{file}: {what}")]
    Unrecognised {
        /// The file.
        file: String,
        /// What was there, and what is read.
        what: String,
    },
    /// The file breaks the rules of its format, or its content makes no sense.
    #[error("{file}{place}: {message}")]
    Content {
        /// The file.
        file: String,
        /// Where in the file.
        place: Place,
        /// What is wrong there.
        message: String,
    },
}

/// A place in a file: a line, a path in JSON or YAML, or both.
///
/// Printed so that it can follow a file name: `:12:3`, `: items[3].spec.podCIDR`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The line, from 1; 0 where it is not known.
    pub line: usize,
    /// The column in the line, from 1; 0 where it is not known.
    pub column: usize,
    /// The path, such as `items[3].spec.podCIDR`; empty where there is none.
    pub path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        Ok(())
    }
}

/// What is wrong at a place, before the file's name is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    pub(crate) message: String,
}

impl Fault {
    /// Something wrong in a line.
    pub(crate) fn line(line: usize, message: impl Into<String>) -> Self {
        Self { place: Place { line, ..Place::default() }, message: message.into() }
    }

    pub(crate) fn in_file(self, file: &str) -> MapError {
        MapError::Content { file: file.to_owned(), place: self.place, message: self.message }
    }
}

/// `text` in quotes, control characters escaped, and cut where it is long: error messages stay
/// readable whatever the file holds.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
