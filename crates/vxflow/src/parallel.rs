//! A flow table by several threads, with the result of one. Tables made of parts of a file cannot
//! be merged exactly: who opened a flow, what was sent again, and which times belong together
//! depend on the packets before. So the parts are decoded side by side into summaries, one thread
//! at a time finds the flows of fragments, and each flow's summaries go, in the order of the file,
//! to the one table that owns the flow.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::config::Config;
use crate::parts::{Feeder, Part, Sorter};
use crate::record::{FlowRecord, TableCounts};
use crate::summarizer::Summarizer;
use crate::table::FlowTable;

/// Tables a thread: enough that a thread finds work when one of them is slow.
const SHARDS_A_THREAD: usize = 2;
/// Parts besides one a thread that may be decoded, or be waiting to be counted.
const AHEAD: u64 = 4;
/// Bytes that those parts have together about, at most.
const MOST_BYTES: usize = 48 << 20;
/// Bytes that a part is taken to have before one was seen.
const PART_BYTES: usize = 256 << 10;

/// The flows of a file, counted by several threads.
#[derive(Debug)]
pub struct Flows {
    tables: Vec<FlowTable>,
    not_ip: u64,
    cut: u64,
    tunnel_fragments: u64,
}

impl Flows {
    /// Ends all flows, as [`FlowTable::finish`].
    pub fn finish(self) -> impl Iterator<Item = FlowRecord> {
        self.tables.into_iter().flat_map(FlowTable::finish)
    }

    /// What was counted.
    pub fn counts(&self) -> TableCounts {
        let Self { not_ip, cut, tunnel_fragments, .. } = *self;
        let empty = TableCounts { not_ip, cut, tunnel_fragments, ..TableCounts::default() };
        self.tables.iter().map(FlowTable::counts).fold(empty, |sum, counts| TableCounts {
            packets: sum.packets + counts.packets,
            not_ip: sum.not_ip + counts.not_ip,
            cut: sum.cut + counts.cut,
            tunnel_fragments: sum.tunnel_fragments,
            flows: sum.flows + counts.flows,
            evicted: sum.evicted + counts.evicted,
            late: sum.late + counts.late,
        })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.tables.iter().map(FlowTable::heap_bytes).sum()
    }
}

/// Counts the flows of a file with `threads` threads. The records are those that one [`FlowTable`]
/// makes of the same packets, in another order, as long as no flow is evicted
/// ([`Config::max_flows`] is shared evenly among the tables).
///
/// - `read` fills a part with the next whole packets of the file, in order, and returns `false` at
///   the end of the file. One thread at a time calls it. Parts of a few hundred kilobytes work
///   well.
/// - `decode` decodes the packets of a part and feeds them, in order. All threads call it.
/// - `ended` takes the records of flows that end on the way.
///
/// An error of `read` or `decode` ends the counting. What comes before it in the file is counted,
/// and the error is returned with the flows.
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
    let tables = (0..shards)
        .map(|_| Mutex::new(FlowTable::fed_by(table_config.clone(), summarizer.fresh())));
    let work = Work {
        tables: tables.collect(),
        read: Mutex::new(read),
        decode,
        ended: Mutex::new(ended),
        state: Mutex::new(State::new(shards, Sorter::new(config, &summarizer))),
        news: Condvar::new(),
        window: threads as u64 + AHEAD,
    };
    std::thread::scope(|scope| {
        for thread in 1..threads {
            let (work, summarizer) = (&work, &summarizer);
            scope.spawn(move || work.run(summarizer, thread));
        }
        work.run(&summarizer, 0);
    });
    let state = work.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let tables = work.tables.into_iter();
    let tables = tables.map(|table| table.into_inner().unwrap_or_else(PoisonError::into_inner));
    let mut tables: Vec<_> = tables.collect();
    let tunnel_fragments = state.sorter.map_or(0, |mut sorter| {
        sorter.settle(&mut tables);
        sorter.tunnel_fragments
    });
    let flows = Flows { tables, not_ip: state.not_ip, cut: state.cut, tunnel_fragments };
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
    /// parts that were decoded, by their number, until they are sorted
    decoded: BTreeMap<u64, Part>,
    /// `None` while a thread sorts
    sorter: Option<Box<Sorter>>,
    /// parts that were sorted, in order, until all tables have counted them
    sorted: VecDeque<Arc<Part>>,
    /// parts that all tables have counted
    counted: u64,
    shards: Vec<Shard>,
    /// to be used again
    spare: Vec<Part>,
    /// bytes of the largest part
    largest: Option<usize>,
    not_ip: u64,
    cut: u64,
    /// the part in which it came up
    error: Option<(u64, E)>,
    /// a thread has panicked
    aborted: bool,
}

/// The part of the work that one table has.
#[derive(Clone, Copy, Default)]
struct Shard {
    /// parts that were counted
    done: u64,
    /// a thread counts
    busy: bool,
}

/// What a thread is to do next.
enum Task {
    Count(usize, Arc<Part>),
    Sort(Box<Sorter>, Part),
    Read(u64),
    Wait,
    Stop,
}

impl<E> State<E> {
    fn new(shards: usize, sorter: Sorter) -> Self {
        Self {
            begun: 0,
            reading: false,
            at_end: false,
            decoded: BTreeMap::new(),
            sorter: Some(Box::new(sorter)),
            sorted: VecDeque::new(),
            counted: 0,
            shards: vec![Shard::default(); shards],
            spare: Vec::new(),
            largest: None,
            not_ip: 0,
            cut: 0,
            error: None,
            aborted: false,
        }
    }

    /// `thread`: the number of the thread that asks.
    fn task(&mut self, window: u64, thread: usize) -> Task {
        if self.aborted {
            return Task::Stop;
        }
        if let Some(sorter) = self.sorter.take() {
            match self.part_to_sort() {
                Some(part) => return Task::Sort(sorter, part),
                None => self.sorter = Some(sorter),
            }
        }
        // each thread begins with the same tables, which its processor may still have in its caches
        let first = thread * SHARDS_A_THREAD % self.shards.len();
        let (others, own) = self.shards.split_at_mut(first);
        let shards = (first..).zip(own).chain((0..).zip(others));
        for (at, shard) in shards.filter(|(_, shard)| !shard.busy) {
            while let Some(part) = self.sorted.get((shard.done - self.counted) as usize) {
                if !part.is_empty_for(at) {
                    shard.busy = true;
                    return Task::Count(at, Arc::clone(part));
                }
                shard.done += 1;
            }
        }
        self.put_away();
        let ahead = self.begun - self.counted;
        let largest = self.largest.unwrap_or(PART_BYTES).max(1);
        let window = window.min((MOST_BYTES / largest) as u64).max(1);
        if !self.at_end && !self.reading && ahead < window {
            self.reading = true;
            self.begun += 1;
            return Task::Read(self.begun - 1);
        }
        if self.at_end && ahead == 0 { Task::Stop } else { Task::Wait }
    }

    /// Keeps a decoded part until it is sorted, and the first error in the order of the file.
    fn put_decoded(&mut self, number: u64, part: Part, decoded: Result<(), E>) {
        if let Err(error) = decoded {
            self.at_end = true;
            if self.error.as_ref().is_none_or(|(first, _)| number < *first) {
                self.error = Some((number, error));
            }
        }
        self.decoded.insert(number, part);
    }

    /// The next part in the order of the file, if it has fragments; parts without go on at once.
    fn part_to_sort(&mut self) -> Option<Part> {
        loop {
            let number = self.counted + self.sorted.len() as u64;
            let mut part = self.decoded.remove(&number)?;
            // all parts before have been decoded, so the first error among them is known
            if self.error.as_ref().is_some_and(|(first, _)| *first < number) {
                part.clear();
            }
            if part.has_fragments() {
                return Some(part);
            }
            self.sorted.push_back(Arc::new(part));
        }
    }

    /// Takes away parts that all tables have counted.
    fn put_away(&mut self) {
        let counted = self.shards.iter().map(|shard| shard.done).min().unwrap_or(self.counted);
        while self.counted < counted
            && let Some(part) = self.sorted.pop_front()
        {
            self.counted += 1;
            // no thread holds it any more
            let Some(mut part) = Arc::into_inner(part) else { continue };
            let bytes = part.heap_bytes();
            self.largest = Some(self.largest.map_or(bytes, |largest| largest.max(bytes)));
            if bytes.saturating_mul(self.spare.len() + 1) <= MOST_BYTES {
                part.clear();
                self.spare.push(part);
            }
        }
    }
}

impl<R, D, N, E> Work<R, D, N, E> {
    fn state(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<P: Default>(&self, summarizer: &Summarizer, thread: usize)
    where
        R: FnMut(&mut P) -> Result<bool, E>,
        D: Fn(&mut P, &mut Feeder) -> Result<(), E>,
        N: FnMut(FlowRecord),
    {
        let _guard = Guard(self);
        let mut taken = P::default();
        let shards = self.tables.len();
        let mut feeder = Feeder { summarizer: summarizer.fresh(), part: Part::default() };
        let mut state = self.state();
        loop {
            match state.task(self.window, thread) {
                Task::Count(shard, part) => {
                    drop(state);
                    self.count(shard, &part);
                    drop(part);
                    state = self.state();
                    state.shards[shard].busy = false;
                    state.shards[shard].done += 1;
                }
                Task::Sort(mut sorter, mut part) => {
                    drop(state);
                    sorter.sort(&mut part);
                    state = self.state();
                    state.sorter = Some(sorter);
                    state.sorted.push_back(Arc::new(part));
                }
                Task::Read(number) => {
                    let spare = state.spare.pop();
                    drop(state);
                    feeder.part = spare.unwrap_or_else(|| Part::new(shards));
                    state = self.read(number, &mut taken, &mut feeder);
                }
                Task::Wait => {
                    state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                Task::Stop => {
                    state.not_ip += feeder.summarizer.not_ip();
                    state.cut += feeder.summarizer.cut();
                    // that all is counted is also found out without a task
                    self.news.notify_all();
                    return;
                }
            }
            self.news.notify_all();
        }
    }

    /// Reads and decodes the part of this number. While it is decoded, another thread
    /// may read the next one.
    fn read<P>(&self, number: u64, taken: &mut P, feeder: &mut Feeder) -> MutexGuard<'_, State<E>>
    where
        R: FnMut(&mut P) -> Result<bool, E>,
        D: Fn(&mut P, &mut Feeder) -> Result<(), E>,
    {
        let read = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            (*read)(taken)
        };
        let mut state = self.state();
        state.reading = false;
        state.at_end |= !matches!(read, Ok(true));
        let decoded = match read {
            Ok(true) => {
                self.news.notify_all();
                drop(state);
                let decoded = (self.decode)(taken, feeder);
                state = self.state();
                decoded
            }
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        state.put_decoded(number, core::mem::take(&mut feeder.part), decoded);
        state
    }

    /// Lets a table count its part.
    fn count(&self, shard: usize, part: &Part)
    where
        N: FnMut(FlowRecord),
    {
        let mut table = self.tables[shard].lock().unwrap_or_else(PoisonError::into_inner);
        part.count(shard, &mut table);
        let mut records = table.ended().peekable();
        if records.peek().is_some() {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            records.for_each(&mut *ended);
        }
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
