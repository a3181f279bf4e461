//! The pipeline: blocks in, actions on their packets, blocks out.

use std::io::{self, Read};
use std::time::Duration;

use podmap::PodMap;
use vxcap::Frame;
use vxcap::file::BlockReader;
use vxcap::write::Sink;
use vxlan::{Decoder, Packet, Ports};

use crate::annotate;
use crate::anonymize::Anonymizer;
use crate::cut::Cut;
use crate::decap::Decap;
use crate::error::Error;
use crate::output::{OutputFormat, Outputs, Setting, Sinks};
use crate::report::Report;
use crate::run::Run;
use crate::source::Source;
use crate::split::Split;
use crate::to_port::ToPort;

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
    pub(crate) ports: Ports,
    pub(crate) select: Option<Box<dyn Select + 'm>>,
    pub(crate) dedup: Option<Duration>,
    pub(crate) decap: Option<Decap>,
    pub(crate) tunnel_only: bool,
    pub(crate) to_port: Option<ToPort>,
    pub(crate) annotate: Option<&'m PodMap>,
    pub(crate) anonymize: Option<Anonymizer>,
    pub(crate) cut: Cut,
    pub(crate) split: Option<Split<'m>>,
    format: OutputFormat,
    pub(crate) observer: Option<Box<dyn FnMut(Progress) -> bool + 'm>>,
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

    /// Only packets that `select` wants. Later fragments of the underlay, which show neither tunnel nor inner packet, are wanted
    /// where the first one is; the same holds for [`Self::tunnel_only`] and [`Self::split`].
    #[must_use]
    pub fn select(mut self, select: impl Select + 'm) -> Self {
        self.select = Some(Box::new(select));
        self
    }

    /// One copy of a packet that was seen at several points, within this time of each other. The first copy stays.
    ///
    /// Copies have the same payload, as far as it was captured, and the same addresses and ports, but for those of one end, which may
    /// be translated. Outer fragments of a packet stay or go together. Retransmissions stay. Of packets that have no IP identification (IPv6, and much of UDP) copies are merged only where they
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

    /// All headers of each packet, and no payload behind the innermost one: of an ICMP error the quoted headers, of carriers what they
    /// carry. What may be headers of a kind that is not known goes with the payload ([`Loss::UnknownHeaders`](crate::Loss)).
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
    pub fn run<R: Read, W: Sink>(
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
        Run::new(self, acts).run(Source::new(inputs), outputs)
    }

    /// Whether a packet that `decoder` decoded is wanted. `orig_len`: length of its frame on the wire.
    pub(crate) fn wants(
        &mut self,
        orig_len: u32,
        packet: &Packet<'_>,
        decoder: &Decoder,
    ) -> Result<bool, Error> {
        if self.tunnel_only && packet.tunnel.is_none() {
            return Ok(false);
        }
        let Some(select) = &mut self.select else { return Ok(true) };
        let inner_len = decoder.inner_wire_len(packet, orig_len);
        select.wants_packet(packet, decoder, inner_len)
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

/// The sink of a run with one output.
struct Single<W> {
    sink: Option<W>,
}

impl<W: Sink> Sinks for Single<W> {
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
