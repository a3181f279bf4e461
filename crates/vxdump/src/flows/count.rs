//! From the frames of files to flows, by one thread or several.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use podmap::PodMap;
use vxcap::{Frame, FrameFlags};
use vxcli::{Failure, Progress, Selection};
use vxflow::{Config, FlowRecord, FlowTable, Seen, TableCounts, in_parallel};
use vxlan::{Decoder, LinkType, Packet};

use crate::source::{Captured, Source};

/// Records of flows that ended are taken from the table after so many packets.
const TAKE_EVERY: u64 = 4096;
/// Bytes of frames that a thread takes at a time, and the most frames among them.
const PART_BYTES: usize = 512 * 1024;
const PART_FRAMES: usize = 4096;

/// What frames are counted, and how.
pub(crate) struct Job<'a> {
    pub(crate) config: Config,
    pub(crate) map: &'a PodMap,
    /// At most so many bytes of each frame are looked at.
    pub(crate) snaplen: usize,
    /// End after so many packets.
    pub(crate) most: u64,
    pub(crate) threads: NonZeroUsize,
}

/// What was counted besides flows.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) counts: TableCounts,
    /// What is wrong with the input.
    pub(crate) damage: Vec<vxcap::Error>,
}

impl Job<'_> {
    /// Counts the flows of all frames of `source` that `select` makes a selection of. `ended` takes each flow as it ends.
    pub(crate) fn run(
        &self,
        source: &mut Source,
        progress: &Progress,
        select: &mut dyn FnMut() -> Result<Selection, Failure>,
        ended: &mut (dyn FnMut(FlowRecord) -> Result<(), Failure> + Send),
    ) -> Result<Counted, Failure> {
        if self.threads.get() == 1 || self.most != u64::MAX {
            self.alone(source, progress, select()?, ended)
        } else {
            self.together(source, progress, select, ended)
        }
    }

    fn alone(
        &self,
        source: &mut Source,
        progress: &Progress,
        mut selection: Selection,
        ended: &mut (dyn FnMut(FlowRecord) -> Result<(), Failure> + Send),
    ) -> Result<Counted, Failure> {
        let mut table = FlowTable::new(self.config.clone());
        let mut counted = Counted::default();
        let (mut number, mut selected) = (0_u64, 0_u64);
        while selected < self.most {
            progress.packet(number, || source.progress());
            let frame = match source.next_frame() {
                Ok(Some(Captured { frame, .. })) => self.cut(frame),
                Ok(None) => break,
                Err(error) => {
                    counted.damage.push(error);
                    continue;
                }
            };
            number += 1;
            let seen = seen(&frame);
            if let Some(packet) = chosen(&frame, &mut selection, &self.config.decoder, self.map)? {
                selected += 1;
                table.push(&packet, seen);
            }
            if number.is_multiple_of(TAKE_EVERY) {
                table.ended().try_for_each(&mut *ended)?;
            }
        }
        counted.counts = table.counts();
        table.ended().try_for_each(&mut *ended)?;
        table.finish().try_for_each(&mut *ended)?;
        Ok(counted)
    }

    fn together(
        &self,
        source: &mut Source,
        progress: &Progress,
        select: &mut dyn FnMut() -> Result<Selection, Failure>,
        ended: &mut (dyn FnMut(FlowRecord) -> Result<(), Failure> + Send),
    ) -> Result<Counted, Failure> {
        // expressions are compiled here, one selection for each thread
        let selections = (0..self.threads.get()).map(|_| select());
        let selections = Mutex::new(selections.collect::<Result<Vec<_>, _>>()?);
        let number = AtomicU64::new(0);
        let mut damage = Vec::new();
        let mut refused = None;
        let read = |part: &mut Part| -> Result<bool, Failure> {
            part.clear();
            while part.bytes.len() < PART_BYTES && part.frames.len() < PART_FRAMES {
                match source.next_frame() {
                    Ok(Some(Captured { frame, .. })) => part.push(&self.cut(frame)),
                    Ok(None) => break,
                    Err(error) => damage.push(error),
                }
            }
            let before = number.fetch_add(part.frames.len() as u64, Ordering::Relaxed);
            for number in before..before + part.frames.len() as u64 {
                progress.packet(number, || source.progress());
            }
            Ok(!part.frames.is_empty())
        };
        let decode = |part: &mut Part, feeder: &mut vxflow::Feeder| -> Result<(), Failure> {
            let taken = selections.lock().unwrap_or_else(PoisonError::into_inner).pop();
            // there are as many as threads
            let Some(mut selection) = taken else { return Ok(()) };
            let result = part.frames().try_for_each(|frame| {
                let chosen = chosen(&frame, &mut selection, &self.config.decoder, self.map)?;
                if let Some(packet) = chosen {
                    feeder.push(&packet, seen(&frame));
                }
                Ok(())
            });
            selections.lock().unwrap_or_else(PoisonError::into_inner).push(selection);
            result
        };
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
        Ok(Counted { counts, damage })
    }

    /// `-s` cuts what is decoded.
    #[inline]
    fn cut<'f>(&self, mut frame: Frame<'f>) -> Frame<'f> {
        frame.data = frame.data.get(..self.snaplen).unwrap_or(frame.data);
        frame
    }
}

#[inline]
fn seen(frame: &Frame<'_>) -> Seen {
    Seen { time: frame.time.nanos(), interface: frame.interface, wire_len: frame.orig_len }
}

/// The decoded packet, if it is wanted.
#[inline]
pub(crate) fn chosen<'f>(
    frame: &Frame<'f>,
    selection: &mut Selection,
    decoder: &Decoder,
    map: &PodMap,
) -> Result<Option<Packet<'f>>, Failure> {
    if !selection.wants_frame(frame)? {
        return Ok(None);
    }
    let packet = decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
    if !selection.looks_inside() {
        return Ok(Some(packet));
    }
    // of a first fragment only what this frame carried
    let inner_len = decoder.innermost_tunnel(&packet).map_or(frame.orig_len, |tunnel| {
        let carried = frame.orig_len.saturating_sub(tunnel.payload_offset());
        tunnel.payload_wire_len().min(carried)
    });
    let wanted = selection.wants_packet(&packet, decoder, map, inner_len, frame.interface)?;
    Ok(wanted.then_some(packet))
}

/// Some hundred kilobytes of frames, copied out of the reader's block so that another thread can decode them.
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
