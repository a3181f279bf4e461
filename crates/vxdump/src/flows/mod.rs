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

use std::time::Duration;

use vxcli::{Failure, Progress, Selection, Terminal, setup};
use vxflow::Config;

use crate::input::files::Source;
use crate::input::following::Following;
use crate::out::output::Output;
use crate::packets;
use collected::Collected;
use columns::columns;
use command::FlowsCommand;
use count::{Counted, Job};
use ipfix::Exporter;
use print::{Form, Printer};
use tail::{tell_cut, tell_evicted, tell_exported, tell_late};

/// `vxdump flows`.
pub(crate) fn run(args: &FlowsCommand, terminal: &mut Terminal) -> Result<(), Failure> {
    if !args.input.live.interface.is_empty() {
        return live::run(args, terminal);
    }
    args.input.needs_files(&args.select.expression)?;
    let decoder = setup::decoder(&args.input.tunnel)?;
    let map = Following::once(&args.map, terminal)?;
    let mut source = Source::open(&args.input.read)?;
    let job = Job {
        config: args.limits.config(&Config::without_timeouts(), decoder),
        map: &map,
        snaplen: args.input.most_bytes(),
        most: args.input.count.unwrap_or(u64::MAX),
        threads: args.limits.threads(),
    };
    let wanted = packets::selected(&args.select, &args.input)?;
    let mut select = || Selection::new(&wanted, &map);
    let progress = Progress::new(
        terminal.err_is_terminal && !terminal.out_is_terminal && !args.show.no_progress,
    );
    let view = args.show.view();
    let columns = columns(view.by);
    let form = Form::new(args.show.format, view.sort, &columns, terminal)?;
    let output = Output::new(&mut *terminal.out, terminal.out_is_terminal);
    let mut printer = Printer::new(output, form, columns);
    let is_table = printer.is_table();
    let mut ipfix = args.export.ipfix.as_deref().map(Exporter::open).transpose()?;
    // a file waits
    if let Some(ipfix) = &mut ipfix {
        ipfix.patience = Duration::MAX;
    }
    let mut collected = Collected::new(&view, &job.config);
    let result = job.run(&mut source, &progress, &mut select, &mut |record| {
        if let Some(ipfix) = &mut ipfix {
            ipfix.add(&record);
        }
        collected.add(&record, &map);
        Ok(())
    });
    progress.end();
    let Counted { counts, damage } = result?;
    collected.print(&mut printer, &map, &counts)?;
    printer.end()?;
    if !is_table {
        tell_evicted(&counts, terminal);
    }
    tell_cut(&counts, args.input.snaplen, terminal);
    tell_late(&counts, terminal);
    tell_exported(ipfix, terminal);
    match damage.as_slice() {
        [] => Ok(()),
        [before @ .., last] => {
            for error in before {
                terminal.tell(error);
            }
            Err(Failure::error(last))
        }
    }
}
