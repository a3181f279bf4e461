//! How a run ends when it does not end well.

use std::fmt;

/// Why a run ends early.
#[derive(Debug)]
pub enum Failure {
    /// The reader of stdout is gone: nothing is wrong.
    Closed,
    /// A command line that cannot be carried out: exit status 2.
    Usage(String),
    /// An error on the way: exit status 1.
    Error(String),
}

impl Failure {
    /// The exit status.
    pub const fn status(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Error(_) => 1,
            Self::Usage(_) => 2,
        }
    }

    /// A command line that cannot be carried out.
    pub fn usage(what: impl fmt::Display) -> Self {
        Self::Usage(what.to_string())
    }

    /// A capture file that cannot be opened: one that is not there is a mistake of the command
    /// line, one that is no capture is an error on the way.
    pub fn opening(error: vxcap::Error) -> Self {
        match error.cause() {
            vxcap::Error::Open(_) => Self::usage(error),
            _ => Self::error(error),
        }
    }

    /// Stdout cannot be written to; where its reader is gone, nothing is wrong.
    pub fn writing(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Error(format!("cannot write to stdout: {error}")),
        }
    }

    /// Neither a file nor a device is named. Who types `vxdump FILE` is told how to read it.
    ///
    /// `ways`: what the program can read from; `words`: the expression as typed.
    pub fn nothing_to_read(ways: &str, words: &[String]) -> Self {
        match words.first().filter(|word| std::path::Path::new(word).is_file()) {
            Some(file) => Self::usage(format_args!(
                "nothing to read: `{file}` was taken as a filter expression; to read it, give -r {file}"
            )),
            None => Self::usage(format_args!("nothing to read: give {ways} (see --help)")),
        }
    }

    /// An error on the way.
    pub fn error(what: impl fmt::Display) -> Self {
        Self::Error(what.to_string())
    }
}

impl From<vxcap::filter::Error> for Failure {
    fn from(error: vxcap::filter::Error) -> Self {
        Self::usage(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => Ok(()),
            Self::Usage(message) | Self::Error(message) => f.write_str(message),
        }
    }
}
