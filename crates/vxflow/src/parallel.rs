//! A flow table by several threads, with the result of one.
//!
//! Tables made of parts of a file cannot be put together exactly: who opened a flow, what was sent again, which times
//! belong together depends on the packets before. So the parts are decoded side by side into summaries, and each flow's
//! summaries go, in the order of the file, to the one table that owns it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use vxlan::{LinkType, Packet};

use crate::config::Config;
use crate::digest::Summary;
use crate::record::{FlowRecord, TableCounts};
use crate::summarizer::{Seen, Summarizer};
use crate::table::FlowTable;

/// Tables a thread: enough that a thread finds work when one of them is slow.
const SHARDS_A_THREAD: usize = 2;
/// Parts a thread that may be decoded, or be waiting to be counted: bounds the memory.
const AHEAD: u64 = 2;

/// Takes the packets of one part, in order.
#[derive(Debug)]
pub struct Feeder {
    summarizer: Summarizer,
    batches: Vec<Vec<Summary>>,
}

impl Feeder {
    /// Takes in a packet.
    #[inline]
    pub fn push(&mut self, packet: &Packet<'_>, seen: Seen) {
        let Self { summarizer, batches } = self;
        summarizer.summarize(packet, seen, |summary| share_out(batches, summary));
    }

    /// Decodes a frame and takes in its packet: see [`Summarizer::summarize_frame`].
    #[inline]
    pub fn push_frame(&mut self, frame: &[u8], link_type: LinkType, seen: Seen) {
        let Self { summarizer, batches } = self;
        summarizer.summarize_frame(frame, link_type, seen, |summary| share_out(batches, summary));
    }
}

/// Gives a summary to the table that owns its flow, or to all.
#[inline]
fn share_out(batches: &mut [Vec<Summary>], summary: Summary) {
    let shards = batches.len();
    match summary.shard(shards) {
        Some(shard) => batches[shard].push(summary),
        None => batches.iter_mut().for_each(|batch| batch.push(summary)),
    }
}

/// The flows of a file that several threads have counted.
#[derive(Debug)]
pub struct Flows {
    tables: Vec<FlowTable>,
    not_ip: u64,
}

impl Flows {
    /// Ends all flows, as [`FlowTable::finish`].
    pub fn finish(self) -> impl Iterator<Item = FlowRecord> {
        self.tables.into_iter().flat_map(FlowTable::finish)
    }

    /// What was counted.
    pub fn counts(&self) -> TableCounts {
        let empty = TableCounts { not_ip: self.not_ip, ..TableCounts::default() };
        self.tables.iter().map(FlowTable::counts).fold(empty, |sum, counts| TableCounts {
            packets: sum.packets + counts.packets,
            not_ip: sum.not_ip + counts.not_ip,
            tunnel_fragments: sum.tunnel_fragments + counts.tunnel_fragments,
            flows: sum.flows + counts.flows,
            evicted: sum.evicted + counts.evicted,
        })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.tables.iter().map(FlowTable::heap_bytes).sum()
    }
}

/// Counts the flows of a file with `threads` threads; the records are those that one [`FlowTable`] makes of the same
/// packets, in some other order, as long as no flow is pushed out ([`Config::max_flows`] is shared evenly among
/// the tables).
///
/// - `read` fills a part with the next packets of the file, whole ones, in order, and returns `false` where there are none
///   any more. It is called by one thread at a time. Parts of some hundred kilobytes are good.
/// - `decode` decodes the packets of a part and feeds them, in order. It is called by all threads.
/// - `ended` takes the records of flows that end on the way.
///
/// An error of `read` or `decode` ends the counting. What came before it in the file is counted, and the error is
/// given beside the flows.
///
/// # Panics
///
/// Where `read`, `decode` or `ended` panics.
pub fn in_parallel<P, E>(
    config: &Config,
    threads: NonZeroUsize,
    read: impl FnMut(&mut P) -> Result<bool, E> + Send,
    decode: impl Fn(&mut P, &mut Feeder) -> Result<(), E> + Sync,
    ended: impl FnMut(FlowRecord) + Send,
) -> (Flows, Result<(), E>)
where
    P: Default + Send,
    E: Send,
{
    let threads = threads.get();
    let shards = if threads == 1 { 1 } else { threads * SHARDS_A_THREAD };
    let summarizer = Summarizer::new(config);
    let table_config =
        Config { max_flows: config.max_flows.div_ceil(shards).max(1), ..config.clone() };
    let tables = (0..shards).map(|shard| {
        let summarizer = summarizer.clone();
        Mutex::new(FlowTable::sharded(table_config.clone(), summarizer, shard, shards))
    });
    let work = Work {
        tables: tables.collect(),
        read: Mutex::new(read),
        decode,
        ended: Mutex::new(ended),
        state: Mutex::new(State::new(shards)),
        news: Condvar::new(),
        window: threads as u64 * AHEAD,
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| work.run(&summarizer));
        }
        work.run(&summarizer);
    });
    let state = work.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let tables = work.tables.into_iter();
    let tables = tables.map(|table| table.into_inner().unwrap_or_else(PoisonError::into_inner));
    let flows = Flows { tables: tables.collect(), not_ip: state.not_ip };
    (flows, state.error.map_or(Ok(()), |(_, error)| Err(error)))
}

/// What the threads share.
struct Work<R, D, N, E> {
    tables: Vec<Mutex<FlowTable>>,
    read: Mutex<R>,
    decode: D,
    ended: Mutex<N>,
    state: Mutex<State<E>>,
    /// the state has changed
    news: Condvar,
    /// parts between the first that is not yet counted and the last that is read
    window: u64,
}

/// Who does what.
struct State<E> {
    /// parts that were begun to be read
    begun: u64,
    /// a thread reads
    reading: bool,
    /// no further parts
    at_end: bool,
    shards: Vec<Shard>,
    /// batches to be used again
    spare: Vec<Vec<Summary>>,
    not_ip: u64,
    /// the part in which it came up
    error: Option<(u64, E)>,
    /// a thread has panicked
    aborted: bool,
}

/// The part of the work that one table has.
#[derive(Default)]
struct Shard {
    /// batches by their part
    waiting: BTreeMap<u64, Vec<Summary>>,
    /// parts that were counted
    done: u64,
    /// a thread counts
    busy: bool,
}

/// What a thread is to do next.
enum Task {
    Count(usize, Vec<Summary>),
    Read(u64),
    Wait,
    Stop,
}

impl<E> State<E> {
    fn new(shards: usize) -> Self {
        Self {
            begun: 0,
            reading: false,
            at_end: false,
            shards: (0..shards).map(|_| Shard::default()).collect(),
            spare: Vec::new(),
            not_ip: 0,
            error: None,
            aborted: false,
        }
    }

    fn task(&mut self, window: u64) -> Task {
        if self.aborted {
            return Task::Stop;
        }
        for (at, shard) in self.shards.iter_mut().enumerate().filter(|(_, shard)| !shard.busy) {
            if let Some(batch) = shard.waiting.remove(&shard.done) {
                shard.busy = true;
                return Task::Count(at, batch);
            }
        }
        let slowest = self.shards.iter().map(|shard| shard.done).min().unwrap_or(self.begun);
        if !self.at_end && !self.reading && self.begun - slowest < window {
            self.reading = true;
            self.begun += 1;
            return Task::Read(self.begun - 1);
        }
        if self.at_end && slowest == self.begun { Task::Stop } else { Task::Wait }
    }
}

impl<R, D, N, E> Work<R, D, N, E> {
    fn state(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<P: Default>(&self, summarizer: &Summarizer)
    where
        R: FnMut(&mut P) -> Result<bool, E>,
        D: Fn(&mut P, &mut Feeder) -> Result<(), E>,
        N: FnMut(FlowRecord),
    {
        let _guard = Guard(self);
        let mut part = P::default();
        let shards = self.tables.len();
        let mut feeder =
            Feeder { summarizer: summarizer.fresh(), batches: vec![Vec::new(); shards] };
        let mut state = self.state();
        loop {
            match state.task(self.window) {
                Task::Count(shard, batch) => {
                    drop(state);
                    let batch = self.count(shard, batch);
                    state = self.state();
                    state.spare.push(batch);
                    state.shards[shard].busy = false;
                    state.shards[shard].done += 1;
                }
                Task::Read(number) => {
                    drop(state);
                    let read = {
                        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
                        (*read)(&mut part)
                    };
                    state = self.state();
                    state.reading = false;
                    state.at_end |= !matches!(read, Ok(true));
                    let decoded = match read {
                        Ok(true) => {
                            self.news.notify_all();
                            drop(state);
                            let decoded = (self.decode)(&mut part, &mut feeder);
                            state = self.state();
                            decoded
                        }
                        Ok(false) => Ok(()),
                        Err(error) => Err(error),
                    };
                    Self::hand_over(&mut state, number, &mut feeder, decoded);
                }
                Task::Wait => {
                    state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                Task::Stop => {
                    state.not_ip += feeder.summarizer.not_ip();
                    return;
                }
            }
            self.news.notify_all();
        }
    }

    /// Gives the batches of a part to the tables.
    fn hand_over(state: &mut State<E>, number: u64, feeder: &mut Feeder, decoded: Result<(), E>) {
        if let Err(error) = decoded {
            state.at_end = true;
            if state.error.as_ref().is_none_or(|(first, _)| number < *first) {
                state.error = Some((number, error));
            }
        }
        // what comes after an error does not count: parts are counted in order, so none has been yet
        let counts = state.error.as_ref().is_none_or(|(first, _)| number <= *first);
        for (batch, shard) in feeder.batches.iter_mut().zip(&mut state.shards) {
            if !counts {
                batch.clear();
            }
            let spare = state.spare.pop().unwrap_or_default();
            shard.waiting.insert(number, core::mem::replace(batch, spare));
            if let Some((first, _)) = state.error {
                shard.waiting.range_mut(first + 1..).for_each(|(_, later)| later.clear());
            }
        }
    }

    /// Counts a batch, and gives it back empty.
    fn count(&self, shard: usize, mut batch: Vec<Summary>) -> Vec<Summary>
    where
        N: FnMut(FlowRecord),
    {
        let mut table = self.tables[shard].lock().unwrap_or_else(PoisonError::into_inner);
        table.add_all(&batch);
        let mut records = table.ended().peekable();
        if records.peek().is_some() {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            records.for_each(&mut *ended);
        }
        batch.clear();
        batch
    }
}

/// Lets the other threads stop where one panics.
struct Guard<'a, R, D, N, E>(&'a Work<R, D, N, E>);

impl<R, D, N, E> Drop for Guard<'_, R, D, N, E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().aborted = true;
            self.0.news.notify_all();
        }
    }
}
