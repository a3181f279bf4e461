//! The pipeline: blocks in, actions on their packets, blocks out.

use std::io::{self, Read, Write};
use std::time::Duration;

use podmap::PodMap;
use vxcap::Frame;
use vxcap::file::{Block, BlockReader};
use vxlan::{Decoder, LinkType, Packet, Ports};

use crate::annotate;
use crate::anonymize::Anonymizer;
use crate::cut::Cut;
use crate::decap::Decap;
use crate::dedup::{Dedup, Point};
use crate::error::Error;
use crate::fragments::{Fragment, Fragments, Key, Step};
use crate::output::{Outgoing, OutputFormat, Outputs, Patches, Setting, Sinks};
use crate::packet_block::PacketBlock;
use crate::report::{Loss, Report};
use crate::source::Source;
use crate::split::Split;
use crate::to_port::ToPort;

/// The observer is asked once in so many packets.
const OBSERVED_EVERY: u64 = 1 << 14;

/// Decides which packets stay.
pub trait Select {
    /// Whether a frame stays, as it was captured.
    ///
    /// # Errors
    ///
    /// Where it cannot be told.
    fn wants_frame(&mut self, frame: &Frame<'_>) -> Result<bool, Error>;

    /// Whether a packet stays that `decoder` decoded. `inner_len`: length of its innermost frame on the wire, in bytes.
    ///
    /// # Errors
    ///
    /// Where it cannot be told.
    fn wants_packet(
        &mut self,
        packet: &Packet<'_>,
        decoder: &Decoder,
        inner_len: u32,
    ) -> Result<bool, Error>;
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Packets read so far.
    pub packets: u64,
    /// Bytes read so far.
    pub read: u64,
    /// Bytes of all inputs, where that is known.
    pub total: Option<u64>,
}

/// Actions on the packets of captures, and the format of what comes out.
///
/// Without any action, and with the format of the input, every block comes out byte for byte. Actions are carried out in this
/// order, whatever the order in which they were asked for: selection, dedup, decapsulation, the port, the comment, anonymisation, the cut, the choice of the
/// output. See the [crate's documentation](crate) for an example.
#[derive(Default)]
pub struct Pipeline<'m> {
    ports: Ports,
    select: Option<Box<dyn Select + 'm>>,
    dedup: Option<Duration>,
    decap: Option<Decap>,
    tunnel_only: bool,
    to_port: Option<ToPort>,
    annotate: Option<&'m PodMap>,
    anonymize: Option<Anonymizer>,
    cut: Cut,
    split: Option<Split<'m>>,
    format: OutputFormat,
    observer: Option<Box<dyn FnMut(Progress) -> bool + 'm>>,
}

impl<'m> Pipeline<'m> {
    /// No action; the format of the first input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which UDP ports carry tunnels.
    #[must_use]
    pub fn tunnel_ports(mut self, ports: Ports) -> Self {
        self.ports = ports;
        self
    }

    /// Only packets that `select` wants.
    #[must_use]
    pub fn select(mut self, select: impl Select + 'm) -> Self {
        self.select = Some(Box::new(select));
        self
    }

    /// One copy of a packet that was seen at several points, within this time of each other. The first copy stays.
    ///
    /// Retransmissions stay. Of packets that have no IP identification (IPv6, and much of UDP) copies are merged only where they
    /// were seen at different points and 10 ms apart at most.
    #[must_use]
    pub fn dedup(mut self, window: Duration) -> Self {
        self.dedup = Some(window);
        self
    }

    /// The inner frame in place of the outer one. Packets in no tunnel stay as they are.
    #[must_use]
    pub fn decap(mut self, decap: Decap) -> Self {
        self.decap = Some(decap);
        self
    }

    /// Packets in no tunnel are left out.
    #[must_use]
    pub fn tunnel_only(mut self) -> Self {
        self.tunnel_only = true;
        self
    }

    /// Another destination port for tunnels: those of the kind that `port` carries by default, VXLAN for a port that carries none.
    /// The same in what ICMP errors quote. Checksums are mended: a right one stays right, a partial one partial, a wrong one wrong
    /// by the same, zero stays zero.
    #[must_use]
    pub fn to_port(mut self, port: u16) -> Self {
        self.to_port = Some(ToPort::new(port));
        self
    }

    /// The map's names in name resolution blocks, and a comment for each packet with its ends and its carriage. Only pcapng
    /// holds them.
    #[must_use]
    pub fn annotate(mut self, map: &'m PodMap) -> Self {
        self.annotate = Some(map);
        self
    }

    /// Addresses replaced, in packets and in other blocks; comments, and blocks that may tell addresses in words, are left out, and so is
    /// [annotation](Self::annotate).
    #[must_use]
    pub fn anonymize(mut self, anonymizer: Anonymizer) -> Self {
        self.anonymize = Some(anonymizer);
        self
    }

    /// At most so many bytes of each packet.
    #[must_use]
    pub fn snaplen(mut self, bytes: u32) -> Self {
        self.cut.snaplen = Some(bytes);
        self
    }

    /// All headers of each packet, and no payload behind the innermost one.
    #[must_use]
    pub fn headers_only(mut self) -> Self {
        self.cut.headers_only = true;
        self
    }

    /// One output for each key.
    #[must_use]
    pub fn split(mut self, split: Split<'m>) -> Self {
        self.split = Some(split);
        self
    }

    /// The format of the output.
    #[must_use]
    pub fn format(mut self, format: OutputFormat) -> Self {
        self.format = format;
        self
    }

    /// Is told now and then how far the run has come; where it gives false the run ends with [`Error::Interrupted`].
    #[must_use]
    pub fn observe(mut self, observer: impl FnMut(Progress) -> bool + 'm) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Rewrites captures into one output; several are merged in time order.
    ///
    /// # Errors
    ///
    /// As [`Self::run_split`].
    pub fn run<R: Read, W: Write>(
        mut self,
        inputs: Vec<BlockReader<R>>,
        output: W,
    ) -> Result<(Report, W), Error> {
        self.split = None;
        let (report, single) = self.run_split(inputs, Single { sink: Some(output) })?;
        match single.sink {
            Some(sink) => Ok((report, sink)),
            None => Err(Error::Interrupted),
        }
    }

    /// Rewrites captures into as many outputs as there are keys; several inputs are merged in time order.
    ///
    /// # Errors
    ///
    /// Where an output cannot be made or written, or cannot hold a packet. Damage to an input is no error: it ends that input, and
    /// is in the report.
    pub fn run_split<R: Read, S: Sinks>(
        mut self,
        inputs: Vec<BlockReader<R>>,
        sinks: S,
    ) -> Result<(Report, S), Error> {
        let Some(first) = inputs.first() else { return Err(Error::NoInput) };
        if self.anonymize.is_some() {
            // names and comments would tell what is replaced
            self.annotate = None;
        }
        let acts = self.acts();
        let setting = Setting {
            format: self.format,
            merges: inputs.len() > 1,
            changes: acts,
            verbatim: inputs.len() == 1 && !acts,
            snaplen: self.cut.snaplen,
        };
        let names = self.annotate.map(annotate::name_blocks);
        let outputs = Outputs::new(sinks, setting, self.split.is_some(), names, first.format())?;
        if self.annotate.is_some() && !outputs.is_pcapng() {
            return Err(Error::NeedsPcapng { what: "names and comments" });
        }
        let source = Source::new(inputs);
        Run {
            decoder: Decoder::default().ports(self.ports.clone()),
            fragments: self.decap.map(|_| Fragments::default()),
            dedup: self
                .dedup
                .map(|window| Dedup::new(i64::try_from(window.as_nanos()).unwrap_or(i64::MAX))),
            pipeline: self,
            report: Report::default(),
            comment: String::new(),
            before: Vec::new(),
            after: Vec::new(),
            key: String::new(),
            acts,
        }
        .run(source, outputs)
    }

    /// Whether any packet may come out otherwise than it went in.
    fn acts(&self) -> bool {
        self.select.is_some()
            || self.dedup.is_some()
            || self.decap.is_some()
            || self.tunnel_only
            || self.to_port.is_some()
            || self.annotate.is_some()
            || self.anonymize.is_some()
            || self.cut.snaplen.is_some()
            || self.cut.headers_only
            || self.split.is_some()
    }
}

/// One run of a pipeline.
struct Run<'m> {
    pipeline: Pipeline<'m>,
    decoder: Decoder,
    fragments: Option<Fragments>,
    dedup: Option<Dedup>,
    report: Report,
    /// The packet's comment and key, in memory that is used again.
    comment: String,
    /// The packet before and after its addresses are replaced, likewise.
    before: Vec<u8>,
    after: Vec<u8>,
    key: String,
    acts: bool,
}

impl Run<'_> {
    fn run<R: Read, S: Sinks>(
        mut self,
        mut source: Source<R>,
        mut outputs: Outputs<S>,
    ) -> Result<(Report, S), Error> {
        let verbatim = outputs.is_verbatim();
        let mut any = false;
        loop {
            let (file, block) = match source.next_block() {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(damage) => {
                    self.report.damage.push(damage);
                    continue;
                }
            };
            any = true;
            let Some(packet) = PacketBlock::of(&block) else {
                self.block(file, &block, &mut outputs)?;
                continue;
            };
            self.report.read += 1;
            if verbatim {
                self.report.written += 1;
                outputs.raw(block.raw)?;
            } else if self.acts {
                self.packet(file, &packet, &mut outputs)?;
            } else {
                self.report.written += 1;
                let out = Outgoing::as_it_came(file, &packet, self.report.read);
                outputs.packet(None, &out, &mut self.report.losses)?;
            }
            if self.report.read.is_multiple_of(OBSERVED_EVERY)
                && let Some(observer) = &mut self.pipeline.observer
            {
                let (read, total) = source.progress();
                if !observer(Progress { packets: self.report.read, read, total }) {
                    return Err(Error::Interrupted);
                }
            }
        }
        let rest = self.fragments.as_mut().map(Fragments::rest);
        self.lone(rest.unwrap_or_default(), &mut outputs)?;
        if !any && let Some(damage) = self.report.damage.pop() {
            return Err(Error::Input(damage));
        }
        for _ in 0..source.unsorted() {
            self.report.losses.add(Loss::Unsorted);
        }
        let sinks = outputs.finish(&mut self.report.losses)?;
        Ok((self.report, sinks))
    }

    /// A block other than a packet's.
    fn block<S: Sinks>(
        &mut self,
        file: usize,
        block: &Block<'_>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        let losses = &mut self.report.losses;
        let Some(anonymizer) = &mut self.pipeline.anonymize else {
            return outputs.block(file, block, losses);
        };
        match anonymizer.block(block, losses) {
            None => Ok(()),
            Some(same) if same.is_empty() => outputs.block(file, block, losses),
            Some(raw) => outputs.block(file, &Block { raw: &raw, ..*block }, losses),
        }
    }

    /// Carries out the actions on a packet.
    #[inline]
    fn packet<S: Sinks>(
        &mut self,
        file: usize,
        packet: &PacketBlock<'_>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        let frame = packet.frame;
        if let Some(select) = &mut self.pipeline.select
            && !select.wants_frame(&frame)?
        {
            return Ok(());
        }
        let decoded = self.decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
        if self.fragments.is_some() && Fragments::concerns(&decoded) {
            return self.fragment(file, packet, &decoded, outputs);
        }
        self.decoded(Start::of(file, packet), &decoded, outputs)
    }

    /// A fragment of the underlay. Once all are there, the frame that they make goes on in place of the last one.
    fn fragment<S: Sinks>(
        &mut self,
        file: usize,
        packet: &PacketBlock<'_>,
        decoded: &Packet<'_>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        let Some(fragments) = &mut self.fragments else { return Ok(()) };
        let key = Key::of(file, packet, decoded);
        let step = fragments.push(file, packet, decoded);
        let time = packet.frame.time.nanos();
        let out = Start::of(file, packet);
        match step {
            Step::Kept => {}
            Step::Whole(link_type) => {
                let others = fragments.take(key);
                let whole = std::mem::take(&mut fragments.whole);
                let again = self.decoder.decode(&whole, link_type);
                if again.tunnel.is_some() {
                    self.report.reassembled += 1;
                    let out = Start {
                        data: &whole,
                        orig_len: whole.len() as u32,
                        link_type,
                        changed: true,
                        ..out
                    };
                    self.decoded(out, &again, outputs)?;
                } else {
                    self.as_they_came(others, outputs)?;
                    self.decoded(out, decoded, outputs)?;
                }
                if let Some(fragments) = &mut self.fragments {
                    fragments.whole = whole;
                }
            }
            Step::Alone => {
                let others = fragments.take(key);
                self.report.losses.add(Loss::LoneFragments);
                self.lone(others, outputs)?;
                self.decoded(out, decoded, outputs)?;
            }
        }
        while let Some(expired) = self.fragments.as_mut().and_then(|f| f.expired(time)) {
            self.lone([expired], outputs)?;
        }
        Ok(())
    }

    /// Fragments whose others are missing.
    fn lone<S: Sinks>(
        &mut self,
        fragments: impl IntoIterator<Item = Fragment>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        for fragment in fragments {
            self.report.losses.add(Loss::LoneFragments);
            self.as_they_came([fragment], outputs)?;
        }
        Ok(())
    }

    /// Fragments go on one by one.
    fn as_they_came<S: Sinks>(
        &mut self,
        fragments: impl IntoIterator<Item = Fragment>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        for Fragment { file, block, .. } in fragments {
            let block = block.block();
            let Some(packet) = PacketBlock::of(&block) else { continue };
            let frame = packet.frame;
            let decoded = self.decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
            self.decoded(Start::of(file, &packet), &decoded, outputs)?;
        }
        Ok(())
    }

    /// Carries out the actions on a packet that is decoded; `out` is the packet before them.
    #[inline]
    fn decoded<S: Sinks>(
        &mut self,
        start: Start<'_>,
        decoded: &Packet<'_>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        let Start { file, packet, mut data, mut orig_len, mut link_type, mut changed } = start;
        let mut tunnel = None;
        let pipeline = &mut self.pipeline;
        if pipeline.tunnel_only && decoded.tunnel.is_none() {
            return Ok(());
        }
        if let Some(select) = &mut pipeline.select {
            let innermost = self.decoder.innermost_tunnel(decoded);
            let inner_len = innermost.map_or(orig_len, vxlan::Tunnel::payload_wire_len);
            if !select.wants_packet(decoded, &self.decoder, inner_len)? {
                return Ok(());
            }
        }
        if let Some(dedup) = &mut self.dedup {
            let frame = &packet.frame;
            let point = Point::new(file, frame.interface, decoded);
            if dedup.is_copy(decoded, frame.time.nanos(), point) {
                self.report.merged += 1;
                return Ok(());
            }
        }
        let mut patches = Patches::NONE;
        if let Some(to_port) = pipeline.to_port {
            to_port.patches(decoded, &self.decoder, &pipeline.ports, &mut patches);
            if !patches.is_empty() {
                self.report.reported += 1;
                changed = true;
            }
        }
        if let Some(map) = pipeline.annotate {
            annotate::comment(&mut self.comment, map, decoded, &self.decoder);
        }
        let key = match pipeline.split {
            Some(split) => {
                split.key(&mut self.key, decoded, &self.decoder);
                true
            }
            None => false,
        };
        if let Some(decap) = pipeline.decap
            && decoded.tunnel.is_some()
        {
            match decap.inner_frame(decoded, &self.decoder) {
                Some(inner) => {
                    data = inner.data;
                    orig_len = inner.orig_len;
                    link_type = inner.link_type;
                    tunnel = Some(inner.carrier);
                    changed = true;
                    patches = patches.behind(inner.offset);
                    self.report.decapsulated += 1;
                }
                None => self.report.losses.add(Loss::NoLinkType),
            }
        }
        if let Some(anonymizer) = &mut pipeline.anonymize {
            self.before.clear();
            self.before.extend_from_slice(data);
            patches.apply(&mut self.before);
            patches = Patches::NONE;
            self.after.clone_from(&self.before);
            let (before, after) = (&self.before, &mut self.after);
            anonymizer.packet(before, after, link_type, orig_len, &self.decoder);
            data = &self.after;
            changed = true;
        }
        data = pipeline.cut.keep(data, link_type, orig_len, &self.decoder);
        let out = Outgoing {
            file,
            packet,
            data,
            patches: &patches,
            orig_len,
            link_type,
            tunnel,
            comment: &self.comment,
            changed,
            keeps_comments: pipeline.anonymize.is_none(),
            number: self.report.read,
        };
        self.report.written += 1;
        outputs.packet(key.then_some(self.key.as_str()), &out, &mut self.report.losses)
    }
}

impl<'a> Outgoing<'a> {
    /// A packet before any action.
    #[inline]
    fn as_it_came(file: usize, packet: &'a PacketBlock<'a>, number: u64) -> Self {
        Self {
            file,
            packet,
            data: packet.frame.data,
            patches: &Patches::NONE,
            orig_len: packet.frame.orig_len,
            link_type: packet.frame.link_type,
            tunnel: None,
            comment: "",
            changed: false,
            keeps_comments: true,
            number,
        }
    }
}

/// A packet before the actions.
#[derive(Clone, Copy)]
struct Start<'a> {
    file: usize,
    packet: &'a PacketBlock<'a>,
    /// Its bytes: those of the block, or of the frame that it completed.
    data: &'a [u8],
    orig_len: u32,
    link_type: LinkType,
    /// Whether these are not the bytes of the block.
    changed: bool,
}

impl<'a> Start<'a> {
    #[inline]
    fn of(file: usize, packet: &'a PacketBlock<'a>) -> Self {
        let frame = &packet.frame;
        Self {
            file,
            packet,
            data: frame.data,
            orig_len: frame.orig_len,
            link_type: frame.link_type,
            changed: false,
        }
    }
}

/// The sink of a run with one output.
struct Single<W> {
    sink: Option<W>,
}

impl<W: Write> Sinks for Single<W> {
    type Sink = W;

    fn open(&mut self, _key: Option<&str>, _again: bool) -> io::Result<W> {
        self.sink.take().ok_or_else(|| io::Error::other("the output is in use"))
    }

    fn close(&mut self, _key: Option<&str>, sink: W) -> io::Result<()> {
        self.sink = Some(sink);
        Ok(())
    }

    fn name(&self, _key: Option<&str>) -> String {
        "the output".to_owned()
    }
}
