//! The columns of flows and of their sums, one row each. Table, JSON, CSV, Parquet and the screen
//! of `vxdump top` read them here.
//!
//! The order of [`COLUMNS`] is part of the interface: a new column comes last. If [`FlowRow`] lacks
//! its value, add it there.

use podmap::{Owner, PodMap};
use vxlan::{IpProtocol, Vni};

use super::ends::{By, End, protocol_name};
use super::flow_row::FlowRow;
use super::form::Form;
use super::sort::Sort;
use super::sum_row::SumRow;
use super::value::Value;

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    /// JSON's key, and the head in CSV, in Parquet and in a table that is no terminal's.
    pub(crate) name: &'static str,
    #[cfg_attr(not(feature = "parquet"), allow(dead_code))] // JSON and CSV go by the value
    pub(crate) kind: Kind,
    /// What it is, as the manual page says it.
    pub(crate) meaning: &'static str,
    /// The head on a terminal.
    pub(crate) title: &'static str,
    pub(crate) form: Form,
    pub(super) importance: Importance,
    pub(super) before_ends: BeforeEnds,
    pub(super) when_empty: WhenEmpty,
    /// Rows that are sorted so are sorted by this column.
    pub(super) sort: Option<Sort>,
    /// Its value of a flow; `None` where flows have no such column.
    of_flow: Option<OfFlow>,
    /// Its value of a sum; `None` where sums have no such column.
    of_sum: Option<OfSum>,
    /// The sums whose pairs have it. If empty, all sums have it, or none.
    pairs: &'static [By],
}

type OfFlow = for<'a> fn(&FlowFacts<'a>) -> Value<'a>;
type OfSum = for<'a> fn(&'a SumRow) -> Value<'a>;

/// What a column holds, as Parquet and query engines want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nanoseconds since the Unix epoch, in every row.
    Time,
    /// Packets, bytes, flows: in every row.
    Count,
    /// A count that does not apply to every row.
    SomeCount,
    /// A number of at most 31 bits, as a port; not in every row.
    Number,
    /// A fraction; not in every row.
    Fraction,
    /// A name, an address or flags; not in every row.
    Text,
}

/// Which columns get room on a terminal first. Columns of equal importance are shown together or
/// not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Importance {
    /// Who talks to whom: always shown, and cut if there is not enough room. For a sum it is its
    /// pair.
    Ends,
    /// How much, and how well: names are cut for it.
    Core(u8),
    /// The rest.
    Further(u8),
}

/// Are the two ends cut, so that there is room for a column beside them?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BeforeEnds {
    Never,
    InSums,
    Always,
}

/// What becomes of a column that has nothing or zero in all rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenEmpty {
    /// It stays where it is.
    Stays,
    /// It is given room after all others.
    ComesLast,
    LeftOut,
}

use BeforeEnds::{Always, InSums};
use Importance::{Core, Ends, Further};
use WhenEmpty::{ComesLast, LeftOut};

impl Column {
    /// A column that a terminal shows as it is, if at all.
    const fn new(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self {
            name,
            kind,
            meaning,
            title: name,
            form: Form::Whole,
            importance: Further(u8::MAX),
            before_ends: BeforeEnds::Never,
            when_empty: WhenEmpty::Stays,
            sort: None,
            of_flow: None,
            of_sum: None,
            pairs: &[],
        }
    }

    /// How a terminal shows it, and before which other columns.
    const fn shown(mut self, title: &'static str, form: Form, importance: Importance) -> Self {
        (self.title, self.form, self.importance) = (title, form, importance);
        self
    }

    /// It is shown in the cell of the column with this name.
    const fn within(mut self, name: &'static str) -> Self {
        self.form = Form::Within(name);
        self
    }

    const fn before_ends(mut self, before: BeforeEnds) -> Self {
        self.before_ends = before;
        self
    }

    const fn when_empty(mut self, what: WhenEmpty) -> Self {
        self.when_empty = what;
        self
    }

    const fn sorted_by(mut self, sort: Sort) -> Self {
        self.sort = Some(sort);
        self
    }

    /// Flows have it.
    const fn of_flow(mut self, value: OfFlow) -> Self {
        self.of_flow = Some(value);
        self
    }

    /// All sums have it.
    const fn of_sum(mut self, value: OfSum) -> Self {
        self.of_sum = Some(value);
        self
    }

    /// These sums have it, as an end of their pairs.
    const fn of_pairs(mut self, pairs: &'static [By], value: OfSum) -> Self {
        (self.of_sum, self.pairs) = (Some(value), pairs);
        self
    }

    /// Is it a column of what is summed so?
    fn is_in(&self, by: By) -> bool {
        match by {
            By::Flow => self.of_flow.is_some(),
            by => self.of_sum.is_some() && (self.pairs.is_empty() || self.pairs.contains(&by)),
        }
    }

    /// Does it say, of a sum, whose it is?
    pub(crate) const fn is_of_pairs(&self) -> bool {
        !self.pairs.is_empty()
    }
}

/// The columns of what is summed so, in their order.
pub(crate) fn columns(by: By) -> Vec<&'static Column> {
    COLUMNS.iter().filter(|column| column.is_in(by)).collect()
}

/// The columns that any sum has, in their order.
pub(crate) fn of_sums() -> Vec<&'static Column> {
    COLUMNS.iter().filter(|column| column.of_sum.is_some()).collect()
}

/// The column with this name.
///
/// # Panics
///
/// Where there is none: it is for constants.
pub(crate) const fn named(name: &str) -> &'static Column {
    let mut at = 0;
    while at < COLUMNS.len() {
        if are_equal(COLUMNS[at].name.as_bytes(), name.as_bytes()) {
            return &COLUMNS[at];
        }
        at += 1;
    }
    panic!("no such column")
}

const fn are_equal(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// What is printed as a row.
pub(crate) trait Row {
    /// The row, and what the map knows of it.
    type Facts<'a>: Facts<'a>
    where
        Self: 'a;

    /// Asks the map, once for all columns.
    fn facts<'a>(&'a self, map: &'a PodMap) -> Self::Facts<'a>;
}

/// What the values of a row are taken from.
pub(crate) trait Facts<'a> {
    /// The row's value in a column.
    fn value(&self, column: &Column) -> Value<'a>;
}

/// A flow, and who has its addresses.
pub(crate) struct FlowFacts<'a> {
    flow: &'a FlowRow,
    source: Owner<'a>,
    destination: Owner<'a>,
}

impl Row for FlowRow {
    type Facts<'a> = FlowFacts<'a>;

    fn facts<'a>(&'a self, map: &'a PodMap) -> FlowFacts<'a> {
        let [source, destination] =
            [self.key.source, self.key.destination].map(|address| map.owner(address));
        FlowFacts { flow: self, source, destination }
    }
}

impl<'a> Facts<'a> for FlowFacts<'a> {
    #[inline]
    fn value(&self, column: &Column) -> Value<'a> {
        column.of_flow.map_or(Value::Absent, |value| value(self))
    }
}

impl Row for SumRow {
    type Facts<'a> = &'a Self;

    fn facts<'a>(&'a self, _: &'a PodMap) -> &'a Self {
        self
    }
}

impl<'a> Facts<'a> for &'a SumRow {
    fn value(&self, column: &Column) -> Value<'a> {
        column.of_sum.map_or(Value::Absent, |value| value(self))
    }
}

impl<R: Row> Row for &R {
    type Facts<'a>
        = R::Facts<'a>
    where
        Self: 'a;

    fn facts<'a>(&'a self, map: &'a PodMap) -> R::Facts<'a> {
        (*self).facts(map)
    }
}

impl FlowFacts<'_> {
    /// A value that only TCP has.
    fn of_tcp<'v>(&self, value: Value<'v>) -> Value<'v> {
        if self.flow.key.protocol == IpProtocol::TCP { value } else { Value::Absent }
    }
}

/// An end of a sum's pair.
fn end(end: &End) -> Value<'_> {
    match end {
        End::NoTunnel => Value::Absent,
        End::Vni(vni) => Value::Number(vni.number().into()),
        End::Address(address) => Value::Address(*address),
        other => Value::Text(other.label()),
    }
}

/// All columns.
static COLUMNS: &[Column] = &[
    Column::new("first", Kind::Time, "time of the first packet")
        .shown("first", Form::Clock, Further(5))
        .sorted_by(Sort::First)
        .of_flow(|facts| Value::Time(facts.flow.first))
        .of_sum(|row| Value::Time(row.sum.first)),
    Column::new("last", Kind::Time, "time of the last packet")
        .shown("last", Form::Clock, Further(12))
        .of_flow(|facts| Value::Time(facts.flow.last))
        .of_sum(|row| Value::Time(row.sum.last)),
    Column::new("duration", Kind::Fraction, "seconds between them")
        .shown("lasted", Form::Span, Further(4))
        .sorted_by(Sort::Duration)
        .of_flow(|facts| Value::Seconds(facts.flow.duration()))
        .of_sum(|row| Value::Seconds(row.sum.duration())),
    Column::new("vni", Kind::Number, "VNI of the tunnel that carried it; empty for packets in no tunnel")
        .shown("vni", Form::Whole, Further(8))
        .when_empty(LeftOut)
        .of_flow(|facts| Value::number(facts.flow.key.vni.map(Vni::number)))
        .of_pairs(&[By::Vni], |row| end(&row.pair[0])),
    Column::new("protocol", Kind::Text, "tcp, udp, icmp ..., or a number")
        .shown("proto", Form::Whole, Further(0))
        .of_flow(|facts| Value::Text(protocol_name(facts.flow.key.protocol))),
    Column::new("src", Kind::Text, "address of the end that opened the flow")
        .shown("src", Form::End, Ends)
        .of_flow(|facts| Value::Address(facts.flow.key.source)),
    Column::new("sport", Kind::Number, "its port; for a ping, the identifier")
        .within("src")
        .of_flow(|facts| Value::number(facts.flow.key.source_port())),
    Column::new("dst", Kind::Text, "address of the other end")
        .shown("dst", Form::End, Ends)
        .of_flow(|facts| Value::Address(facts.flow.key.destination)),
    Column::new("dport", Kind::Number, "the other end's port")
        .within("dst")
        .of_flow(|facts| Value::number(facts.flow.key.destination_port())),
    Column::new("src_node", Kind::Text, "node of `src`")
        .shown("src_node", Form::Node, Further(6))
        .when_empty(LeftOut)
        .of_flow(|facts| Value::text(facts.source.node()))
        .of_pairs(&[By::Node], |row| end(&row.pair[0])),
    Column::new("dst_node", Kind::Text, "node of `dst`")
        .shown("dst_node", Form::Node, Further(6))
        .when_empty(LeftOut)
        .of_flow(|facts| Value::text(facts.destination.node()))
        .of_pairs(&[By::Node], |row| end(&row.pair[1])),
    Column::new("src_name", Kind::Text, "name of `src`, as in the second part of a line")
        .shown("src_name", Form::Name, Further(1))
        .when_empty(LeftOut)
        .of_flow(|facts| Value::text(Some(facts.source.label())))
        .of_pairs(&[By::Pod, By::Service], |row| end(&row.pair[0])),
    Column::new("dst_name", Kind::Text, "name of `dst`")
        .shown("dst_name", Form::Name, Further(1))
        .when_empty(LeftOut)
        .of_flow(|facts| Value::text(Some(facts.destination.label())))
        .of_pairs(&[By::Pod], |row| end(&row.pair[1])),
    Column::new("service", Kind::Text, "the service or server that the client talks to")
        .shown("service", Form::Text, Ends)
        .of_pairs(&[By::Service], |row| end(&row.pair[1])),
    Column::new("vtep_src", Kind::Text, "outer address on the side of `src`")
        .shown("vtep_src", Form::Text, Further(7))
        .when_empty(LeftOut)
        .of_flow(|facts| Value::address(facts.flow.vteps.map(|(source, _)| source)))
        .of_pairs(&[By::Vtep], |row| end(&row.pair[0])),
    Column::new("vtep_dst", Kind::Text, "outer address on the side of `dst`")
        .shown("vtep_dst", Form::Text, Further(7))
        .when_empty(LeftOut)
        .of_flow(|facts| Value::address(facts.flow.vteps.map(|(_, destination)| destination)))
        .of_pairs(&[By::Vtep], |row| end(&row.pair[1])),
    Column::new("flows", Kind::Count, "how many flows were added up")
        .shown("flows", Form::Count, Core(2))
        .before_ends(Always)
        .sorted_by(Sort::Flows)
        .of_sum(|row| Value::Number(row.sum.flows)),
    Column::new("packets", Kind::Count, "packets that `src` sent")
        .shown("pkts→", Form::Count, Further(2))
        .sorted_by(Sort::Packets)
        .of_flow(|facts| Value::Number(facts.flow.sent[0].packets))
        .of_sum(|row| Value::Number(row.sum.packets[0])),
    Column::new("bytes", Kind::Count, "bytes of the inner frames that `src` sent")
        .shown("bytes→", Form::Count, Core(0))
        .before_ends(Always)
        .sorted_by(Sort::Bytes)
        .of_flow(|facts| Value::Number(facts.flow.sent[0].bytes))
        .of_sum(|row| Value::Number(row.sum.bytes[0])),
    Column::new("rev_packets", Kind::Count, "packets that `dst` sent")
        .shown("←pkts", Form::Count, Further(3))
        .of_flow(|facts| Value::Number(facts.flow.sent[1].packets))
        .of_sum(|row| Value::Number(row.sum.packets[1])),
    Column::new("rev_bytes", Kind::Count, "bytes of the inner frames that `dst` sent")
        .shown("←bytes", Form::Count, Core(5))
        .of_flow(|facts| Value::Number(facts.flow.sent[1].bytes))
        .of_sum(|row| Value::Number(row.sum.bytes[1])),
    Column::new("state", Kind::Text, "how the connection went: the values of --state")
        .shown("state", Form::Whole, Core(1))
        .before_ends(Always)
        .sorted_by(Sort::Failed)
        .of_flow(|facts| Value::text(Some(facts.flow.state.name()))),
    Column::new("tcp_flags", Kind::Text, "all TCP flags that `src` sent")
        .shown("flags→", Form::Whole, Further(10))
        .when_empty(LeftOut)
        .of_flow(|facts| facts.of_tcp(Value::Flags(facts.flow.sent[0].tcp_flags))),
    Column::new("rev_tcp_flags", Kind::Text, "all TCP flags that `dst` sent")
        .shown("←flags", Form::Whole, Further(11))
        .when_empty(LeftOut)
        .of_flow(|facts| facts.of_tcp(Value::Flags(facts.flow.sent[1].tcp_flags))),
    Column::new("rtt_ms", Kind::Fraction, "round-trip time in milliseconds: the TCP handshake's, or the time to the first answer; of a sum, the mean")
        .shown("rtt", Form::Span, Core(3))
        .before_ends(InSums)
        .sorted_by(Sort::Rtt)
        .of_flow(|facts| Value::millis(facts.flow.rtt))
        .of_sum(|row| Value::millis(row.sum.rtt.mean())),
    Column::new("rtt_max_ms", Kind::Fraction, "the longest round-trip time in milliseconds")
        .shown("max rtt", Form::Span, Further(9))
        .of_sum(|row| Value::millis(row.sum.rtt.longest())),
    Column::new("retransmits", Kind::SomeCount, "TCP segments that `src` sent again")
        .shown("retr", Form::Both, Core(4))
        .before_ends(InSums)
        .sorted_by(Sort::Retransmits)
        .of_flow(|facts| facts.of_tcp(Value::Number(facts.flow.sent[0].retransmits.into())))
        .of_sum(|row| Value::Number(row.sum.retransmits[0])),
    Column::new("rev_retransmits", Kind::SomeCount, "TCP segments that `dst` sent again")
        .within("retransmits")
        .of_flow(|facts| facts.of_tcp(Value::Number(facts.flow.sent[1].retransmits.into())))
        .of_sum(|row| Value::Number(row.sum.retransmits[1])),
    Column::new("unanswered", Kind::Count, "flows without an answer")
        .shown("unans", Form::Count, Core(6))
        .before_ends(Always)
        .when_empty(ComesLast)
        .sorted_by(Sort::Failed)
        .of_sum(|row| Value::Number(row.sum.failed.unanswered)),
    Column::new("rejected", Kind::Count, "flows that were refused, by a reset or an ICMP error")
        .shown("rej", Form::Count, Core(7))
        .before_ends(Always)
        .when_empty(ComesLast)
        .sorted_by(Sort::Failed)
        .of_sum(|row| Value::Number(row.sum.failed.rejected)),
    Column::new("resets", Kind::Count, "flows that a reset ended")
        .shown("reset", Form::Count, Core(8))
        .before_ends(Always)
        .when_empty(ComesLast)
        .sorted_by(Sort::Failed)
        .of_sum(|row| Value::Number(row.sum.failed.resets)),
];

#[cfg(test)]
mod tests {
    use super::super::flow_row::example;
    use super::super::sums::Sum;
    use super::*;

    /// The columns of flows, as the interface has them, and those that are to come, in their order.
    const OF_FLOWS: &str = "first last duration vni protocol src sport dst dport src_node dst_node src_name dst_name \
        vtep_src vtep_dst packets bytes rev_packets rev_bytes state tcp_flags rev_tcp_flags rtt_ms retransmits \
        rev_retransmits \
        carrier src_kind dst_kind src_namespace dst_namespace src_pod dst_pod src_workload dst_workload service \
        refused_by icmp_type icmp_code dns_failures outer_fragments notes \
        src_uid dst_uid nat_src nat_sport nat_dst nat_dport";
    /// How many of them there must be.
    const STANDING: usize = 25;

    fn names(by: By) -> Vec<&'static str> {
        columns(by).iter().map(|column| column.name).collect()
    }

    #[test]
    fn columns_of_flows_are_those_of_the_interface() {
        let expected: Vec<&str> = OF_FLOWS.split_whitespace().collect();
        let names = names(By::Flow);
        assert!(names.len() >= STANDING, "{names:?}");
        assert_eq!(names, expected[..names.len()]);
    }

    #[test]
    fn columns_of_sums_are_their_pair_and_the_same_for_all() {
        for (by, pair) in [
            (By::Pod, "src_name dst_name"),
            (By::Node, "src_node dst_node"),
            (By::Vni, "vni"),
            (By::Vtep, "vtep_src vtep_dst"),
            (By::Service, "src_name service"),
        ] {
            let expected = format!(
                "first last duration {pair} flows packets bytes rev_packets rev_bytes rtt_ms rtt_max_ms retransmits \
                 rev_retransmits unanswered rejected resets"
            );
            assert_eq!(names(by), expected.split(' ').collect::<Vec<_>>());
        }
    }
    /// Parquet leaves out values of another kind.
    #[test]
    fn values_are_of_their_columns_kind() {
        let map = podmap::Builder::new().build();
        let flow = example();
        let (mut vni, mut sum) = (End::NoTunnel, Sum::default());
        sum.rtt.add(1_000);
        if let Some(number) = flow.key.vni {
            vni = End::Vni(number);
        }
        let sum = SumRow { pair: [vni.clone(), vni], sum };
        for column in COLUMNS {
            for (by, value) in [
                (By::Flow, flow.facts(&map).value(column)),
                (By::Vni, sum.facts(&map).value(column)),
            ] {
                if !column.is_in(by) {
                    continue;
                }
                let fits = match column.kind {
                    Kind::Time => matches!(value, Value::Time(_)),
                    Kind::Count | Kind::SomeCount | Kind::Number => {
                        matches!(value, Value::Number(_))
                    }
                    Kind::Fraction => matches!(value, Value::Seconds(_) | Value::Millis(_)),
                    // without a map there are no nodes
                    Kind::Text => !matches!(
                        value,
                        Value::Time(_) | Value::Number(_) | Value::Seconds(_) | Value::Millis(_)
                    ),
                };
                assert!(fits, "{} by {by:?}: {value:?}", column.name);
            }
        }
    }
}
