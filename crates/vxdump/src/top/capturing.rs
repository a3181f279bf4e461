//! The capture: selects and decodes frames, and hands them on as summaries.

use std::sync::Arc;
use std::sync::mpsc::{SendError, SyncSender};
use std::time::{Duration, Instant};

use vxcap::live::{Error, Statistics};
use vxcli::Failure;
use vxflow::{Summarizer, Summary};

use super::counting::Message;
use crate::flows::seen;
use crate::input::capture::{Next, Watch};
use crate::input::devices;
use crate::input::following::Known;
use crate::input::taps::{DeviceFrame, Taps};
use crate::input::wanted::Wanted;

/// How many packets are handed to the counting thread at a time.
const TOGETHER: usize = 1024;
/// How often the capture's statistics are handed on.
const TELL: Duration = Duration::from_millis(100);

/// What the capture works with.
pub(super) struct Capturing {
    pub(super) wanted: Wanted,
    pub(super) summarizer: Summarizer,
    /// The capture ends after this many packets.
    pub(super) most: u64,
    /// Packets so far.
    pub(super) selected: u64,
    batch: Vec<Summary>,
    pub(super) sender: SyncSender<Message>,
    /// When the statistics were last handed on.
    told: Instant,
    /// Devices that went away, and why.
    pub(super) gone: Vec<Error>,
}

impl Capturing {
    pub(super) fn new(
        wanted: Wanted,
        summarizer: Summarizer,
        most: u64,
        sender: SyncSender<Message>,
    ) -> Self {
        Self {
            wanted,
            summarizer,
            most,
            selected: 0,
            batch: Vec::with_capacity(TOGETHER),
            sender,
            told: Instant::now(),
            gone: Vec::new(),
        }
    }

    /// Hands on the packets that are waiting.
    fn hand_on(&mut self) -> Result<(), SendError<Message>> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(TOGETHER));
        self.sender.send(Message::Packets(batch))
    }

    /// Hands on what is due.
    fn hand_on_in_turn(&mut self, taps: &mut Taps, came: bool) -> Result<(), SendError<Message>> {
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            self.hand_on()?;
            self.sender.send(Message::Statistics(taps.statistics()))?;
        }
        if came { Ok(()) } else { self.hand_on() }
    }
}

impl Watch for Capturing {
    fn wanted(&mut self) -> &mut Wanted {
        &mut self.wanted
    }

    #[inline]
    fn frame(&mut self, DeviceFrame { mut frame, .. }: DeviceFrame<'_>) -> Result<Next, Failure> {
        self.wanted.cut(&mut frame);
        let Some(packet) = self.wanted.packet(&frame)? else { return Ok(Next::Continue) };
        self.selected += 1;
        let batch = &mut self.batch;
        self.summarizer.summarize(&packet, seen(&frame), |summary| batch.push(summary));
        let is_last = self.selected >= self.most;
        // a packet has at most two summaries, and there is room for both
        if is_last || self.batch.len() + 2 > TOGETHER {
            return Ok(next(&self.hand_on(), is_last));
        }
        Ok(Next::Continue)
    }

    fn turn(&mut self, taps: &mut Taps, came: bool) -> Result<Next, Failure> {
        Ok(next(&self.hand_on_in_turn(taps, came), false))
    }

    fn map_changed(&mut self, known: &Known) {
        // packets before the change count under the old names; a counting thread that is gone is
        // noticed later
        let _ = self.hand_on();
        let _ = self.sender.send(Message::Map(Arc::clone(&known.map)));
    }

    fn report(&mut self, _: &Statistics) {
        // the screen shows them
    }

    fn lost(&mut self, error: Error) {
        let _ = self.sender.send(Message::Gone(devices::explained(&error)));
        self.gone.push(error);
    }
}

/// The capture ends after the last packet, or if the counting thread is gone.
fn next(sent: &Result<(), SendError<Message>>, is_last: bool) -> Next {
    if sent.is_err() || is_last { Next::Enough } else { Next::Continue }
}
