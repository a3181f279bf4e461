//! Carries the command line out.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use podmap::PodMap;
use vxcap::Frame;
use vxcap::file::BlockReader;
use vxcli::{Failure, Selection, Terminal, refuse_same_file, setup};
use vxlan::{Decoder, Packet};

use super::advice;
use super::cli::{ActionArgs, Cli, Format, Levels, SplitBy};
use super::target::{self, Target};
use crate::{Anonymizer, Decap, OutputFormat, Pipeline, Report, Select, SelectError, Split};

pub(crate) fn run(cli: &Cli, terminal: &mut Terminal) -> Result<(), Failure> {
    let (inputs, out) = files(cli, terminal)?;
    let read: Vec<PathBuf> =
        inputs.iter().chain(cli.map.files()).chain(&cli.actions.anonymize).cloned().collect();
    refuse_same_file(read.iter().map(PathBuf::as_path), out)?;
    let ports = setup::ports(&cli.files.input.tunnel)?;
    let map = setup::map(&cli.map, terminal)?;
    let selection = Selection::new(&cli.select, &map)?;
    let readers = inputs
        .iter()
        .map(|path| BlockReader::open(path).map_err(Failure::opening))
        .collect::<Result<Vec<_>, _>>()?;
    if cli.actions.annotate && map.is_empty() {
        terminal.tell("warning: --annotate without a map has no names to write: give --map");
    }

    let bar = cli.files.input.progress(terminal, false);
    let interrupted = Arc::clone(&terminal.interrupted);
    let mut pipeline = actions(&cli.actions, &map)?
        .tunnel_ports(ports)
        .format(format(cli, out))
        .observe(|progress| {
            bar.show(progress.packets, progress.read, progress.total);
            if interrupted.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
    if selection.is_any() {
        pipeline = pipeline.select(Selected { selection, map: &map });
    }
    let target = Target::new(out, &read, &mut *terminal.out);
    let result = pipeline.run_split(readers, target);
    bar.end();
    let (report, target) = result.map_err(|error| advice::failure(error, out))?;
    target
        .commit()
        .map_err(|(place, error)| Failure::error(format_args!("{}: {error}", place.display())))?;
    tell(report, &cli.actions, terminal)
}

/// The inputs and the output, if they are valid together.
fn files<'c>(cli: &'c Cli, terminal: &Terminal) -> Result<(&'c [PathBuf], &'c Path), Failure> {
    let inputs = &cli.files.input.read;
    if inputs.is_empty() {
        return Err(Failure::nothing_to_read(
            "a capture file with -r FILE",
            &cli.select.expression,
        ));
    }
    if inputs.iter().filter(|input| input.as_os_str() == "-").count() > 1 {
        return Err(Failure::usage("stdin can be read once only: -r - is given twice"));
    }
    if cli.map.map.iter().any(|name| name.as_os_str() == "kernel") {
        return Err(Failure::usage(
            "--map kernel: captures may come from another node, so this node's kernel is not asked; give --map a file, as of `kubectl get nodes -o json`",
        ));
    }
    let Some(out) = &cli.files.write else {
        return Err(Failure::usage("nothing to write to: give -w OUT, or -w - for stdout"));
    };
    if out.as_os_str() == "-" {
        if cli.actions.split.is_some() {
            return Err(Failure::usage("--split makes several files: give -w a name, not `-`"));
        }
        if terminal.out_is_terminal {
            return Err(Failure::usage(
                "a capture is binary: send stdout to a file or a pipe, or give -w a name",
            ));
        }
    }
    if let Some(ending) = vxcli::compression(out).filter(|_| !target::compresses(out)) {
        return Err(Failure::usage(format_args!(
            "-w does not compress to .{ending}: use .gz, .zst or .lz4, or write to a pipe, as `-w - | COMPRESSOR > FILE`"
        )));
    }
    Ok((inputs, out))
}

/// A pipeline with the actions that are asked for.
fn actions<'m>(args: &ActionArgs, map: &'m PodMap) -> Result<Pipeline<'m>, Failure> {
    let mut pipeline = Pipeline::new();
    if args.tunnel_only {
        pipeline = pipeline.tunnel_only();
    }
    if args.dedup {
        pipeline = pipeline.dedup(args.dedup_window);
    }
    match args.decap {
        Some(Levels::All) => pipeline = pipeline.decap(Decap::Innermost),
        Some(Levels::One) => pipeline = pipeline.decap(Decap::OneLevel),
        None => {}
    }
    if let Some(port) = args.to_port {
        pipeline = pipeline.to_port(port);
    }
    if args.annotate {
        pipeline = pipeline.annotate(map);
    }
    if let Some(file) = &args.anonymize {
        if args.split == Some(SplitBy::Flow) {
            return Err(Failure::usage(
                "--split flow with --anonymize: the file names would contain the addresses; split in a second run",
            ));
        }
        pipeline = pipeline.anonymize(anonymizer(file)?);
    }
    if let Some(snaplen) = args.snaplen {
        pipeline = pipeline.snaplen(snaplen);
    }
    if args.headers_only {
        pipeline = pipeline.headers_only();
    }
    match args.split {
        Some(SplitBy::Vni) => pipeline = pipeline.split(Split::Vni),
        Some(SplitBy::Node) => pipeline = pipeline.split(Split::Node(map)),
        Some(SplitBy::Flow) => pipeline = pipeline.split(Split::Flow),
        None => {}
    }
    Ok(pipeline)
}

/// What the command line selects.
struct Selected<'m> {
    selection: Selection,
    map: &'m PodMap,
}

impl Select for Selected<'_> {
    fn wants_frame(&mut self, frame: &Frame<'_>) -> Result<bool, SelectError> {
        Ok(self.selection.wants_frame(frame)?)
    }

    fn wants_packet(
        &mut self,
        packet: &Packet<'_>,
        decoder: &Decoder,
        inner_len: u32,
    ) -> Result<bool, SelectError> {
        // only devices are limited to overlay traffic, so the interface does not matter here
        Ok(self.selection.wants_packet(packet, decoder, self.map, inner_len, 0)?)
    }
}

/// The anonymizer with the key in a file.
fn anonymizer(file: &Path) -> Result<Anonymizer, Failure> {
    let bytes = fs::read(file).map_err(|error| {
        Failure::usage(format_args!("cannot read the key file {}: {error}", file.display()))
    })?;
    Anonymizer::from_key_file(&bytes).map_err(|error| advice::key_file(error, file))
}

/// Reports what was merged, what was not kept, and the damage.
fn tell(report: Report, args: &ActionArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    if args.dedup {
        terminal
            .tell(format_args!("{} copies merged, {} packets left", report.merged, report.written));
    }
    if args.split.is_some() && report.written == 0 {
        terminal.tell("no packet is left, so no file was written");
    }
    for (loss, count) in report.losses.iter() {
        terminal.tell(format_args!("warning: {}", advice::loss(loss, count)));
    }
    if report.unseen.packets() > 0 {
        terminal.tell(format_args!("warning: {}", report.unseen));
    }
    terminal.tell_damage(report.damage)
}

/// The format of OUT: by -F, else by its ending, else that of the first input.
fn format(cli: &Cli, out: &Path) -> OutputFormat {
    match cli.files.format {
        Some(Format::Pcap) => OutputFormat::MicrosPcap,
        Some(Format::Nsecpcap) => OutputFormat::NsecPcap,
        Some(Format::Pcapng) => OutputFormat::Pcapng,
        None => target::format(out).unwrap_or_default(),
    }
}
