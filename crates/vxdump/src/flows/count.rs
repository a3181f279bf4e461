//! Counts the flows of files, with one thread or several.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use vxcap::file::{Piece, Pieces};
use vxcap::{Frame, FrameFlags};
use vxcli::{Failure, Progress};
use vxflow::{
    Config, Feeder, FlowRecord, FlowTable, Seen, Summarizer, Summary, TableCounts, in_parallel,
};
use vxlan::{LinkType, Packet};

use crate::input::files::Files;
use crate::input::wanted::Wanted;

/// How many packets are counted together, so that the table can load their flows ahead of time.
/// Their summaries fit the processor's first-level cache. After each batch the flows that ended are
/// taken from the table.
const BATCH: usize = 64;
/// Bytes of frames that a thread takes at a time, and the most frames among them.
const PART_BYTES: usize = 512 * 1024;
const PART_FRAMES: usize = 4096;

/// How frames are counted.
pub(crate) struct Job {
    pub(crate) config: Config,
    /// End after so many packets.
    pub(crate) most: u64,
    pub(crate) threads: NonZeroUsize,
}

impl Job {
    /// Counts the flows of all wanted frames of `files`. `ended` takes each flow when it ends.
    /// Damage stays with the files.
    pub(crate) fn run(
        &self,
        files: &mut Files,
        progress: &Progress,
        ended: &mut (dyn FnMut(FlowRecord) -> Result<(), Failure> + Send),
    ) -> Result<TableCounts, Failure> {
        if self.threads.get() == 1 || self.most != u64::MAX {
            return self.alone(files, progress, ended);
        }
        match files.source.pieces()? {
            Some(pieces) => self.in_pieces(&pieces, files, progress, ended),
            None => self.together(files, progress, ended),
        }
    }

    fn alone(
        &self,
        files: &mut Files,
        progress: &Progress,
        ended: &mut (dyn FnMut(FlowRecord) -> Result<(), Failure> + Send),
    ) -> Result<TableCounts, Failure> {
        let mut wanted = files.wanted()?;
        let Files { source, damage, .. } = files;
        let mut batch = Batch::new(FlowTable::new(self.config.clone()));
        let all = !wanted.is_any() && self.most == u64::MAX;
        let (mut number, mut selected) = (0_u64, 0_u64);
        while selected < self.most {
            if all {
                // the frames that are in memory, without other work between two of them
                let given = source.frames_at_hand(|mut frame| {
                    number += 1;
                    wanted.cut(&mut frame);
                    batch.frame(&frame);
                    match batch.is_full().then(|| batch.count_and_hand_out(ended)) {
                        Some(Err(failure)) => ControlFlow::Break(failure),
                        Some(Ok(())) | None => ControlFlow::Continue(()),
                    }
                });
                if let ControlFlow::Break(failure) = given {
                    return Err(failure);
                }
            }
            progress.packet(number, || source.progress());
            let mut frame = match source.next_frame_alone() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    damage.push(error);
                    continue;
                }
            };
            number += 1;
            wanted.cut(&mut frame);
            selected += u64::from(feed(&frame, &mut wanted, &mut batch)?);
            if batch.is_full() {
                batch.count_and_hand_out(ended)?;
            }
        }
        batch.count_and_hand_out(ended)?;
        let Batch { mut table, summarizer, .. } = batch;
        table.settle();
        let mut counts = table.counts();
        (counts.not_ip, counts.cut) = (summarizer.not_ip(), summarizer.cut());
        table.finish().try_for_each(&mut *ended)?;
        Ok(counts)
    }

    /// Several threads, of which one reads at a time.
    fn together(
        &self,
        files: &mut Files,
        progress: &Progress,
        ended: &mut (dyn FnMut(FlowRecord) -> Result<(), Failure> + Send),
    ) -> Result<TableCounts, Failure> {
        let all_wanted = self.each_wanted(files)?;
        let snaplen = files.snaplen;
        let Files { source, damage, .. } = files;
        let mut number = 0;
        let read = |part: &mut Part| -> Result<bool, Failure> {
            part.clear();
            while part.bytes.len() < PART_BYTES && part.frames.len() < PART_FRAMES {
                match source.next_frame_alone() {
                    Ok(Some(mut frame)) => {
                        snaplen.cut(&mut frame);
                        part.push(&frame);
                    }
                    Ok(None) => break,
                    Err(error) => damage.push(error),
                }
            }
            for _ in &part.frames {
                number += 1;
                progress.packet(number, || source.progress());
            }
            Ok(!part.frames.is_empty())
        };
        let feed_part = |part: &mut Part, wanted: &mut Wanted, feeder: &mut Feeder| {
            part.frames().try_for_each(|frame| feed(&frame, wanted, feeder).map(|_| ()))
        };
        self.shared(read, feed_part, all_wanted, ended)
    }

    /// Several threads that read side by side.
    fn in_pieces(
        &self,
        pieces: &Pieces,
        files: &mut Files,
        progress: &Progress,
        ended: &mut (dyn FnMut(FlowRecord) -> Result<(), Failure> + Send),
    ) -> Result<TableCounts, Failure> {
        let all_wanted = self.each_wanted(files)?;
        let mut numbers = 0..pieces.count();
        let packets = AtomicU64::new(0);
        let damage = Mutex::new(Vec::new());
        let read = |part: &mut (u64, Piece)| -> Result<bool, Failure> {
            let Some(number) = numbers.next() else { return Ok(false) };
            part.0 = number;
            let (len, before) = pieces.progress(number);
            progress.show(packets.load(Ordering::Relaxed), before, Some(len));
            Ok(true)
        };
        let feed_part = |part: &mut (u64, Piece), wanted: &mut Wanted, feeder: &mut Feeder| {
            let (number, piece) = part;
            if let Err(error) = pieces.read(*number, piece) {
                damage.lock().unwrap_or_else(PoisonError::into_inner).push(error);
            }
            let mut count = 0;
            let snaplen = wanted.snaplen;
            let mut frames = piece.frames().map(|mut frame| {
                count += 1;
                snaplen.cut(&mut frame);
                frame
            });
            let fed = if wanted.is_any() {
                frames.try_for_each(|frame| feed(&frame, wanted, feeder).map(|_| ()))
            } else {
                frames.for_each(|frame| feeder.frame(&frame));
                Ok(())
            };
            packets.fetch_add(count, Ordering::Relaxed);
            fed
        };
        let counts = self.shared(read, feed_part, all_wanted, ended)?;
        files.damage = damage.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(counts)
    }

    /// One selection for each thread. Expressions are compiled here.
    fn each_wanted(&self, files: &mut Files) -> Result<Vec<Wanted>, Failure> {
        (0..self.threads.get()).map(|_| files.wanted()).collect()
    }

    /// Lets several threads read parts and feed their frames.
    fn shared<P: Default + Send>(
        &self,
        read: impl FnMut(&mut P) -> Result<bool, Failure> + Send,
        feed: impl Fn(&mut P, &mut Wanted, &mut Feeder) -> Result<(), Failure> + Sync,
        all_wanted: Vec<Wanted>,
        ended: &mut (dyn FnMut(FlowRecord) -> Result<(), Failure> + Send),
    ) -> Result<TableCounts, Failure> {
        let all_wanted = Mutex::new(all_wanted);
        let decode = |part: &mut P, feeder: &mut Feeder| -> Result<(), Failure> {
            let taken = all_wanted.lock().unwrap_or_else(PoisonError::into_inner).pop();
            // there is one for each thread
            let Some(mut wanted) = taken else { return Ok(()) };
            let result = feed(part, &mut wanted, feeder);
            all_wanted.lock().unwrap_or_else(PoisonError::into_inner).push(wanted);
            result
        };
        let mut refused = None;
        let early = |record| {
            if refused.is_none() {
                refused = ended(record).err();
            }
        };
        let (flows, result) = in_parallel(&self.config, self.threads, read, decode, early);
        if let Some(failure) = refused {
            return Err(failure);
        }
        let counts = flows.counts();
        flows.finish().try_for_each(&mut *ended)?;
        result?;
        Ok(counts)
    }
}

/// Feeds a frame, which is already cut to the snapshot length, if it is wanted. Returns whether it
/// is.
#[inline]
fn feed(frame: &Frame<'_>, wanted: &mut Wanted, sink: &mut impl Sink) -> Result<bool, Failure> {
    if !wanted.is_any() {
        sink.frame(frame);
        return Ok(true);
    }
    let chosen = wanted.packet(frame)?;
    if let Some(packet) = &chosen {
        sink.packet(packet, seen(frame));
    }
    Ok(chosen.is_some())
}

/// Takes what is to be counted.
trait Sink {
    /// Takes a frame that nobody has decoded.
    fn frame(&mut self, frame: &Frame<'_>);
    /// Takes a packet.
    fn packet(&mut self, packet: &Packet<'_>, seen: Seen);
}

/// A table, and summaries that wait for it.
struct Batch {
    table: FlowTable,
    summarizer: Summarizer,
    summaries: Vec<Summary>,
}

impl Batch {
    fn new(table: FlowTable) -> Self {
        // a packet may have two summaries
        Self { summarizer: table.summarizer(), summaries: Vec::with_capacity(BATCH + 1), table }
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.summaries.len() >= BATCH
    }

    /// Counts the waiting summaries, and hands on the flows that have ended.
    #[inline]
    fn count_and_hand_out(
        &mut self,
        ended: &mut (dyn FnMut(FlowRecord) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        self.table.add_all(&self.summaries);
        self.summaries.clear();
        self.table.ended().try_for_each(ended)
    }
}

impl Sink for Batch {
    #[inline]
    fn frame(&mut self, frame: &Frame<'_>) {
        let Self { summarizer, summaries, .. } = self;
        let seen = seen(frame);
        summarizer.summarize_frame(frame.data, frame.link_type, seen, |s| summaries.push(s));
    }

    #[inline]
    fn packet(&mut self, packet: &Packet<'_>, seen: Seen) {
        let Self { summarizer, summaries, .. } = self;
        summarizer.summarize(packet, seen, |summary| summaries.push(summary));
    }
}

impl Sink for Feeder {
    #[inline]
    fn frame(&mut self, frame: &Frame<'_>) {
        self.push_frame(frame.data, frame.link_type, seen(frame));
    }

    #[inline]
    fn packet(&mut self, packet: &Packet<'_>, seen: Seen) {
        self.push(packet, seen);
    }
}

/// What the flow table needs to know of a frame besides the packet.
#[inline]
pub(crate) fn seen(frame: &Frame<'_>) -> Seen {
    Seen { time: frame.time.nanos(), interface: frame.interface, wire_len: frame.orig_len }
}

/// A few hundred kilobytes of frames, copied from the reader's block so that another thread can
/// decode them.
#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    frames: Vec<Stored>,
}

/// A frame but for its bytes.
struct Stored {
    end: usize,
    time: vxcap::Timestamp,
    orig_len: u32,
    interface: u32,
    link_type: LinkType,
}

impl Part {
    fn clear(&mut self) {
        self.bytes.clear();
        self.frames.clear();
    }

    #[inline]
    fn push(&mut self, frame: &Frame<'_>) {
        self.bytes.extend_from_slice(frame.data);
        let Frame { time, orig_len, interface, link_type, .. } = *frame;
        self.frames.push(Stored { end: self.bytes.len(), time, orig_len, interface, link_type });
    }

    fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut start = 0;
        self.frames.iter().map(move |stored| {
            let data = self.bytes.get(start..stored.end).unwrap_or_default();
            start = stored.end;
            let Stored { end: _, time, orig_len, interface, link_type } = *stored;
            Frame { time, link_type, interface, orig_len, data, flags: FrameFlags::default() }
        })
    }
}
