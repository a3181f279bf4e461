//! Reading and printing packets: the program's main job.

mod csv;
mod faults;
mod json;
pub(crate) mod live;
pub(crate) mod merge;
mod names;
pub(crate) mod pipeline;
pub(crate) mod save;
mod style;
mod threads;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use vxcap::filter::Program;
use vxcli::args::SelectArgs;
use vxcli::{Failure, Progress, Selection, Terminal, setup};
use vxlan::LinkType;

use crate::cli::{InputArgs, PacketArgs};
use crate::input::files::{Captured, Source};
use crate::input::following::Following;
use crate::out::output::Output;
use crate::out::put;
use crate::packets::pipeline::{Arrival, Next, Pipeline};
use crate::packets::save::{Plan, Save};
use crate::packets::style::Style;

pub(crate) fn run(args: &PacketArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    if !args.input.live.interface.is_empty() {
        return live::run(args, terminal);
    }
    args.input.needs_files(&args.select.expression)?;
    let decoder = setup::decoder(&args.input.tunnel)?;
    let map = Following::once(&args.map, terminal)?;
    let mut selection = Selection::new(&selected(&args.select, &args.input)?, &map)?;
    let mut source = Source::open(&args.input.read)?;
    if args.print.list_link_types {
        return list_link_types(&mut source, terminal);
    }
    if args.print.dump_program > 0 {
        return dump_program(&mut source, &mut selection, args.print.dump_program, terminal);
    }

    let save = plan(args)?.map(Save::begin).transpose()?;
    let watched = terminal.out_is_terminal || args.print.line_buffered;
    let progress = Progress::new(
        terminal.err_is_terminal && !terminal.out_is_terminal && !args.print.no_progress,
    );
    let style = Style::new(&args.print, terminal);
    let output = Output::new(&mut *terminal.out, watched);
    let mut pipeline = Pipeline::new(args, decoder, Arc::new(map), selection, style, save, output);
    let mut damage = Vec::new();
    let result = read(&mut source, &mut pipeline, &progress, &mut damage);
    progress.end();
    result?;
    let warning = pipeline.warning();
    let nothing = nothing_matched(args, &pipeline, terminal.err_is_terminal);
    finish(args, pipeline)?;
    if let Some(hint) = nothing {
        terminal.tell(hint);
    }
    if let Some(warning) = warning {
        terminal.tell(warning);
    }
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

/// What a user of tcpdump may have meant, who sees nothing.
pub(crate) fn nothing_matched(
    args: &PacketArgs,
    pipeline: &Pipeline<'_>,
    err_is_terminal: bool,
) -> Option<&'static str> {
    let outer_only = !args.select.expression.is_empty() && args.select.inner.is_none();
    (err_is_terminal && outer_only && pipeline.number > 0 && pipeline.selected == 0).then_some(
        "no packet matched: EXPRESSION is asked of the frame as captured; --inner EXPR asks the packet in the tunnel",
    )
}

/// The selection, with EXPRESSION of a file where `-F` names one.
pub(crate) fn selected(select: &SelectArgs, input: &InputArgs) -> Result<SelectArgs, Failure> {
    let mut select = select.clone();
    if let [word @ ("flows" | "top" | "map")] =
        select.expression.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        return Err(Failure::usage(format_args!(
            "`{word}` is a command and comes first: vxdump {word} -r FILE …"
        )));
    }
    if let Some(path) = &input.expression_file {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Failure::usage(format_args!("cannot read the expression file {}: {e}", path.display()))
        })?;
        select.expression = vec![text];
    }
    Ok(select)
}

/// Where packets are saved, if they are.
pub(crate) fn plan(args: &PacketArgs) -> Result<Option<Plan>, Failure> {
    let plan = Plan::new(&args.write)?;
    if plan.as_ref().is_some_and(Plan::is_stdout) && (args.write.print_too || args.print.count_only)
    {
        return Err(Failure::usage("stdout cannot take packets (-w -) and text at once"));
    }
    if let Some(plan) = &plan {
        let read =
            args.input.read.iter().chain(args.map.files()).chain(&args.input.expression_file);
        plan.refuse_over(read.map(PathBuf::as_path))?;
    }
    Ok(plan)
}

/// The loop over all frames. Damage to the input is collected, and what can be read on is.
fn read(
    source: &mut Source,
    pipeline: &mut Pipeline<'_>,
    progress: &Progress,
    damage: &mut Vec<vxcap::Error>,
) -> Result<(), Failure> {
    loop {
        progress.packet(pipeline.number, || source.progress());
        match source.next_frame() {
            Ok(Some(Captured { frame, interface, file })) => {
                if pipeline.frame(frame, &Arrival { interface, file, carriage: None })?
                    == Next::Enough
                {
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => damage.push(error),
        }
    }
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
pub(crate) fn count(output: &mut Output<'_>, selected: u64) {
    let out = output.buffer();
    put::decimal(out, selected);
    put::text(out, if selected == 1 { " packet\n" } else { " packets\n" });
}

/// `-L`: the link types of the input's interfaces, as far as the first frame tells.
fn list_link_types(source: &mut Source, terminal: &mut Terminal) -> Result<(), Failure> {
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
    print(&text, terminal)
}

/// `-d`: the compiled EXPRESSION for the link type of the input's first frame.
fn dump_program(
    source: &mut Source,
    selection: &mut Selection,
    how: u8,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let link_type = source
        .next_frame()
        .map_err(Failure::error)?
        .map_or(LinkType::ETHERNET, |captured| captured.frame.link_type);
    let program = match selection.program(link_type)? {
        Some(program) => program.clone(),
        None => Program::accept_all(),
    };
    print_program(&program, how, terminal)
}

/// Prints a program: as text, as C, or as numbers.
pub(crate) fn print_program(
    program: &Program,
    how: u8,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let text = match how {
        1 => program.to_string(),
        2 => program.c_array().to_string(),
        _ => program.decimal().to_string(),
    };
    print(text.trim_end_matches('\n'), terminal).and_then(|()| print("\n", terminal))
}

fn print(text: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut output = Output::new(&mut *terminal.out, false);
    put::text(output.buffer(), text);
    output.flush()
}
