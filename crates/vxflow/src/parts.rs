//! The summaries of one part of a file, by the table that owns them.

use vxlan::{LinkType, Packet};

use crate::config::Config;
use crate::digest::{Either, Summary};
use crate::fragments::{Fragments, Place};
use crate::key::Wide;
use crate::summarizer::{Seen, Summarizer};
use crate::table::FlowTable;

/// Takes the packets of one part, in order.
#[derive(Debug)]
pub struct Feeder {
    pub(crate) summarizer: Summarizer,
    pub(crate) part: Part,
}

impl Feeder {
    /// Takes in a packet.
    #[inline]
    pub fn push(&mut self, packet: &Packet<'_>, seen: Seen) {
        let Self { summarizer, part } = self;
        summarizer.summarize(packet, seen, |summary| part.push(summary));
    }

    /// Decodes a frame and takes in its packet: see [`Summarizer::summarize_frame`].
    #[inline]
    pub fn push_frame(&mut self, frame: &[u8], link_type: LinkType, seen: Seen) {
        let Self { summarizer, part } = self;
        summarizer.summarize_frame(frame, link_type, seen, |summary| part.push(summary));
    }
}

/// Summaries of one part.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// by table
    batches: Vec<Batch>,
    /// whose table is not known before all that comes before them in the file
    fragments: Vec<Summary>,
}

/// What one table gets of a part.
#[derive(Debug, Default)]
struct Batch {
    summaries: Vec<Summary>,
    /// Fragments of the part before the summary that was pushed last.
    passed: usize,
    /// Where `passed` grew, to what.
    steps: Vec<Step>,
    /// Fragments that belong to this table, each before the summary of this number.
    fragments: Vec<(usize, Summary)>,
}

/// From this summary of a batch on, so many fragments of the part came before.
#[derive(Debug)]
struct Step {
    summary: usize,
    passed: usize,
}

impl Part {
    pub(crate) fn new(tables: usize) -> Self {
        Self { batches: (0..tables).map(|_| Batch::default()).collect(), fragments: Vec::new() }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // else each summary is copied on its way
    fn push(&mut self, summary: Summary) {
        match summary.shard(self.batches.len()) {
            Some(table) => {
                let batch = &mut self.batches[table];
                if batch.passed != self.fragments.len() {
                    batch.step(self.fragments.len());
                }
                batch.summaries.push(summary);
            }
            None => self.fragments.push(summary),
        }
    }

    /// Is there nothing for this table?
    pub(crate) fn is_empty_for(&self, table: usize) -> bool {
        let batch = &self.batches[table];
        batch.summaries.is_empty() && batch.fragments.is_empty()
    }

    pub(crate) fn has_fragments(&self) -> bool {
        !self.fragments.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.fragments.clear();
        for batch in &mut self.batches {
            batch.summaries.clear();
            batch.steps.clear();
            batch.fragments.clear();
            batch.passed = 0;
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let batches = self.batches.iter().map(|batch| {
            size_of::<Batch>()
                + batch.summaries.capacity() * size_of::<Summary>()
                + batch.steps.capacity() * size_of::<Step>()
                + batch.fragments.capacity() * size_of::<(usize, Summary)>()
        });
        batches.sum::<usize>() + self.fragments.capacity() * size_of::<Summary>()
    }

    /// Lets a table count what is its own, in order.
    pub(crate) fn count(&self, table: usize, into: &mut FlowTable) {
        let batch = &self.batches[table];
        let mut counted = 0;
        for (before, fragment) in &batch.fragments {
            into.add_all(&batch.summaries[counted..*before]);
            into.add(fragment);
            counted = *before;
        }
        into.add_all(&batch.summaries[counted..]);
    }
}

impl Batch {
    #[cold]
    fn step(&mut self, passed: usize) {
        self.passed = passed;
        self.steps.push(Step { summary: self.summaries.len(), passed });
    }
}

/// Finds the tables of fragments, part by part in the order of the file: only so are all told apart
/// as by one table, with the work and the memory of one.
#[derive(Debug)]
pub(crate) struct Sorter {
    v4: Fragments<u32>,
    v6: Fragments<Wide>,
    summarizer: Summarizer,
    /// see [`TableCounts::tunnel_fragments`](crate::TableCounts::tunnel_fragments)
    pub(crate) tunnel_fragments: u64,
}

impl Sorter {
    pub(crate) fn new(config: &Config, summarizer: &Summarizer) -> Self {
        let (most, hasher) = (config.max_fragmented, summarizer.hasher());
        Self {
            v4: Fragments::new(most, hasher),
            v6: Fragments::new(most, hasher),
            summarizer: summarizer.fresh(),
            tunnel_fragments: 0,
        }
    }

    /// Gives the fragments of a part to their tables, with those that have waited for one of them.
    pub(crate) fn sort(&mut self, part: &mut Part) {
        let tables = part.batches.len();
        for (number, fragment) in part.fragments.drain(..).enumerate() {
            match &fragment.0 {
                Either::V4(digest) => self.v4.place(digest, self.summarizer.hasher()),
                Either::V6(digest) => self.v6.place(digest, self.summarizer.hasher()),
            }
            while let Some(summary) = self.settled() {
                let Some(table) = summary.shard(tables) else { continue };
                let batch = &mut part.batches[table];
                let later = batch.steps.partition_point(|step| step.passed <= number);
                let before =
                    batch.steps.get(later).map_or(batch.summaries.len(), |step| step.summary);
                batch.fragments.push((before, summary));
            }
        }
    }

    /// Gives those that still wait to `tables`: no further parts come.
    pub(crate) fn settle(&mut self, tables: &mut [FlowTable]) {
        self.v4.give_up_all();
        self.v6.give_up_all();
        while let Some(summary) = self.settled() {
            if let Some(table) = summary.shard(tables.len()) {
                tables[table].add(&summary);
            }
        }
    }

    /// The next fragment whose flow is known.
    fn settled(&mut self) -> Option<Summary> {
        loop {
            let v4 = self.v4.settled().map(|place| place.map(|digest| Summary(Either::V4(digest))));
            let next = v4.or_else(|| {
                self.v6.settled().map(|place| place.map(|digest| Summary(Either::V6(digest))))
            });
            match next? {
                Place::Flow(summary) => return Some(summary),
                Place::Carried => self.tunnel_fragments += 1,
            }
        }
    }
}
