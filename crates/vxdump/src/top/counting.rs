//! From packets to what is shown: the flow table and its sums, in a thread of their own, so that the capture waits for
//! neither.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use podmap::PodMap;
use vxcap::live::Statistics;
use vxflow::{Config, FlowTable, Summarizer, Summary};

use super::rates::Rates;
use super::state::{Group, Snapshot, sum};
use crate::flows::sums::Sums;

/// As many refreshes are remembered for the chart: more than terminals are wide.
const HISTORY: usize = 1000;

/// What the capture tells.
pub(super) enum Message {
    /// Packets, in order.
    Packets(Vec<Summary>),
    /// The map is another one now.
    Map(Arc<PodMap>),
    /// How many frames there were, and how many were lost.
    Statistics(Statistics),
    /// A device is gone.
    Gone(String),
}

/// The newest snapshot that nobody has taken yet.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Snapshot>>>);

impl Slot {
    fn put(&self, snapshot: Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    /// Takes it.
    pub(super) fn take(&self) -> Option<Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A flow table, and the pairs that its flows make.
pub(super) struct Counting {
    table: FlowTable,
    map: Arc<PodMap>,
    most: usize,
    /// As [`Group::ALL`].
    rates: [Rates; 4],
    /// Sums of flows that have left the table since they were counted.
    ended: [Sums; 4],
    history: VecDeque<u64>,
    statistics: Statistics,
    gone: Vec<String>,
}

impl Counting {
    pub(super) fn new(config: Config, summarizer: Summarizer, map: Arc<PodMap>) -> Self {
        let most = config.max_flows;
        Self {
            table: FlowTable::sharded(config, summarizer, 0, 1),
            map,
            most,
            rates: Group::ALL.map(|_| Rates::new(most)),
            ended: empty(most),
            history: VecDeque::new(),
            statistics: Statistics::default(),
            gone: Vec::new(),
        }
    }

    /// Takes messages until there is nobody to send any, and puts a snapshot into `slot` every `interval`.
    pub(super) fn run(mut self, messages: &Receiver<Message>, slot: &Slot, interval: Duration) {
        let mut last = Instant::now();
        loop {
            let wait = interval.saturating_sub(last.elapsed());
            match messages.recv_timeout(wait) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let since = last.elapsed();
            if since >= interval {
                last = Instant::now();
                slot.put(self.snapshot(since));
            }
        }
    }

    /// Takes a message.
    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Packets(packets) => {
                self.table.add_all(&packets);
                self.collect_ended();
            }
            Message::Map(map) => {
                // what came until now came under the old names
                self.count();
                self.map = map;
                for (rates, live) in
                    self.rates.iter_mut().zip(&sums(&self.table, &self.map, self.most))
                {
                    rates.rename(live);
                }
            }
            Message::Statistics(statistics) => self.statistics = statistics,
            Message::Gone(what) => self.gone.push(what),
        }
    }

    fn collect_ended(&mut self) {
        for flow in self.table.ended() {
            for sums in &mut self.ended {
                sums.add(&flow, &self.map);
            }
        }
    }

    fn count(&mut self) {
        self.collect_ended();
        let live = sums(&self.table, &self.map, self.most);
        let ended = std::mem::replace(&mut self.ended, empty(self.most));
        for (rates, (live, ended)) in self.rates.iter_mut().zip(live.iter().zip(&ended)) {
            rates.count(live, ended);
        }
    }

    /// What is there now; what came in the time `since` the last snapshot as rates.
    pub(super) fn snapshot(&mut self, since: Duration) -> Snapshot {
        // flows end by time even where nothing comes any more
        self.table.expire(jiff::Timestamp::now().as_nanosecond().try_into().unwrap_or(i64::MAX));
        self.count();
        let rows = self.rates.each_mut().map(|rates| rates.rows(since));
        // the networks: the fewest rows that have all flows
        let networks = rows.get(2).map_or(&[][..], Vec::as_slice);
        let bytes = networks.iter().map(|row| sum(row.bytes)).fold(0, u64::saturating_add);
        let packets = networks.iter().map(|row| row.packets).fold(0, u64::saturating_add);
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(bytes);
        let counts = self.table.counts();
        Snapshot {
            rows,
            history: self.history.iter().copied().collect(),
            packets,
            total_packets: counts.packets,
            flows: self.table.len() as u64,
            evicted: counts.evicted,
            statistics: self.statistics,
            gone: self.gone.clone(),
        }
    }
}

fn empty(most: usize) -> [Sums; 4] {
    Group::ALL.map(|group| Sums::at_most(group.by(), most))
}

/// The sums of all flows in the table.
fn sums(table: &FlowTable, map: &PodMap, most: usize) -> [Sums; 4] {
    let mut all = empty(most);
    for flow in table.iter() {
        for sums in &mut all {
            sums.add(&flow, map);
        }
    }
    all
}
