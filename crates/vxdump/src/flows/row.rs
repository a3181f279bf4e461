//! Flows, and sums of flows, as rows of named values: the same for the table, JSON and CSV.

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::net::IpAddr;

use podmap::PodMap;
use vxcap::Timestamp;
use vxlan::TcpFlags;

use super::ends::{By, End};
use super::sort::Sort;
use super::sums::Sum;
use crate::out::put;
use crate::out::time_utc::Utc;

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
    pub(crate) fn number<N: Into<u64>>(number: Option<N>) -> Self {
        number.map_or(Self::Absent, |number| Self::Number(number.into()))
    }

    pub(crate) fn name(name: Option<&'a str>) -> Self {
        name.map_or(Self::Absent, |name| Self::Text(Cow::Borrowed(name)))
    }

    pub(crate) fn millis(nanos: Option<i64>) -> Self {
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

impl<R: Row> Row for &R {
    fn values<'a>(&'a self, map: &'a PodMap, into: &mut Vec<Value<'a>>) {
        (*self).values(map, into);
    }

    fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        (*self).compare(other, sort)
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
            Sort::Failed => row.sum.failed().into(),
        };
        Reverse(measure(self))
            .cmp(&Reverse(measure(other)))
            .then_with(|| self.pair.cmp(&other.pair))
    }
}
