//! Carries the command line out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use podmap::PodMap;
use vxcap::Frame;
use vxcap::file::BlockReader;
use vxcli::{Failure, Selection, Terminal, refuse_same_file, setup};
use vxlan::{Decoder, Packet};

use super::cli::{Cli, Format, Levels, SplitBy};
use super::target::{self, Target};
use crate::{Anonymizer, Decap, Error, OutputFormat, Pipeline, Report, Select, Split};

pub(crate) fn run(cli: &Cli, terminal: &mut Terminal) -> Result<(), Failure> {
    let (inputs, out, read) = files(cli, terminal)?;
    let is_stdout = out.as_os_str() == "-";
    let ports = setup::ports(&cli.files.tunnel)?;
    let map = setup::map(&cli.map, terminal)?;
    let selection = Selection::new(&cli.select, &map)?;
    let readers = inputs
        .iter()
        .map(|path| BlockReader::open(path).map_err(Failure::opening))
        .collect::<Result<Vec<_>, _>>()?;

    let bar = vxcli::Progress::new(terminal.err_is_terminal && !cli.files.no_progress);
    let interrupted = Arc::clone(&terminal.interrupted);
    let mut pipeline =
        Pipeline::new().tunnel_ports(ports).format(format(cli, out)).observe(|progress| {
            bar.show(progress.packets, progress.read, progress.total);
            !interrupted.load(Ordering::Relaxed)
        });
    if selection.is_any() {
        pipeline = pipeline.select(Selected { selection, map: &map });
    }
    if cli.actions.tunnel_only {
        pipeline = pipeline.tunnel_only();
    }
    let actions = &cli.actions;
    if actions.dedup {
        pipeline = pipeline.dedup(actions.dedup_window);
    }
    match actions.decap {
        Some(Levels::All) => pipeline = pipeline.decap(Decap::Innermost),
        Some(Levels::One) => pipeline = pipeline.decap(Decap::OneLevel),
        None => {}
    }
    if let Some(port) = actions.to_port {
        pipeline = pipeline.to_port(port);
    }
    if actions.annotate {
        if map.is_empty() {
            terminal.tell("warning: --annotate without a map has no names to write: give --map");
        }
        pipeline = pipeline.annotate(&map);
    }
    if let Some(file) = &actions.anonymize {
        if actions.split == Some(SplitBy::Flow) {
            return Err(Failure::usage(
                "--split flow with --anonymize: the names of the files would tell the addresses; split in a second run",
            ));
        }
        pipeline = pipeline.anonymize(anonymizer(file)?);
    }
    if let Some(snaplen) = actions.snaplen {
        pipeline = pipeline.snaplen(snaplen);
    }
    if actions.headers_only {
        pipeline = pipeline.headers_only();
    }
    match actions.split {
        Some(SplitBy::Vni) => pipeline = pipeline.split(Split::Vni),
        Some(SplitBy::Node) => pipeline = pipeline.split(Split::Node(&map)),
        Some(SplitBy::Flow) => pipeline = pipeline.split(Split::Flow),
        None => {}
    }

    let target = Target::new(out, &read, &mut *terminal.out);
    let result = pipeline.run_split(readers, target);
    bar.end();
    let (report, target) = result.map_err(|error| failure(error, out, is_stdout))?;
    target
        .commit()
        .map_err(|(place, error)| Failure::error(format_args!("{}: {error}", place.display())))?;
    if actions.dedup {
        terminal
            .tell(format_args!("{} copies merged, {} packets left", report.merged, report.written));
    }
    if actions.split.is_some() && report.written == 0 {
        terminal.tell("no packet is left, so no file was written");
    }
    tell(report, terminal)
}

/// The inputs, the output, and all files that are read; where they make sense together.
fn files<'c>(
    cli: &'c Cli,
    terminal: &Terminal,
) -> Result<(&'c [PathBuf], &'c Path, Vec<PathBuf>), Failure> {
    let inputs = &cli.files.read;
    if inputs.is_empty() {
        return Err(Failure::nothing_to_read(
            "a capture file with -r FILE",
            &cli.select.expression,
        ));
    }
    let Some(out) = &cli.files.write else {
        return Err(Failure::usage("nothing to write to: give -w OUT, or -w - for stdout"));
    };
    let is_stdout = out.as_os_str() == "-";
    if is_stdout && cli.actions.split.is_some() {
        return Err(Failure::usage("--split makes several files: give -w a name, not `-`"));
    }
    if is_stdout && terminal.out_is_terminal {
        return Err(Failure::usage(
            "a capture is no text: send stdout to a file or a pipe, or give -w a name",
        ));
    }
    let read: Vec<PathBuf> =
        inputs.iter().chain(cli.map.files()).chain(&cli.actions.anonymize).cloned().collect();
    refuse_same_file(read.iter().map(PathBuf::as_path), out)?;
    if inputs.iter().filter(|input| input.as_os_str() == "-").count() > 1 {
        return Err(Failure::usage("stdin can be read once only: -r - is given twice"));
    }
    Ok((inputs, out, read))
}

/// What the command line selects.
struct Selected<'m> {
    selection: Selection,
    map: &'m PodMap,
}

impl Select for Selected<'_> {
    fn wants_frame(&mut self, frame: &Frame<'_>) -> Result<bool, Error> {
        Ok(self.selection.wants_frame(frame)?)
    }

    fn wants_packet(
        &mut self,
        packet: &Packet<'_>,
        decoder: &Decoder,
        inner_len: u32,
    ) -> Result<bool, Error> {
        // overlay traffic only is asked for on devices, so the interface does not matter here
        Ok(self.selection.wants_packet(packet, decoder, self.map, inner_len, 0)?)
    }
}

/// The anonymizer with the key in a file.
fn anonymizer(file: &Path) -> Result<Anonymizer, Failure> {
    let name = file.display();
    let bytes = fs::read(file).map_err(|error| {
        Failure::usage(format_args!("cannot read the key file {name}: {error}"))
    })?;
    Anonymizer::from_key_file(&bytes)
        .map_err(|error| Failure::usage(format_args!("key file {name}: {error}")))
}

/// Tells what was not kept, and the damage.
fn tell(report: Report, terminal: &mut Terminal) -> Result<(), Failure> {
    for message in report.losses.messages() {
        terminal.tell(format_args!("warning: {message}"));
    }
    if report.unseen.packets() > 0 {
        terminal.tell(format_args!("warning: {}", report.unseen));
    }
    let mut damage = report.damage;
    let last = damage.pop();
    for error in damage {
        terminal.tell(error);
    }
    last.map_or(Ok(()), |error| Err(Failure::error(error)))
}

/// The format of OUT: as told, or from its ending, else as the first input.
fn format(cli: &Cli, out: &Path) -> OutputFormat {
    match cli.files.format {
        Some(Format::Pcap) => OutputFormat::MicrosPcap,
        Some(Format::Nsecpcap) => OutputFormat::NsecPcap,
        Some(Format::Pcapng) => OutputFormat::Pcapng,
        None => target::format(out).unwrap_or_default(),
    }
}

fn failure(error: Error, out: &Path, is_stdout: bool) -> Failure {
    match &error {
        Error::Output(vxcap::Error::Io { source, .. }) => {
            if is_stdout && source.kind() == io::ErrorKind::BrokenPipe {
                return Failure::Closed;
            }
            let name = if is_stdout { "standard output".into() } else { out.display().to_string() };
            Failure::error(format_args!("cannot write to {name}: {source}"))
        }
        Error::Create { name, source } => {
            Failure::error(format_args!("cannot write to {name}: {source}"))
        }
        Error::NeedsPcapng { .. } => Failure::usage(error),
        _ => Failure::error(error),
    }
}
