//! How far a run has come.

use std::ops::ControlFlow;

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Packets read so far.
    pub packets: u64,
    /// Bytes read so far, of compressed files as they are stored.
    pub read: u64,
    /// Bytes of all inputs, where that is known.
    pub total: Option<u64>,
}

/// Is told the progress now and then, and may end the run.
pub(crate) type Observer<'m> = Box<dyn FnMut(Progress) -> ControlFlow<()> + 'm>;
