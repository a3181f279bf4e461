//! The pipeline: blocks in, actions on their packets, blocks out.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::time::Duration;

use podmap::PodMap;
use vxcap::file::BlockReader;
use vxcap::write::Sink;
use vxlan::Ports;

use crate::actions::Actions;
use crate::annotate;
use crate::anonymize::Anonymizer;
use crate::decap::Decap;
use crate::error::Error;
use crate::inputs::Inputs;
use crate::output::{OutputFormat, Outputs, Setting, Sinks};
use crate::progress::{Observer, Progress};
use crate::report::Report;
use crate::run::Run;
use crate::select::Select;
use crate::split::Split;
use crate::to_port::ToPort;

/// Actions on the packets of captures, and the format of what comes out.
///
/// Without any action, and with the format of the input, every block comes out byte for byte. Actions are carried out in this
/// order, whatever the order in which they were asked for: selection, dedup, decapsulation, the port, the comment, anonymisation, the cut, the choice of the
/// output. See the [crate's documentation](crate) for an example.
#[derive(Default)]
pub struct Pipeline<'m> {
    actions: Actions<'m>,
    format: OutputFormat,
    observer: Option<Observer<'m>>,
}

impl<'m> Pipeline<'m> {
    /// No action; the format of the first input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which UDP ports carry tunnels.
    #[must_use]
    pub fn tunnel_ports(mut self, ports: Ports) -> Self {
        self.actions.ports = ports;
        self
    }

    /// Only packets that `select` wants. Later fragments of the underlay, which show neither tunnel nor inner packet, are wanted
    /// where the first one is; the same holds for [`Self::tunnel_only`] and [`Self::split`].
    #[must_use]
    pub fn select(mut self, select: impl Select + 'm) -> Self {
        self.actions.select = Some(Box::new(select));
        self
    }

    /// One copy of a packet that was seen at several points, within this time of each other. The first copy stays.
    ///
    /// Copies have the same payload, as far as it was captured, and the same addresses and ports, but for those of one end, which may
    /// be translated. Outer fragments of a packet stay or go together. Retransmissions stay. Of packets that have no IP identification (IPv6, and much of UDP) copies are merged only where they
    /// were seen at different points and 10 ms apart at most.
    #[must_use]
    pub fn dedup(mut self, window: Duration) -> Self {
        self.actions.dedup = Some(window);
        self
    }

    /// The inner frame in place of the outer one. Packets in no tunnel stay as they are.
    #[must_use]
    pub fn decap(mut self, decap: Decap) -> Self {
        self.actions.decap = Some(decap);
        self
    }

    /// Packets in no tunnel are left out.
    #[must_use]
    pub fn tunnel_only(mut self) -> Self {
        self.actions.tunnel_only = true;
        self
    }

    /// Another destination port for tunnels: those of the kind that `port` carries by default, VXLAN for a port that carries none.
    /// The same in what ICMP errors quote. Checksums are mended: a right one stays right, a partial one partial, a wrong one wrong
    /// by the same, zero stays zero.
    #[must_use]
    pub fn to_port(mut self, port: u16) -> Self {
        self.actions.to_port = Some(ToPort::new(port));
        self
    }

    /// The map's names in name resolution blocks, and a comment for each packet with its ends and its carriage. Only pcapng
    /// holds them.
    #[must_use]
    pub fn annotate(mut self, map: &'m PodMap) -> Self {
        self.actions.annotate = Some(map);
        self
    }

    /// Addresses replaced, in packets and in other blocks; comments, and blocks that may tell addresses in words, are left out, and so is
    /// [annotation](Self::annotate).
    #[must_use]
    pub fn anonymize(mut self, anonymizer: Anonymizer) -> Self {
        self.actions.anonymize = Some(anonymizer);
        self
    }

    /// At most so many bytes of each packet.
    #[must_use]
    pub fn snaplen(mut self, bytes: u32) -> Self {
        self.actions.cut.snaplen = Some(bytes);
        self
    }

    /// All headers of each packet, and no payload behind the innermost one: of an ICMP error the quoted headers, of carriers what they
    /// carry. What may be headers of a kind that is not known goes with the payload ([`Loss::UnknownHeaders`](crate::Loss)).
    #[must_use]
    pub fn headers_only(mut self) -> Self {
        self.actions.cut.headers_only = true;
        self
    }

    /// One output for each key.
    #[must_use]
    pub fn split(mut self, split: Split<'m>) -> Self {
        self.actions.split = Some(split);
        self
    }

    /// The format of the output.
    #[must_use]
    pub fn format(mut self, format: OutputFormat) -> Self {
        self.format = format;
        self
    }

    /// `observer` is told now and then how far the run has come. Where it breaks, the run ends with [`Error::Interrupted`].
    #[must_use]
    pub fn observe(mut self, observer: impl FnMut(Progress) -> ControlFlow<()> + 'm) -> Self {
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
        self.actions.split = None;
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
        let actions = &mut self.actions;
        if actions.anonymize.is_some() {
            // names and comments would tell what is replaced
            actions.annotate = None;
        }
        let changes = actions.is_any();
        let setting = Setting {
            format: self.format,
            merges: inputs.len() > 1,
            changes,
            verbatim: inputs.len() == 1 && !changes,
            snaplen: actions.cut.snaplen,
        };
        let names = actions.annotate.map(annotate::name_blocks);
        let outputs = Outputs::new(sinks, setting, actions.split.is_some(), names, first.format())?;
        if actions.annotate.is_some() && !outputs.is_pcapng() {
            return Err(Error::NeedsPcapng { what: "names and comments" });
        }
        Run::new(self.actions, self.observer).run(Inputs::new(inputs), outputs)
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
