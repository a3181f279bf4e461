//! Adds to the library's messages what to do about them: the library does not know the program's
//! options.

use std::io;
use std::path::Path;

use vxcli::Failure;

use crate::{Error, KeyError, Loss};

/// Why the run ended, and what to do.
pub(crate) fn failure(error: Error, out: &Path) -> Failure {
    let is_stdout = out.as_os_str() == "-";
    match &error {
        Error::Output(vxcap::Error::Io { source, .. }) => {
            if is_stdout && source.kind() == io::ErrorKind::BrokenPipe {
                return Failure::Closed;
            }
            let name = if is_stdout { "standard output".into() } else { out.display().to_string() };
            Failure::error(format_args!("cannot write to {name}: {source}"))
        }
        Error::Create { name, source } => {
            Failure::error(format_args!("cannot write to {name}: {source}"))
        }
        Error::NeedsPcapng { .. } => {
            Failure::usage(format_args!("{error}: write pcapng (-F pcapng)"))
        }
        Error::SecondLinkType { .. } | Error::FarTime { .. } => {
            Failure::error(format_args!("{error}: write pcapng (-F pcapng)"))
        }
        Error::TooManyOutputs { .. } => Failure::error(format_args!(
            "{error}: select fewer packets, or split by something coarser"
        )),
        _ => Failure::error(error),
    }
}

/// Why a key file is refused, and how to make one.
pub(crate) fn key_file(error: KeyError, file: &Path) -> Failure {
    let file = file.display();
    match error {
        KeyError::Length => Failure::usage(format_args!(
            "key file {file}: {error}; make one with `head -c 32 /dev/urandom > KEYFILE`"
        )),
        _ => Failure::usage(format_args!("key file {file}: {error}")),
    }
}

/// What was not kept, and which options keep it.
pub(crate) fn loss(loss: Loss, count: u64) -> String {
    match loss {
        Loss::Precision => {
            format!("{count} {loss}; -F nsecpcap and -F pcapng keep nanoseconds")
        }
        _ => format!("{count} {loss}"),
    }
}
