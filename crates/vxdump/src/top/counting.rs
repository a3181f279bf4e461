//! Counts packets: the flow table and its sums, in a thread of their own, so that the capture does
//! not wait for them.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use podmap::PodMap;
use vxcap::live::Statistics;
use vxflow::{Config, ConnState, EndReason, FlowRecord, FlowTable, Summarizer, Summary};

use super::group::Group;
use super::rates::{Rates, sum};
use super::state::Snapshot;
use crate::flows::outcome::Trouble;
use crate::flows::sums::Sums;
use crate::input::clock::now;

/// How many refreshes the chart remembers: more than terminals are wide.
const HISTORY: usize = 1000;
/// A flow without an answer has failed only when it is this old, in nanoseconds. Before, the answer
/// may be on its way; a second SYN comes after one second.
const ANSWER_TIME: i64 = 3_000_000_000;

/// What the capture sends.
pub(super) enum Message {
    /// Packets, in order.
    Packets(Vec<Summary>),
    /// The map has changed.
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
    /// In the order of [`Group::ALL`].
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
            table: FlowTable::fed_by(config, summarizer),
            map,
            most,
            rates: Group::ALL.map(|_| Rates::new(most)),
            ended: empty(most),
            history: VecDeque::new(),
            statistics: Statistics::default(),
            gone: Vec::new(),
        }
    }

    /// Takes messages until there is nobody to send any, and puts a snapshot into `slot` every
    /// `interval`.
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
                // packets before the change count under the old names
                self.count();
                self.map = map;
                let live = sums(&self.table, &self.map, self.most, now().nanos());
                for (rates, live) in self.rates.iter_mut().zip(&live) {
                    rates.rename(live);
                }
            }
            Message::Statistics(statistics) => self.statistics = statistics,
            Message::Gone(what) => self.gone.push(what),
        }
    }

    fn collect_ended(&mut self) {
        let now = now().nanos();
        for flow in self.table.ended() {
            add(&mut self.ended, flow, &self.map, now);
        }
    }

    fn count(&mut self) {
        self.collect_ended();
        let live = sums(&self.table, &self.map, self.most, now().nanos());
        let ended = std::mem::replace(&mut self.ended, empty(self.most));
        for (rates, (live, ended)) in self.rates.iter_mut().zip(live.iter().zip(&ended)) {
            rates.count(live, ended);
        }
    }

    /// A snapshot. Its rates are over the time `since` the last one.
    pub(super) fn snapshot(&mut self, since: Duration) -> Snapshot {
        // flows time out even if no packets come
        self.table.expire(now().nanos());
        self.count();
        let rows = self.rates.each_mut().map(|rates| rates.rows(since));
        // each flow is in one network, and networks have the fewest rows
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

/// The sums of all flows in the table, at this time.
fn sums(table: &FlowTable, map: &PodMap, most: usize, now: i64) -> [Sums; 4] {
    let mut all = empty(most);
    for flow in table.iter() {
        add(&mut all, flow, map, now);
    }
    all
}

/// Adds a flow as it is known at this time.
fn add(all: &mut [Sums; 4], mut flow: FlowRecord, map: &PodMap, now: i64) {
    if may_be_answered(&flow, now) {
        // its outcome is not known yet, as if it had begun before the capture
        (flow.state, flow.exchange) = (ConnState::Oth, None);
    }
    for sums in all {
        sums.add(&flow, map);
    }
}

/// May this flow still be answered, because it is young? A flow that was evicted young never shows
/// how it ended.
fn may_be_answered(flow: &FlowRecord, now: i64) -> bool {
    matches!(flow.end, EndReason::Live | EndReason::Evicted)
        && now.saturating_sub(flow.first) < ANSWER_TIME
        && Trouble::of(flow) == Some(Trouble::Unanswered)
}

#[cfg(test)]
mod tests {
    use podmap::Builder;
    use vxflow::Seen;
    use vxlan::{LinkType, TcpFlags};

    use super::super::rates::Row;
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    struct Fed {
        counting: Counting,
        summarizer: Summarizer,
        /// Identification of the latest packet: with the same one, a packet is a copy.
        id: u16,
    }

    impl Fed {
        fn new() -> Self {
            let config = Config::default().max_flows(8).count_copies(false);
            let summarizer = Summarizer::new(&config);
            let map = Arc::new(Builder::new().build());
            let counting = Counting::new(config, summarizer.clone(), map);
            Self { counting, summarizer, id: 0 }
        }

        /// A SYN of 74 bytes, of 10.244.1.5 to 10.244.2.7, from this port.
        fn syn(&mut self, port: u16, time: i64) {
            self.syn_of(port, time, false);
        }

        /// The same, or with the addresses the other way round.
        fn syn_of(&mut self, port: u16, time: i64, is_turned: bool) {
            self.packet(port, time, [is_turned, false], TcpFlags::SYN);
        }

        /// An answer to it with these flags.
        fn answer(&mut self, port: u16, time: i64, flags: u16) {
            self.packet(port, time, [true, true], flags);
        }

        /// With the addresses, and the ports, as in the example or the other way round.
        fn packet(&mut self, port: u16, time: i64, is_turned: [bool; 2], flags: u16) {
            let mut frame = vxlan::example::SYN.to_vec();
            let plain = vxlan::decode(vxlan::example::SYN, LinkType::ETHERNET);
            let ip = frame.len() - plain.inner.bytes().len() + plain.inner.network_offset();
            self.id += 1;
            frame[ip + 4..ip + 6].copy_from_slice(&self.id.to_be_bytes());
            frame[ip + 20..ip + 22].copy_from_slice(&port.to_be_bytes());
            let [addresses_turned, ports_turned] = is_turned;
            if addresses_turned {
                let addresses: [u8; 8] = frame[ip + 12..ip + 20].try_into().unwrap();
                frame[ip + 12..ip + 16].copy_from_slice(&addresses[4..]);
                frame[ip + 16..ip + 20].copy_from_slice(&addresses[..4]);
            }
            if ports_turned {
                let ports: [u8; 4] = frame[ip + 20..ip + 24].try_into().unwrap();
                frame[ip + 20..ip + 22].copy_from_slice(&ports[2..]);
                frame[ip + 22..ip + 24].copy_from_slice(&ports[..2]);
            }
            frame[ip + 33] = flags.to_be_bytes()[1];
            let seen = Seen { time, interface: 0, wire_len: frame.len() as u32 };
            let mut batch = Vec::new();
            let packet = vxlan::decode(&frame, LinkType::ETHERNET);
            self.summarizer.summarize(&packet, seen, |summary| batch.push(summary));
            self.counting.take(Message::Packets(batch));
        }

        fn pods(&mut self, seconds: u64) -> Vec<Row> {
            let [pods, ..] = self.counting.snapshot(Duration::from_secs(seconds)).rows;
            pods
        }
    }

    #[test]
    fn rates_are_of_what_came_since_the_last_look() {
        let mut fed = Fed::new();
        let time = now().nanos();
        for n in 0..4 {
            fed.syn(1000 + n, time);
        }
        let rows = fed.pods(2);
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!(row.ends, ["10.244.1.5", "10.244.2.7"]);
        assert_eq!((row.bytes, row.packets, row.flows), ([148, 0], 2, 4));
        assert_eq!(row.total_bytes, 296);

        fed.syn(1000, time + SECOND);
        let rows = fed.pods(1);
        assert_eq!((rows[0].bytes, rows[0].packets, rows[0].flows), ([74, 0], 1, 4));
        assert_eq!(rows[0].retransmits, 1);
        let rows = fed.pods(1);
        assert_eq!((rows[0].bytes, rows[0].packets, rows[0].total_packets), ([0, 0], 0, 5));
    }

    /// Whatever the order of the addresses.
    #[test]
    fn a_pair_begins_with_who_opened_more_as_in_flows() {
        for is_turned in [false, true] {
            let mut fed = Fed::new();
            let time = now().nanos();
            let mut ends = ["10.244.1.5", "10.244.2.7"];
            if is_turned {
                ends.reverse();
            }
            // on a tie, the first flow's
            fed.syn_of(1000, time + 1, !is_turned);
            fed.syn_of(2000, time, is_turned);
            assert_eq!(fed.pods(1)[0].ends, ends);
            fed.syn_of(1001, time + 2, !is_turned);
            let row = &fed.pods(1)[0];
            assert_eq!((row.ends[0].as_str(), row.bytes), (ends[1], [74, 0]));
            fed.syn_of(2001, time + 3, is_turned);
            fed.syn_of(2002, time + 3, is_turned);
            assert_eq!(fed.pods(1)[0].ends, ends);
            // flows that have ended still count
            for n in 0..2 {
                fed.syn_of(3000 + n, time - 1000 * SECOND, !is_turned);
            }
            assert_eq!(fed.pods(1)[0].ends[0], ends[1]);
        }
    }

    #[test]
    fn flows_that_end_or_are_pushed_out_count_once() {
        let mut fed = Fed::new();
        let time = now().nanos();
        // it has long ended when it is looked at
        fed.syn(1000, time - 1000 * SECOND);
        let rows = fed.pods(1);
        assert_eq!((rows[0].packets, rows[0].flows, rows[0].total_packets), (1, 0, 1));
        // eight have room
        for n in 0..20 {
            fed.syn(2000 + n, time);
        }
        let rows = fed.pods(1);
        assert_eq!((rows[0].packets, rows[0].flows, rows[0].total_packets), (20, 8, 21));
        let rows = fed.pods(1);
        assert_eq!((rows[0].packets, rows[0].flows, rows[0].total_packets), (0, 8, 21));
    }

    /// A flow without an answer fails after a time, a refused one at once; neither counts twice
    /// when it ends.
    #[test]
    fn flows_fail_when_no_answer_can_be_hoped_for() {
        let mut fed = Fed::new();
        let time = now().nanos();
        // it has ended without an answer
        fed.syn(1000, time - 1000 * SECOND);
        let row = fed.pods(1).remove(0);
        assert_eq!((row.failed, row.flows), (1, 0));
        fed.syn(1001, time - 4 * SECOND);
        assert_eq!(fed.pods(1)[0].failed, 2);
        fed.syn(1002, time);
        assert_eq!(fed.pods(1)[0].failed, 2);
        fed.syn(1003, time);
        fed.answer(1003, time, TcpFlags::RST | TcpFlags::ACK);
        assert_eq!(fed.pods(1)[0].failed, 3);
        // a late answer is an answer
        fed.answer(1001, time, TcpFlags::SYN | TcpFlags::ACK);
        let snapshot = fed.counting.snapshot(Duration::from_secs(1));
        for rows in &snapshot.rows {
            assert_eq!(rows.iter().map(|row| row.failed).sum::<u64>(), 2, "{rows:?}");
        }
        // the flows that evict these, and are evicted, are too young
        for n in 0..20 {
            fed.syn(2000 + n, time);
        }
        let row = fed.pods(1).remove(0);
        assert_eq!((row.failed, row.flows), (2, 8));
    }

    #[test]
    fn a_pair_without_flows_is_forgotten_after_a_minute() {
        let mut fed = Fed::new();
        fed.syn(1000, now().nanos() - 1000 * SECOND);
        assert_eq!(fed.pods(1).len(), 1);
        assert_eq!(fed.pods(60).len(), 1);
        assert_eq!(fed.pods(1).len(), 0);
    }

    #[test]
    fn other_names_are_no_traffic() {
        let mut fed = Fed::new();
        let time = now().nanos();
        fed.syn(1000, time);
        fed.pods(1);
        fed.syn(1000, time + SECOND);
        let mut builder = Builder::new();
        builder.read_bytes("map", b"10.244.1.0/24 n1\n10.244.2.0/24 n2\n").unwrap();
        fed.counting.take(Message::Map(Arc::new(builder.build())));
        fed.syn(1000, time + 2 * SECOND);
        let nodes = fed.counting.snapshot(Duration::from_secs(1)).rows[1].clone();
        let named = nodes.iter().find(|row| row.ends == ["n1", "n2"]).unwrap();
        // one came under the old name, one under the new one
        assert_eq!((named.packets, named.total_packets, named.flows), (1, 3, 1));
        assert_eq!(nodes.iter().map(|row| row.packets).sum::<u64>(), 2);
    }

    #[test]
    fn all_kinds_of_pairs_have_the_same_sum() {
        let mut fed = Fed::new();
        let time = now().nanos();
        for n in 0..6 {
            fed.syn(1000 + n, time);
        }
        let snapshot = fed.counting.snapshot(Duration::from_secs(1));
        for rows in &snapshot.rows {
            assert_eq!(rows.iter().map(|row| sum(row.bytes)).sum::<u64>(), 6 * 74);
        }
        assert_eq!((snapshot.history, snapshot.packets), (vec![6 * 74], 6));
        assert_eq!((snapshot.total_packets, snapshot.flows), (6, 6));
    }
}
