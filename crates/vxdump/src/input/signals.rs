//! Signals that end a capture, or ask how it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use vxcli::{Failure, is_ignored};

/// Whether signals have asked for the end of the capture, or for a report.
pub(crate) struct Signals {
    stop: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
}

impl Signals {
    /// From now on SIGINT, SIGTERM and SIGHUP only say so here, and so does SIGUSR1. A SIGHUP that
    /// is ignored, as nohup(1) has it, stays so.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let signals = Self { stop: Arc::default(), report: Arc::default() };
        let stopping = [SIGINT, SIGTERM, SIGHUP].map(|signal| (signal, &signals.stop));
        let all = stopping.into_iter().chain([(SIGUSR1, &signals.report)]);
        for (signal, said) in all.filter(|&(signal, _)| signal != SIGHUP || !is_ignored(SIGHUP)) {
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

    /// What ends the capture when it is set, for others who may end it.
    pub(crate) fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Was it asked how it goes, since the last call?
    #[inline]
    pub(crate) fn report(&self) -> bool {
        self.report.load(Ordering::Relaxed) && self.report.swap(false, Ordering::Relaxed)
    }
}
