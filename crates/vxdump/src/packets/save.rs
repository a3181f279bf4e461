//! `-w`: packets as captured into capture files, one after the other where they are to be rotated.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use jiff::Zoned;
use vxcap::write::{InterfaceCounts, PacketOptions, PcapFormat, PcapWriter, PcapngWriter, Section};
use vxcap::{Error, Frame, Interface, Timestamp};
use vxcli::Failure;

use crate::input::host::operating_system;

/// Where packets are saved, and when a new file is begun.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) path: PathBuf,
    /// `-C`: a new file where one exceeds this many bytes.
    pub(crate) size: Option<u64>,
    /// `-G`: a new file each time this has passed.
    pub(crate) period: Option<Duration>,
    /// `-W`: how many files.
    pub(crate) files: Option<u32>,
    /// `-z`: run with the name of each file that is complete.
    pub(crate) command: Option<String>,
    /// Write each packet out at once (`-U`).
    pub(crate) packet_buffered: bool,
}

impl Plan {
    /// # Errors
    ///
    /// [`Failure::Usage`] where the file cannot be written so.
    pub(crate) fn check(self) -> Result<Self, Failure> {
        if let Some(ending) = vxcli::compression(&self.path) {
            return Err(Failure::usage(format_args!(
                "-w does not compress (.{ending}): write to a pipe, as `-w - | zstd > FILE`, or use vxrewrite"
            )));
        }
        if self.is_stdout() && self.rotates() {
            return Err(Failure::usage("-C and -G need a file for -w: stdout cannot be rotated"));
        }
        Ok(self)
    }

    /// Is stdout taken for packets?
    pub(crate) fn is_stdout(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// The folder in which files are made.
    pub(crate) fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Refuses to write over what is read.
    pub(crate) fn refuse_over<'f>(
        &self,
        read: impl IntoIterator<Item = &'f Path>,
    ) -> Result<(), Failure> {
        vxcli::refuse_same_file(read, &self.path)
    }

    /// Are new files begun on the way?
    pub(crate) fn rotates(&self) -> bool {
        self.size.is_some() || self.period.is_some()
    }

    /// Is it a pcap file, by its ending?
    pub(crate) fn is_pcap(&self) -> bool {
        is_pcap(&self.path)
    }

    /// Does it start other programs?
    pub(crate) fn runs_commands(&self) -> bool {
        self.command.is_some()
    }

    /// The name of a file: with `-G` the time when its period began is filled in as by strftime(3),
    /// with `-C` its number in the period follows, as with tcpdump.
    fn name(&self, period: &Zoned, number: u32) -> Result<PathBuf, Failure> {
        let mut name = self.path.clone().into_os_string();
        if self.period.is_some() {
            let pattern = self.path.to_string_lossy();
            let filled = jiff::fmt::strtime::format(pattern.as_bytes(), period)
                .map_err(|e| Failure::usage(format_args!("-w {pattern}: {e}")))?;
            name = filled.into();
        }
        if self.size.is_some() {
            match self.files {
                Some(files) => {
                    let width = files.saturating_sub(1).max(1).ilog10() as usize + 1;
                    name.push(format!("{:0width$}", number % files.max(1)));
                }
                _ if number > 0 => name.push(number.to_string()),
                _ => {}
            }
        }
        Ok(name.into())
    }
}

/// The file that is being written.
enum Writer {
    Pcap(PcapWriter<Sink>),
    /// With the number here of each interface of the source.
    Pcapng(PcapngWriter<Sink>, Vec<Option<u32>>),
    /// Of pcap the header tells the link type: it is not known before the first packet.
    Waiting(Sink),
}

/// A file or stdout.
enum Sink {
    File(File),
    Stdout(io::Stdout),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

/// What an interface tells at the end of a file.
pub(crate) struct Ended<'i> {
    /// The interface's number in the source.
    pub(crate) interface: u32,
    pub(crate) described: &'i Interface,
    /// When it was counted.
    pub(crate) time: Timestamp,
    pub(crate) counts: InterfaceCounts,
}

/// Saves packets.
pub(crate) struct Save {
    plan: Plan,
    name: PathBuf,
    writer: Option<Writer>,
    /// Files begun so far, …
    number: u32,
    /// … and the number of this one in its period.
    in_period: u32,
    /// When the period began, of which there is but one without `-G`: by the clock, and to measure
    /// from.
    period: (Zoned, Instant),
    children: Vec<Child>,
    /// It was said that times lose digits.
    told_coarse: bool,
}

impl Save {
    /// Begins the first file, so that a folder that is not there is told at once.
    pub(crate) fn begin(plan: Plan) -> Result<Self, Failure> {
        let period = (Zoned::now(), Instant::now());
        let name = plan.name(&period.0, 0)?;
        let writer = Some(open(&name).map_err(Failure::usage)?);
        Ok(Self {
            plan,
            name,
            writer,
            number: 1,
            in_period: 0,
            period,
            children: Vec::new(),
            told_coarse: false,
        })
    }

    /// Saves a packet. `false`: `-W` says that it was the last file.
    #[inline]
    pub(crate) fn packet(
        &mut self,
        frame: &Frame<'_>,
        interface: &Interface,
    ) -> Result<bool, Failure> {
        if (self.plan.size.is_some() || self.plan.period.is_some()) && self.is_full() {
            if !self.has_another() {
                return Ok(false);
            }
            self.rotate()?;
        }
        let written = self.write(frame, interface);
        self.checked(written)?;
        if self.plan.packet_buffered {
            self.flush()?;
        }
        Ok(true)
    }

    fn write(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<(), Error> {
        if matches!(self.writer, Some(Writer::Waiting(_)))
            && let Some(Writer::Waiting(sink)) = self.writer.take()
        {
            self.writer = Some(Writer::Pcap(PcapWriter::new(sink, PcapFormat::of(interface))?));
        }
        match &mut self.writer {
            Some(Writer::Pcap(writer)) => {
                if !self.told_coarse && !writer.format().nanos && frame.time.nanos() % 1000 != 0 {
                    self.told_coarse = true;
                    eprintln!(
                        "vxdump: {}: times are cut to microseconds, which the first packet's interface has: write pcapng to keep nanoseconds",
                        self.name.display()
                    );
                }
                writer.packet(frame)
            }
            Some(Writer::Pcapng(writer, numbers)) => {
                let mut frame = *frame;
                frame.interface = number(writer, numbers, frame.interface, interface)?;
                if frame.time == Timestamp::default() && interface.ts_offset > 0 {
                    // simple packet blocks have no time, and the interface none so early
                    let earliest = interface.ts_offset.saturating_mul(1_000_000_000);
                    frame.time = Timestamp::from_nanos(earliest);
                }
                writer.packet(&frame, &PacketOptions::default())
            }
            Some(Writer::Waiting(_)) | None => Ok(()),
        }
    }

    /// Writes out what is waiting: call it where nothing comes for a while.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        let flushed = match &mut self.writer {
            Some(Writer::Pcap(writer)) => writer.flush(),
            Some(Writer::Pcapng(writer, _)) => writer.flush(),
            Some(Writer::Waiting(_)) | None => Ok(()),
        };
        self.checked(flushed)
    }

    /// Ends the last file, with what its interfaces tell; and waits for the commands of `-z`.
    pub(crate) fn finish(mut self, ended: &[Ended<'_>]) -> Result<(), Failure> {
        if let Some(Writer::Pcapng(writer, numbers)) = &mut self.writer {
            let mut told = Ok(());
            for end in ended {
                told = told.and_then(|()| {
                    let id = number(writer, numbers, end.interface, end.described)?;
                    writer.statistics(id, end.time, &end.counts)
                });
            }
            self.checked(told)?;
        }
        self.close(ended)?;
        for mut child in std::mem::take(&mut self.children) {
            // its status is its own affair
            let _ = child.wait();
        }
        Ok(())
    }

    fn is_full(&mut self) -> bool {
        let written = match &mut self.writer {
            Some(Writer::Pcap(writer)) => writer.blocks().position(),
            Some(Writer::Pcapng(writer, _)) => writer.blocks().position(),
            Some(Writer::Waiting(_)) | None => 0,
        };
        self.plan.size.is_some_and(|size| written > size) || self.is_period_over()
    }

    fn is_period_over(&self) -> bool {
        self.plan.period.is_some_and(|period| self.period.1.elapsed() >= period)
    }

    /// With `-G` alone, `-W` is how many files there are in all; with `-C` names come around again.
    fn has_another(&self) -> bool {
        self.plan.size.is_some() || self.plan.files.is_none_or(|files| self.number < files)
    }

    fn rotate(&mut self) -> Result<(), Failure> {
        self.close(&[])?;
        self.number += 1;
        self.in_period += 1;
        if self.is_period_over() {
            self.in_period = 0;
            self.period = (Zoned::now(), Instant::now());
        }
        self.name = self.plan.name(&self.period.0, self.in_period)?;
        self.writer = Some(open(&self.name).map_err(Failure::error)?);
        Ok(())
    }

    fn close(&mut self, ended: &[Ended<'_>]) -> Result<(), Failure> {
        let finished = match self.writer.take() {
            Some(Writer::Pcap(writer)) => writer.finish().map(drop),
            Some(Writer::Pcapng(writer, _)) => writer.finish().map(drop),
            // no packet came: still a file that can be read
            Some(Writer::Waiting(sink)) => {
                let ethernet = Interface::new(vxcap::LinkType::ETHERNET, 262_144);
                let interface = ended.first().map_or(&ethernet, |end| end.described);
                PcapWriter::new(sink, PcapFormat::of(interface)).and_then(|w| w.finish().map(drop))
            }
            None => Ok(()),
        };
        self.checked(finished)?;
        if let Some(command) = &self.plan.command {
            self.children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
            match Command::new(command).arg(&self.name).spawn() {
                Ok(child) => self.children.push(child),
                // as with tcpdump, the capture goes on
                Err(e) => {
                    eprintln!("vxdump: cannot run {command} for {}: {e}", self.name.display());
                }
            }
        }
        Ok(())
    }

    /// Says what happened to which file. Where the disk is full, a block that was written in part
    /// is taken back, so that what is there can be read.
    fn checked<T>(&mut self, result: Result<T, Error>) -> Result<T, Failure> {
        result.map_err(|error| {
            if let Error::Io { source, .. } = &error
                && source.kind() == io::ErrorKind::BrokenPipe
            {
                return Failure::Closed;
            }
            if matches!(error, Error::Unwritable { .. }) {
                // the file is well, and one packet does not belong there
                let flushed = match &mut self.writer {
                    Some(Writer::Pcap(writer)) => writer.flush(),
                    Some(Writer::Pcapng(writer, _)) => writer.flush(),
                    _ => Ok(()),
                };
                let name = self.name.display();
                return Failure::error(match flushed {
                    Ok(()) => format!("{name}: {error}; the packets before it are there"),
                    Err(flushing) => format!("{name}: {error}; {flushing}"),
                });
            }
            let kept = match &mut self.writer {
                Some(Writer::Pcap(writer)) => whole(writer.blocks()),
                Some(Writer::Pcapng(writer, _)) => whole(writer.blocks()),
                _ => None,
            };
            let name = self.name.display();
            match kept {
                Some(len) => {
                    Failure::error(format_args!("{name}: {error}; the first {len} bytes are whole"))
                }
                None => Failure::error(format_args!("{name}: {error}")),
            }
        })
    }
}

/// Cuts the file behind its last whole block.
fn whole(blocks: &vxcap::write::BlockWriter<Sink>) -> Option<u64> {
    let len = blocks.whole_len();
    match blocks.sink() {
        Some(Sink::File(file)) => file.set_len(len).ok().map(|()| len),
        _ => None,
    }
}

/// The number of an interface in the file; described first, if this is its first packet.
fn number(
    writer: &mut PcapngWriter<Sink>,
    numbers: &mut Vec<Option<u32>>,
    source: u32,
    interface: &Interface,
) -> Result<u32, Error> {
    let place = source as usize;
    if let Some(Some(number)) = numbers.get(place) {
        return Ok(*number);
    }
    let number = writer.interface(interface, &[])?;
    if numbers.len() <= place {
        numbers.resize(place + 1, None);
    }
    if let Some(entry) = numbers.get_mut(place) {
        *entry = Some(number);
    }
    Ok(number)
}

/// Is it a pcap file, by its ending? `r.pcap0` of -C -W is one too.
fn is_pcap(name: &Path) -> bool {
    let ending = name.extension().map(|ending| ending.to_string_lossy());
    let ending = ending.as_deref().map(|e| e.trim_end_matches(|c: char| c.is_ascii_digit()));
    matches!(ending, Some("pcap" | "cap"))
}

/// Creates a file, pcap or pcapng by its ending.
fn open(name: &Path) -> Result<Writer, Error> {
    let sink = if name.as_os_str() == "-" {
        Sink::Stdout(io::stdout())
    } else {
        Sink::File(File::create(name).map_err(|e| Error::Open(e).in_file(name))?)
    };
    if is_pcap(name) {
        return Ok(Writer::Waiting(sink));
    }
    let mut writer = PcapngWriter::new(sink);
    let os = operating_system();
    let program = concat!("vxdump ", env!("CARGO_PKG_VERSION"));
    writer.section(&Section::default().os(os.as_deref()).application(program))?;
    Ok(Writer::Pcapng(writer, Vec::new()))
}
