//! Counters of all flows so far by pair of nodes and network, in Prometheus' text format 0.0.4.

use std::collections::HashMap;
use std::fmt::Write as _;

use foldhash::fast::RandomState;
use podmap::PodMap;
use vxflow::{Counts, FlowRecord};
use vxlan::Vni;

use super::ends::{End, Names, node_ends};
use super::outcome::{Failed, Trouble};

/// The most series. Everything beyond has `other` in all labels.
const MOST: usize = 1000;
/// Upper limits of the histogram's buckets, in seconds.
const BUCKETS: [f64; 13] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// From which node to which, and in which network.
type Key = ([End; 2], Option<Vni>);

/// Counters of flows.
#[derive(Default)]
pub(super) struct Totals {
    places: HashMap<Key, usize, RandomState>,
    keys: Vec<Key>,
    series: Vec<Total>,
    /// their values when they were last written
    written: Vec<Total>,
    names: Names,
}

/// Name, meaning and value of a counter.
type Counter = (&'static str, &'static str, fn(&Total) -> u64);

/// The counters of one direction between two nodes.
#[derive(Clone, Copy, Default)]
struct Total {
    packets: u64,
    bytes: u64,
    retransmits: u64,
    /// flows that the first node opened
    flows: u64,
    /// of these, those that have ended, by how they failed
    failed: Failed,
    /// of these, by bucket; the last number counts those beyond all buckets
    rtt: [u64; BUCKETS.len() + 1],
    /// all together, in nanoseconds
    rtt_sum: i128,
}

impl Total {
    /// The larger of each two numbers.
    fn most(&self, other: &Self) -> Self {
        Self {
            packets: self.packets.max(other.packets),
            bytes: self.bytes.max(other.bytes),
            retransmits: self.retransmits.max(other.retransmits),
            flows: self.flows.max(other.flows),
            failed: Failed {
                unanswered: self.failed.unanswered.max(other.failed.unanswered),
                rejected: self.failed.rejected.max(other.failed.rejected),
                resets: self.failed.resets.max(other.failed.resets),
            },
            rtt: std::array::from_fn(|at| self.rtt[at].max(other.rtt[at])),
            rtt_sum: self.rtt_sum.max(other.rtt_sum),
        }
    }
}

impl Totals {
    /// Adds a flow that has ended.
    pub(super) fn add(&mut self, flow: &FlowRecord, map: &PodMap) {
        let places = self.places_of(flow, map);
        count(&mut self.series, places, flow);
        // only flows that have ended count as failed: others may still be answered, and counters
        // must not fall
        let Some(total) = self.series.get_mut(places[0]) else { return };
        total.failed.add(Trouble::of(flow));
    }

    /// The series of a flow's two directions. A series is never removed, so that counters never
    /// fall.
    fn places_of(&mut self, flow: &FlowRecord, map: &PodMap) -> [usize; 2] {
        let [from, to] = node_ends(flow, map, &mut self.names);
        let vni = flow.key.vni;
        let there = self.place(([from.clone(), to.clone()], vni));
        // a direction without packets needs no series
        let back = if flow.reverse.packets > 0 { self.place(([to, from], vni)) } else { there };
        [there, back]
    }

    fn place(&mut self, key: Key) -> usize {
        if let Some(&place) = self.places.get(&key) {
            return place;
        }
        let key = if self.keys.len() >= MOST { ([End::Other, End::Other], None) } else { key };
        if let Some(&place) = self.places.get(&key) {
            return place;
        }
        let place = self.keys.len();
        self.keys.push(key.clone());
        self.series.push(Total::default());
        self.places.insert(key, place);
        place
    }

    /// Writes the counters, including flows that continue.
    pub(super) fn write(
        &mut self,
        text: &mut String,
        live: impl Iterator<Item = FlowRecord>,
        map: &PodMap,
    ) {
        let ended = self.series.clone();
        for flow in live {
            let places = self.places_of(&flow, map);
            count(&mut self.series, places, &flow);
        }
        let all = std::mem::replace(&mut self.series, ended);
        // series that are new, from flows that continue
        self.series.resize(all.len(), Total::default());
        // a new map or a late SYN may move a continuing flow to another series; no counter may fall
        // then
        self.written.resize(all.len(), Total::default());
        for (written, now) in self.written.iter_mut().zip(all) {
            *written = written.most(&now);
        }
        let all = &self.written;
        let labels: Vec<String> = self.keys.iter().map(labels).collect();
        let counters: [Counter; 7] = [
            ("bytes_total", "Bytes of inner frames from one node to another.", |t| t.bytes),
            ("packets_total", "Inner packets from one node to another.", |t| t.packets),
            ("flows_total", "Flows that the source node opened.", |t| t.flows),
            (
                "flows_unanswered_total",
                "Flows that the source node opened and nobody answered, once they are over.",
                |t| t.failed.unanswered,
            ),
            (
                "flows_rejected_total",
                "Flows that the source node opened and a reset or an ICMP error refused, once they are over.",
                |t| t.failed.rejected,
            ),
            (
                "flows_reset_total",
                "Flows that the source node opened and a reset ended, once they are over.",
                |t| t.failed.resets,
            ),
            ("tcp_retransmissions_total", "TCP segments sent again.", |t| t.retransmits),
        ];
        for (name, help, value) in counters {
            head(text, name, help, "counter");
            for (labels, total) in labels.iter().zip(all) {
                let _ = writeln!(text, "vxdump_{name}{{{labels}}} {}", value(total));
            }
        }
        histogram(text, &labels, all);
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP vxdump_{name} {help}\n# TYPE vxdump_{name} {kind}");
}

fn histogram(text: &mut String, labels: &[String], all: &[Total]) {
    head(
        text,
        "rtt_seconds",
        "Round-trip times of flows that the source node opened.",
        "histogram",
    );
    for (labels, total) in labels.iter().zip(all) {
        let mut count = 0;
        if total.rtt.iter().all(|&bucket| bucket == 0) {
            continue;
        }
        let limits = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (limit, bucket) in limits.zip(&total.rtt) {
            count += bucket;
            let _ = writeln!(text, "vxdump_rtt_seconds_bucket{{{labels},le=\"{limit}\"}} {count}");
        }
        let (seconds, nanos) = (total.rtt_sum / 1_000_000_000, total.rtt_sum % 1_000_000_000);
        let _ = writeln!(text, "vxdump_rtt_seconds_sum{{{labels}}} {seconds}.{nanos:09}");
        let _ = writeln!(text, "vxdump_rtt_seconds_count{{{labels}}} {count}");
    }
}

fn count(totals: &mut [Total], [there, back]: [usize; 2], flow: &FlowRecord) {
    let mut direction = |place: usize, counts: &Counts| {
        if let Some(total) = totals.get_mut(place) {
            total.packets += counts.packets;
            total.bytes += counts.bytes;
            total.retransmits += u64::from(counts.retransmits);
        }
    };
    direction(there, &flow.forward);
    direction(back, &flow.reverse);
    let Some(total) = totals.get_mut(there) else { return };
    total.flows += 1;
    // negative times are not round trips
    if let Some(rtt) = flow.rtt().filter(|&rtt| rtt >= 0) {
        let seconds = std::time::Duration::from_nanos(rtt.unsigned_abs()).as_secs_f64();
        let bucket = BUCKETS.iter().position(|&limit| seconds <= limit).unwrap_or(BUCKETS.len());
        if let Some(bucket) = total.rtt.get_mut(bucket) {
            *bucket += 1;
        }
        total.rtt_sum += i128::from(rtt);
    }
}

fn labels((ends, vni): &Key) -> String {
    let [from, to] = ends.each_ref().map(|end| match end {
        End::Other => "other".to_owned(),
        end => escaped(&end.label()),
    });
    let vni = match (vni, &ends[0]) {
        (_, End::Other) => "other".to_owned(),
        (Some(vni), _) => vni.number().to_string(),
        (None, _) => String::new(),
    };
    format!("src_node=\"{from}\",dst_node=\"{to}\",vni=\"{vni}\"")
}

/// A label's value: backslash, quote and newline escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use vxflow::{ConnState, FlowTable, Seen};

    use super::*;

    fn flow() -> FlowRecord {
        let frame = vxlan::example::SYN;
        let mut table = FlowTable::default();
        let seen = Seen { time: 0, interface: 0, wire_len: frame.len() as u32 };
        table.push(&vxlan::decode(frame, vxlan::LinkType::ETHERNET), seen);
        table.finish().next().unwrap()
    }

    fn with(state: ConnState, icmp_errors: u32) -> FlowRecord {
        let mut flow = flow();
        (flow.state, flow.icmp_errors) = (state, icmp_errors);
        flow
    }

    fn series(text: &str) -> Vec<(&str, u64)> {
        series_of("vxdump_bytes_total{", text)
    }

    fn series_of<'t>(name: &str, text: &'t str) -> Vec<(&'t str, u64)> {
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(l, n)| (l, n.parse().unwrap()))
            .collect()
    }

    #[test]
    fn labels_are_bounded_and_nothing_is_lost() {
        let (mut totals, map) = (Totals::default(), podmap::Builder::new().build());
        for vni in 0..5000 {
            let mut flow = flow();
            flow.key.vni = Vni::new(vni);
            totals.add(&flow, &map);
        }
        let mut text = String::new();
        totals.write(&mut text, std::iter::empty(), &map);
        let series = series(&text);
        assert_eq!(series.len(), MOST + 1);
        assert_eq!(series.iter().map(|(_, bytes)| bytes).sum::<u64>(), 5000 * 74);
        let other = series.iter().find(|(labels, _)| labels.contains("vni=\"other\"")).unwrap();
        assert_eq!(other.1, (5000 - MOST as u64) * 74);
    }

    #[test]
    fn flows_that_go_on_count_and_stay_when_they_end() {
        let (mut totals, map) = (Totals::default(), podmap::Builder::new().build());
        let (mut live, mut ended) = (String::new(), String::new());
        totals.write(&mut live, std::iter::once(with(ConnState::SF, 0)), &map);
        totals.add(&with(ConnState::SF, 0), &map);
        totals.write(&mut ended, std::iter::empty(), &map);
        assert_eq!(live, ended);
        assert_eq!(series(&live)[0].1, 74);
    }

    #[test]
    fn what_failed_counts_once_it_is_over() {
        let (mut totals, map) = (Totals::default(), podmap::Builder::new().build());
        let failed = |totals: &mut Totals, live: Option<FlowRecord>| {
            let mut text = String::new();
            totals.write(&mut text, live.into_iter(), &map);
            ["unanswered", "rejected", "reset"].map(|how| {
                let name = format!("vxdump_flows_{how}_total{{");
                let [(labels, count)] = series_of(&name, &text)[..] else { panic!("{text}") };
                let ends = r#"{src_node="172.18.0.3",dst_node="172.18.0.4",vni="1"}"#;
                assert!(labels.ends_with(ends), "{labels}");
                count
            })
        };
        // its answer may be on its way
        assert_eq!(failed(&mut totals, Some(flow())), [0, 0, 0]);
        for (ended, expected) in [
            (flow(), [1, 0, 0]),
            (with(ConnState::S0, 1), [1, 1, 0]),
            (with(ConnState::Rej, 0), [1, 2, 0]),
            (with(ConnState::Rstr, 0), [1, 2, 1]),
            (with(ConnState::SF, 0), [1, 2, 1]),
        ] {
            totals.add(&ended, &map);
            assert_eq!(failed(&mut totals, None), expected);
        }
    }

    /// When a continuing flow gets other names, the counters of the old ones stay.
    #[test]
    fn no_counter_falls() {
        let mut totals = Totals::default();
        let maps = ["a", "b"].map(|node| {
            let mut map = podmap::Builder::new();
            let source = map.source("test");
            map.add_pod_cidr(source, node, "10.244.1.0/24".parse().unwrap());
            map.build()
        });
        let texts = maps.map(|map| {
            let mut text = String::new();
            totals.write(&mut text, std::iter::once(flow()), &map);
            text
        });
        let [before, after] = texts.each_ref().map(|text| series(text));
        assert_eq!((before.len(), after.len()), (1, 2));
        assert!(after.contains(&before[0]), "{after:?}");
    }
}
