//! Signals that end a capture, or ask how it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use vxcli::Failure;

/// What signals have said.
pub(crate) struct Signals {
    stop: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
}

impl Signals {
    /// From now on SIGINT and SIGTERM only say so here, and so does SIGUSR1.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let signals = Self { stop: Arc::default(), report: Arc::default() };
        for (signal, said) in
            [(SIGINT, &signals.stop), (SIGTERM, &signals.stop), (SIGUSR1, &signals.report)]
        {
            flag::register(signal, Arc::clone(said))
                .map_err(|e| Failure::error(format_args!("cannot wait for signals: {e}")))?;
        }
        Ok(signals)
    }

    /// Shall the capture end?
    #[inline]
    pub(crate) fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Was it asked how it goes, since the last call?
    #[inline]
    pub(crate) fn report(&self) -> bool {
        self.report.load(Ordering::Relaxed) && self.report.swap(false, Ordering::Relaxed)
    }
}
