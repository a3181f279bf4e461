//! The capture: frames selected, decoded and handed on as summaries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SendError, SyncSender};
use std::time::{Duration, Instant};

use podmap::PodMap;
use vxcap::Frame;
use vxcli::{Failure, Selection};
use vxflow::{Seen, Summarizer, Summary};
use vxlan::Decoder;

use super::counting::Message;
use crate::input::following::Following;
use crate::input::signals::Signals;
use crate::input::taps::{Captured, Taps};
use crate::packets::live::{BATCH, WAIT};

/// Packets that are handed to the counting thread together.
pub(super) const TOGETHER: usize = 1024;
/// How often the counts of frames are told.
const TELL: Duration = Duration::from_millis(100);

/// What the capture works with.
pub(super) struct Capturing {
    pub(super) decoder: Decoder,
    pub(super) selection: Selection,
    pub(super) summarizer: Summarizer,
    pub(super) map: Arc<PodMap>,
    pub(super) following: Following,
    /// As much of each frame is taken into account.
    pub(super) snaplen: usize,
    /// After so many packets it ends.
    pub(super) most: u64,
    /// Packets so far.
    pub(super) selected: u64,
    pub(super) batch: Vec<Summary>,
    pub(super) sender: SyncSender<Message>,
    /// When the counts of frames were told.
    pub(super) told: Instant,
    /// What was told of devices that are gone.
    pub(super) gone: Vec<String>,
}

/// Why a capture ends before it is told to.
enum End {
    /// The counting thread is gone.
    NobodyCounts,
    /// An expression makes no sense for a link type.
    Failed(Failure),
}

impl<T> From<SendError<T>> for End {
    fn from(_: SendError<T>) -> Self {
        Self::NobodyCounts
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Capturing {
    /// Captures until a signal, the number of packets, the other threads or the end of all devices ends it.
    pub(super) fn run(
        &mut self,
        taps: &mut Taps,
        signals: &Signals,
        over: &AtomicBool,
    ) -> Result<(), Failure> {
        let end = |this: &Self| {
            signals.stop() || over.load(Ordering::Relaxed) || this.selected >= this.most
        };
        while !end(self) && !taps.is_over() {
            match self.round(taps) {
                Ok(()) => {}
                Err(End::NobodyCounts) => return Ok(()),
                Err(End::Failed(failure)) => return Err(failure),
            }
        }
        Ok(())
    }

    /// All devices once, and what else is to be done now and then.
    fn round(&mut self, taps: &mut Taps) -> Result<(), End> {
        if let Some(map) = self.following.changed() {
            self.selection.map_changed(&map);
            taps.map_changed(&mut self.selection, &map)?;
            self.map = Arc::new(map);
            // the packets before belong to the names before
            self.hand_on()?;
            self.sender.send(Message::Map(Arc::clone(&self.map)))?;
        }
        let mut came = false;
        for _ in 0..BATCH {
            match taps.next_frame() {
                Ok(Some(Captured { frame, .. })) => {
                    came = true;
                    self.frame(frame)?;
                    if self.selected >= self.most {
                        return self.hand_on();
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.gone.push(error.to_string());
                    self.sender.send(Message::Gone(error.to_string()))?;
                }
            }
        }
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            self.hand_on()?;
            self.sender.send(Message::Statistics(taps.statistics()))?;
        }
        if !came {
            self.hand_on()?;
            taps.wait(WAIT)?;
        }
        Ok(())
    }

    #[inline]
    fn frame(&mut self, mut frame: Frame<'_>) -> Result<(), End> {
        frame.data = frame.data.get(..self.snaplen).unwrap_or(frame.data);
        if !self.selection.wants_frame(&frame).map_err(Failure::from)? {
            return Ok(());
        }
        let packet = self.decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
        let inner_len = self.decoder.inner_wire_len(&packet, frame.orig_len);
        let (decoder, map) = (&self.decoder, &self.map);
        if !self
            .selection
            .wants_packet(&packet, decoder, map, inner_len, frame.interface)
            .map_err(Failure::from)?
        {
            return Ok(());
        }
        self.selected += 1;
        let seen =
            Seen { time: frame.time.nanos(), interface: frame.interface, wire_len: frame.orig_len };
        let batch = &mut self.batch;
        self.summarizer.summarize(&packet, seen, |summary| batch.push(summary));
        // a packet has two summaries at most: there is room for both
        if self.batch.len() + 2 > TOGETHER {
            self.hand_on()?;
        }
        Ok(())
    }

    /// Hands on the packets that are waiting.
    fn hand_on(&mut self) -> Result<(), End> {
        if !self.batch.is_empty() {
            let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(TOGETHER));
            self.sender.send(Message::Packets(batch))?;
        }
        Ok(())
    }
}
