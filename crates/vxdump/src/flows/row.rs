//! Flows, and sums of flows, as rows of named values: the same for the table, JSON and CSV.

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::net::IpAddr;

use podmap::PodMap;
use vxcap::Timestamp;
use vxflow::FlowRecord;
use vxlan::{IpProtocol, TcpFlags};

use super::command::Sort;
use super::outcome::Trouble;
use super::sums::{By, End, Sum, protocol_name};
use crate::text::put;
use crate::time_utc::Utc;

/// The columns of flows.
const FLOW: &[&str] = &[
    "first",
    "last",
    "duration",
    "vni",
    "protocol",
    "src",
    "sport",
    "dst",
    "dport",
    "src_node",
    "dst_node",
    "src_name",
    "dst_name",
    "vtep_src",
    "vtep_dst",
    "packets",
    "bytes",
    "rev_packets",
    "rev_bytes",
    "state",
    "tcp_flags",
    "rev_tcp_flags",
    "rtt_ms",
    "retransmits",
    "rev_retransmits",
];

/// What the columns of sums begin and end with, around the pair's own.
macro_rules! sum_columns {
    ($($pair:literal),+) => {
        &["first", "last", "duration", $($pair),+, "flows", "packets", "bytes", "rev_packets", "rev_bytes",
          "rtt_ms", "rtt_max_ms", "retransmits", "rev_retransmits", "unanswered", "rejected", "resets"]
    };
}

/// The columns of what is summed so.
pub(crate) const fn columns(by: By) -> &'static [&'static str] {
    match by {
        By::Flow => FLOW,
        By::Pod => sum_columns!("src_name", "dst_name"),
        By::Node => sum_columns!("src_node", "dst_node"),
        By::Vni => sum_columns!("vni"),
        By::Vtep => sum_columns!("vtep_src", "vtep_dst"),
        By::Service => sum_columns!("src_name", "service"),
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Does not apply.
    Absent,
    Text(Cow<'a, str>),
    Number(u64),
    /// Nanoseconds since the Unix epoch.
    Time(i64),
    /// Nanoseconds, told as seconds.
    Seconds(i64),
    /// Nanoseconds, told as milliseconds.
    Millis(i64),
    Address(IpAddr),
    Flags(TcpFlags),
}

impl<'a> Value<'a> {
    fn number<N: Into<u64>>(number: Option<N>) -> Self {
        number.map_or(Self::Absent, |number| Self::Number(number.into()))
    }

    fn name(name: Option<&'a str>) -> Self {
        name.map_or(Self::Absent, |name| Self::Text(Cow::Borrowed(name)))
    }

    fn millis(nanos: Option<i64>) -> Self {
        nanos.map_or(Self::Absent, Self::Millis)
    }

    /// Is it a JSON number?
    pub(crate) const fn is_number(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Seconds(_) | Self::Millis(_))
    }

    /// Appends it as text, without quotes; nothing where it is absent.
    pub(crate) fn write(&self, out: &mut Vec<u8>, utc: &mut Utc) {
        match self {
            Self::Absent => {}
            Self::Text(text) => put::text(out, text),
            Self::Number(number) => put::decimal(out, *number),
            Self::Time(nanos) => utc.write(out, Timestamp::from_nanos(*nanos)),
            Self::Seconds(nanos) => fraction(out, *nanos, 9),
            Self::Millis(nanos) => fraction(out, *nanos, 6),
            Self::Address(address) => put::address(out, *address),
            Self::Flags(flags) => put::tcp_flags(out, *flags),
        }
    }
}

/// A number with so many digits behind the point.
fn fraction(out: &mut Vec<u8>, number: i64, digits: u32) {
    if number < 0 {
        out.push(b'-');
    }
    let unit = 10_u64.pow(digits);
    let number = number.unsigned_abs();
    put::decimal(out, number / unit);
    out.push(b'.');
    put::zero_padded(out, number % unit, digits as usize);
}

/// What is printed as a row.
pub(crate) trait Row {
    /// Its values, in the order of the columns.
    fn values<'a>(&'a self, map: &'a PodMap, into: &mut Vec<Value<'a>>);

    /// Which of two comes first; never equal for two rows of one run.
    fn compare(&self, other: &Self, sort: Sort) -> Ordering;
}

impl Row for FlowRecord {
    fn values<'a>(&'a self, map: &'a PodMap, into: &mut Vec<Value<'a>>) {
        let key = &self.key;
        let [source, destination] = [key.source, key.destination].map(|address| map.owner(address));
        let tcp = key.protocol == IpProtocol::TCP;
        let only_tcp = |value: Value<'a>| if tcp { value } else { Value::Absent };
        let vtep = |vtep: Option<IpAddr>| vtep.map_or(Value::Absent, Value::Address);
        let (vtep_source, vtep_destination) = self.vteps.unzip();
        let (forward, reverse) = (&self.forward, &self.reverse);
        into.extend([
            Value::Time(self.first),
            Value::Time(self.last),
            Value::Seconds(self.duration()),
            Value::number(key.vni.map(vxlan::Vni::number)),
            Value::Text(protocol_name(key.protocol)),
            Value::Address(key.source),
            Value::number(key.source_port()),
            Value::Address(key.destination),
            Value::number(key.destination_port()),
            Value::name(source.node()),
            Value::name(destination.node()),
            Value::name(Some(source.label())),
            Value::name(Some(destination.label())),
            vtep(vtep_source),
            vtep(vtep_destination),
            Value::Number(forward.packets),
            Value::Number(forward.bytes),
            Value::Number(reverse.packets),
            Value::Number(reverse.bytes),
            Value::name(Some(self.state.name())),
            only_tcp(Value::Flags(forward.tcp_flags)),
            only_tcp(Value::Flags(reverse.tcp_flags)),
            Value::millis(self.rtt()),
            only_tcp(Value::Number(forward.retransmits.into())),
            only_tcp(Value::Number(reverse.retransmits.into())),
        ]);
    }

    fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let measure = |flow: &Self| {
            let (f, r) = (&flow.forward, &flow.reverse);
            match sort {
                Sort::Bytes => i128::from(f.bytes) + i128::from(r.bytes),
                Sort::Packets => i128::from(f.packets) + i128::from(r.packets),
                Sort::Duration => flow.duration().into(),
                Sort::Rtt => flow.rtt().unwrap_or(i64::MIN).into(),
                Sort::Retransmits => i128::from(f.retransmits) + i128::from(r.retransmits),
                Sort::Failed => Trouble::of(flow).is_some().into(),
                Sort::First | Sort::Flows => 0,
            }
        };
        let by_time = |flow: &Self| (flow.first, flow.key, flow.last);
        Reverse(measure(self))
            .cmp(&Reverse(measure(other)))
            .then_with(|| by_time(self).cmp(&by_time(other)))
    }
}

/// A pair of [`super::sums::Sums`] and what it comes to.
#[derive(Clone, Debug)]
pub(crate) struct SumRow {
    pub(crate) by: By,
    pub(crate) pair: [End; 2],
    pub(crate) sum: Sum,
}

impl SumRow {
    /// The row of a pair, beginning with the end that opened more of the flows.
    pub(crate) fn new(by: By, pair: &[End; 2], sum: &Sum) -> Self {
        let (mut pair, mut sum) = (pair.clone(), *sum);
        if sum.openers.is_second_first() {
            pair.swap(0, 1);
            sum = sum.swapped();
        }
        Self { by, pair, sum }
    }
}

impl Row for SumRow {
    fn values<'a>(&'a self, _: &'a PodMap, into: &mut Vec<Value<'a>>) {
        let Self { by, pair: [source, destination], sum } = self;
        let end = |end: &'a End| match end {
            End::NoTunnel => Value::Absent,
            End::Vni(vni) => Value::Number(vni.number().into()),
            End::Address(address) => Value::Address(*address),
            other => Value::Text(other.label()),
        };
        into.extend([
            Value::Time(sum.first),
            Value::Time(sum.last),
            Value::Seconds(sum.duration()),
            end(source),
        ]);
        if *by != By::Vni {
            into.push(end(destination));
        }
        into.extend([
            Value::Number(sum.flows),
            Value::Number(sum.packets[0]),
            Value::Number(sum.bytes[0]),
            Value::Number(sum.packets[1]),
            Value::Number(sum.bytes[1]),
            Value::millis(sum.rtt.mean()),
            Value::millis((sum.rtt.count > 0).then_some(sum.rtt.longest)),
            Value::Number(sum.retransmits[0]),
            Value::Number(sum.retransmits[1]),
            Value::Number(sum.unanswered),
            Value::Number(sum.rejected),
            Value::Number(sum.resets),
        ]);
    }

    fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let both = |numbers: [u64; 2]| i128::from(numbers[0]) + i128::from(numbers[1]);
        let measure = |row: &Self| match sort {
            Sort::Bytes => both(row.sum.bytes),
            Sort::Packets => both(row.sum.packets),
            Sort::Duration => row.sum.duration().into(),
            Sort::Rtt => row.sum.rtt.mean().unwrap_or(i64::MIN).into(),
            Sort::Retransmits => both(row.sum.retransmits),
            Sort::First => -i128::from(row.sum.first),
            Sort::Flows => row.sum.flows.into(),
            Sort::Failed => (row.sum.unanswered + row.sum.rejected + row.sum.resets).into(),
        };
        Reverse(measure(self))
            .cmp(&Reverse(measure(other)))
            .then_with(|| self.pair.cmp(&other.pair))
    }
}

/// The rows that come first, of all that are given: no more than needed are kept.
#[derive(Debug)]
pub(crate) struct Chosen<R> {
    rows: Vec<R>,
    sort: Sort,
    /// at least 1
    top: usize,
    is_cut: bool,
    given: u64,
}

/// So many rows more than wanted are kept before they are sorted and cut.
const SPARE: usize = 4096;

impl<R: Row> Chosen<R> {
    pub(crate) fn new(sort: Sort, top: Option<u32>) -> Self {
        let top = top.map_or(usize::MAX, |top| top as usize);
        Self { rows: Vec::new(), sort, top, is_cut: false, given: 0 }
    }

    pub(crate) fn push(&mut self, row: R) {
        self.given += 1;
        // after a cut the last of the rows that are kept stands at its place
        let last = if self.is_cut { self.rows.get(self.top - 1) } else { None };
        if last.is_some_and(|last| row.compare(last, self.sort) == Ordering::Greater) {
            return;
        }
        self.rows.push(row);
        if self.rows.len() >= self.top.saturating_mul(2).saturating_add(SPARE) {
            self.cut();
        }
    }

    /// Keeps the rows that come first, the last of them at the end.
    fn cut(&mut self) {
        let sort = self.sort;
        if self.top < self.rows.len() {
            self.rows.select_nth_unstable_by(self.top - 1, |a, b| a.compare(b, sort));
            self.rows.truncate(self.top);
            self.is_cut = true;
        }
    }

    /// The rows in order, and how many were given in all.
    pub(crate) fn finish(mut self) -> (Vec<R>, u64) {
        self.cut();
        let sort = self.sort;
        self.rows.sort_unstable_by(|a, b| a.compare(b, sort));
        (self.rows, self.given)
    }
}
