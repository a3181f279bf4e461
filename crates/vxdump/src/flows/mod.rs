//! Inner flows: who talks to whom, how well, across which nodes.

mod chosen;
mod collected;
pub(crate) mod columns;
pub(crate) mod command;
mod count;
pub(crate) mod ends;
mod flow_row;
pub(crate) mod form;
mod interval;
mod ipfix;
mod layout;
mod live;
pub(crate) mod outcome;
mod packed;
#[cfg(feature = "parquet")]
mod parquet;
mod print;
mod prometheus;
mod sort;
mod sum_row;
pub(crate) mod sums;
mod table;
mod tail;
mod totals;
mod traffic;
mod translated;
pub(crate) mod value;

use std::sync::Arc;
use std::time::Duration;

use vxcli::{Failure, Terminal};
use vxflow::Config;

use crate::input::files::Files;
use crate::out::output::Output;
use collected::Collected;
use columns::columns;
use command::FlowsCommand;
use count::Job;
pub(crate) use count::seen;
use ipfix::Exporter;
use print::{Form, Printer};
use tail::{tell_cut, tell_evicted, tell_exported, tell_late};

/// `vxdump flows`.
pub(crate) fn run(args: &FlowsCommand, terminal: &mut Terminal) -> Result<(), Failure> {
    if args.input.is_live() {
        return live::run(args, terminal);
    }
    let mut files = Files::open(&args.input, terminal)?;
    let config = args.limits.config(&Config::without_timeouts(), files.decoder.clone());
    let job = Job { config, most: args.input.most_packets(), threads: args.limits.threads() };
    let map = Arc::clone(&files.map);
    let progress = args.input.files.progress(terminal, true);
    let view = args.show.view();
    let columns = columns(view.by);
    let form = Form::new(args.show.format, view.sort, &columns, terminal)?;
    let output = Output::new(&mut *terminal.out, terminal.out_is_terminal);
    let mut printer = Printer::new(output, form, columns);
    let is_table = printer.is_table();
    let mut ipfix = args.export.ipfix.as_deref().map(Exporter::open).transpose()?;
    // a file can wait for the collector
    if let Some(ipfix) = &mut ipfix {
        ipfix.patience = Duration::MAX;
    }
    let mut collected = Collected::new(&view, &job.config);
    let counts = job.run(&mut files, &progress, &mut |record| {
        if let Some(ipfix) = &mut ipfix {
            ipfix.add(&record);
        }
        collected.add(&record, &map);
        Ok(())
    });
    progress.end();
    let counts = counts?;
    collected.print(&mut printer, &map, &counts)?;
    printer.end()?;
    if !is_table {
        tell_evicted(&counts, terminal);
    }
    tell_cut(&counts, args.input.snaplen, terminal);
    tell_late(&counts, terminal);
    tell_exported(ipfix, terminal);
    files.end(terminal)
}
