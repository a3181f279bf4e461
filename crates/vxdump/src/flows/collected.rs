//! Collects flows, or their sums, until they are printed.

use std::fmt::Write as _;

use podmap::PodMap;
use vxcli::Failure;
use vxflow::{Config, ConnState, FlowRecord, TableCounts};

use super::chosen::{Chosen, Kept as _};
use super::ends::By;
use super::packed::PackedFlows;
use super::print::Printer;
use super::sort::Sort;
use super::sum_row::SumRow;
use super::sums::Sums;
use super::tail::tail;
use crate::out::put;

/// Which flows are shown, as what, and in which order.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// What flows are summed by.
    pub(super) by: By,
    pub(super) sort: Sort,
    /// The most rows to print; `None` for all.
    pub(super) top: Option<u32>,
    /// Only flows in these states; empty for all.
    pub(super) states: Vec<ConnState>,
}

impl View {
    /// Is a flow in this state to be shown?
    pub(super) fn wants(&self, state: ConnState) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }
}

/// Flows, or their sums, until they are printed.
pub(super) struct Collected<'a> {
    view: &'a View,
    rows: Rows,
    flows: u64,
    /// flows whose state is not wanted
    left_out: u64,
}

enum Rows {
    Flows(Chosen<PackedFlows>),
    Sums(Sums),
}

impl<'a> Collected<'a> {
    /// Starts without flows; `config` is that of their flow table.
    pub(super) fn new(view: &'a View, config: &Config) -> Self {
        let rows = match view.by {
            By::Flow => Rows::Flows(Chosen::new(view.sort, view.top)),
            by => Rows::Sums(Sums::of_connections(by, !config.count_copies, config.max_flows)),
        };
        Self { view, rows, flows: 0, left_out: 0 }
    }

    /// Takes a flow.
    pub(super) fn add(&mut self, record: &FlowRecord, map: &PodMap) {
        let wanted = self.view.wants(record.state);
        let is_added = match &mut self.rows {
            Rows::Sums(sums) => sums.add_if(wanted, record, map),
            Rows::Flows(chosen) if wanted => {
                chosen.push(record.into());
                true
            }
            Rows::Flows(_) => false,
        };
        *(if is_added { &mut self.flows } else { &mut self.left_out }) += 1;
    }

    /// Prints the rows, and below a table the totals.
    pub(super) fn print(
        self,
        printer: &mut Printer<'_>,
        map: &PodMap,
        counts: &TableCounts,
    ) -> Result<(), Failure> {
        let Self { view, rows, mut flows, mut left_out } = self;
        let mut counts = *counts;
        let (shown, of) = match rows {
            Rows::Flows(chosen) => {
                let (flows, given) = chosen.finish();
                printer.rows(flows.rows(), map)?;
                (flows.len() as u64, given)
            }
            Rows::Sums(mut sums) => {
                let settled = sums.settle(|state| view.wants(state));
                flows -= settled.flows + settled.unwanted;
                left_out += settled.unwanted;
                counts.packets = counts.packets.saturating_sub(settled.packets);
                let mut chosen = Chosen::<Vec<_>>::new(view.sort, view.top);
                for (pair, sum) in sums.rows() {
                    chosen.push(SumRow::new(pair, sum));
                }
                let (rows, given) = chosen.finish();
                printer.rows(rows.iter(), map)?;
                (rows.len() as u64, given)
            }
        };
        if printer.is_table() {
            let mut text = String::new();
            if shown < of {
                let _ = write!(text, "{shown} of {of} rows: ");
            }
            if left_out > 0 {
                let _ = write!(text, "{flows} of ");
            }
            text.push_str(&tail(flows + left_out, &counts));
            put::text(printer.output.buffer(), &text);
        }
        Ok(())
    }
}
