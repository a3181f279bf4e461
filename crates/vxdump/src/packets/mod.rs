//! Reading and printing packets: the program's main job.

pub(crate) mod args;
pub(crate) mod csv;
mod faults;
mod json;
mod live;
mod merge;
mod names;
mod pipeline;
mod save;
mod seen;
mod style;
mod threads;

use std::fmt::Write as _;

use vxcap::filter::Program;
use vxcli::{Failure, Terminal};
use vxlan::LinkType;

use crate::input::files::{FileFrame, Files};
use crate::out::output::Output;
use crate::out::put;
use args::PacketArgs;
use pipeline::{Arrival, Pipeline};
use save::Save;
use style::Style;

pub(crate) fn run(args: &PacketArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    if args.input.is_live() {
        return live::run(args, terminal);
    }
    let mut files = Files::open(&args.input, terminal)?;
    if args.print.list_link_types {
        return list_link_types(&mut files, terminal);
    }
    if args.print.dump_program > 0 {
        return dump_program(&mut files, args.print.dump_program, terminal);
    }

    let wanted = files.wanted()?;
    let save = args.plan()?.map(Save::begin).transpose()?;
    let progress = args.input.files.progress(terminal, true);
    let style = Style::new(&args.print.look(terminal));
    let watched = terminal.out_is_terminal || args.print.line_buffered;
    let output = Output::new(&mut *terminal.out, watched);
    let (printed, most) = (args.prints(), args.input.most_packets());
    let mut pipeline = Pipeline::new(wanted, style, save, output, printed, most);
    let result = files.read(&progress, |FileFrame { frame, interface, file }| {
        pipeline.frame(frame, &Arrival { interface, file, carriage: None })
    });
    progress.end();
    result?;
    let warning = pipeline.warning();
    let nothing = nothing_matched(args, &pipeline, terminal.err_is_terminal);
    finish(args, pipeline)?;
    for message in nothing.map(str::to_owned).into_iter().chain(warning) {
        terminal.tell(message);
    }
    files.end(terminal)
}

/// What a user of tcpdump may have meant, who sees nothing.
fn nothing_matched(
    args: &PacketArgs,
    pipeline: &Pipeline<'_>,
    err_is_terminal: bool,
) -> Option<&'static str> {
    let select = &args.input.select;
    let outer_only = !select.expression.is_empty() && select.inner.is_none();
    (err_is_terminal && outer_only && pipeline.number > 0 && pipeline.selected == 0).then_some(
        "no packet matched: EXPRESSION tests the frame as captured; --inner EXPR tests the packet in \
         the tunnel",
    )
}

/// Ends the file that was written, and prints the count where one was asked for.
fn finish(args: &PacketArgs, mut pipeline: Pipeline<'_>) -> Result<(), Failure> {
    if let Some(save) = pipeline.save.take() {
        save.finish(&[])?;
    }
    if args.print.count_only {
        count(&mut pipeline.output, pipeline.selected);
    }
    pipeline.output.flush()
}

/// `--count`: how many packets were selected.
fn count(output: &mut Output<'_>, selected: u64) {
    let out = output.buffer();
    put::decimal(out, selected);
    put::text(out, if selected == 1 { " packet\n" } else { " packets\n" });
}

/// `-L`: the link types of the input's interfaces, as far as the first frame tells.
fn list_link_types(files: &mut Files, terminal: &mut Terminal) -> Result<(), Failure> {
    let source = &mut files.source;
    source.next_frame().map_err(Failure::error)?;
    let mut text = String::from("Data link types of the input:\n");
    let mut types: Vec<LinkType> = source.interfaces().iter().map(|i| i.link_type).collect();
    types.sort_unstable();
    types.dedup();
    for link_type in types {
        let _ = match link_type.name() {
            Some((name, meaning)) => writeln!(text, "  {name} ({meaning})"),
            None => writeln!(text, "  {} (not decoded)", link_type.0),
        };
    }
    terminal.print(text.as_bytes())
}

/// `-d`: the compiled EXPRESSION for the link type of the input's first frame.
fn dump_program(files: &mut Files, how: u8, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut wanted = files.wanted()?;
    let first = files.source.next_frame().map_err(Failure::error)?;
    let link_type = first.map_or(LinkType::ETHERNET, |first| first.frame.link_type);
    let program = match wanted.selection.program(link_type)? {
        Some(program) => program.clone(),
        None => Program::accept_all(),
    };
    print_program(&program, how, terminal)
}

/// Prints a program: as text, as C, or as numbers.
fn print_program(program: &Program, how: u8, terminal: &mut Terminal) -> Result<(), Failure> {
    let text = match how {
        1 => program.to_string(),
        2 => program.c_array().to_string(),
        _ => program.decimal().to_string(),
    };
    let text = format!("{}\n", text.trim_end_matches('\n'));
    terminal.print(text.as_bytes())
}
