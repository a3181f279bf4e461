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

/// Actions on the packets of captures, and the format of the output.
///
/// Without any action, and with the format of the input, every block comes out byte for byte.
/// Actions are carried out in this order, whatever the order of the calls: selection, dedup, the
/// port, the comment, decapsulation, anonymisation, the cut. A split goes by the packet as it was
/// captured. See the [crate's documentation](crate) for an example.
#[derive(Default)]
pub struct Pipeline<'m> {
    actions: Actions<'m>,
    format: OutputFormat,
    observer: Option<Observer<'m>>,
}

impl<'m> Pipeline<'m> {
    /// A pipeline without actions, that writes the format of the first input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the UDP ports that carry tunnels.
    #[must_use]
    pub fn tunnel_ports(mut self, ports: Ports) -> Self {
        self.actions.ports = ports;
        self
    }

    /// Keeps only the packets that `select` wants. Later outer fragments carry no tunnel header, so
    /// they inherit the decision made for their first fragment. The same holds for
    /// [`Self::tunnel_only`] and [`Self::split`].
    #[must_use]
    pub fn select(mut self, select: impl Select + 'm) -> Self {
        self.actions.select = Some(Box::new(select));
        self
    }

    /// Keeps one copy of a packet that was captured at several points, the first one. Copies are at
    /// most `window` apart.
    ///
    /// Copies have the same captured payload and the same addresses and ports. The address and port
    /// of one end may differ, because they may be translated. Outer fragments of a packet stay or
    /// go together. Retransmissions stay. Packets without an IP identification (IPv6, and much of
    /// UDP) count as copies only if they were captured at different points, at most 10 ms apart.
    #[must_use]
    pub fn dedup(mut self, window: Duration) -> Self {
        self.actions.dedup = Some(window);
        self
    }

    /// Puts the inner frame in place of the outer one. Packets in no tunnel stay as they are.
    #[must_use]
    pub fn decap(mut self, decap: Decap) -> Self {
        self.actions.decap = Some(decap);
        self
    }

    /// Leaves out packets in no tunnel.
    #[must_use]
    pub fn tunnel_only(mut self) -> Self {
        self.actions.tunnel_only = true;
        self
    }

    /// Gives tunnels another destination port, also in packets that ICMP errors quote. Changed are
    /// the tunnels of the kind that `port` carries by default, or VXLAN if it carries none.
    /// Checksums are mended: a right one stays right, a partial one stays partial, a wrong one
    /// stays wrong by the same amount, and zero stays zero.
    #[must_use]
    pub fn to_port(mut self, port: u16) -> Self {
        self.actions.to_port = Some(ToPort::new(port));
        self
    }

    /// Adds the map's names in name resolution blocks, and a comment to each packet with its ends
    /// and its tunnels. Only pcapng can hold these.
    #[must_use]
    pub fn annotate(mut self, map: &'m PodMap) -> Self {
        self.actions.annotate = Some(map);
        self
    }

    /// Replaces addresses in packets and in other blocks. Comments and blocks of unknown contents
    /// are left out, and [annotation](Self::annotate) is turned off.
    #[must_use]
    pub fn anonymize(mut self, anonymizer: Anonymizer) -> Self {
        self.actions.anonymize = Some(anonymizer);
        self
    }

    /// Cuts packets to at most `bytes`.
    #[must_use]
    pub fn snaplen(mut self, bytes: u32) -> Self {
        self.actions.cut.snaplen = Some(bytes);
        self
    }

    /// Keeps all headers of each packet and no payload, through tunnels and other carriers and in
    /// packets that ICMP errors quote. Unknown protocols are cut off with the payload
    /// ([`Loss::UnknownHeaders`](crate::Loss::UnknownHeaders)).
    #[must_use]
    pub fn headers_only(mut self) -> Self {
        self.actions.cut.headers_only = true;
        self
    }

    /// Writes one output for each key.
    #[must_use]
    pub fn split(mut self, split: Split<'m>) -> Self {
        self.actions.split = Some(split);
        self
    }

    /// Sets the format of the output.
    #[must_use]
    pub fn format(mut self, format: OutputFormat) -> Self {
        self.format = format;
        self
    }

    /// Calls `observer` once in 16,384 packets. Where it breaks, the run ends with
    /// [`Error::Interrupted`].
    #[must_use]
    pub fn observe(mut self, observer: impl FnMut(Progress) -> ControlFlow<()> + 'm) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Rewrites captures into one output. Several captures are merged in time order. A
    /// [split](Self::split) is ignored.
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

    /// Rewrites captures into one output, or into one for each key of a [split](Self::split).
    /// Several captures are merged in time order.
    ///
    /// # Errors
    ///
    /// [`Error`], where an output cannot be made or written, or cannot hold a packet. Damage to an
    /// input is no error: it ends that input, and is in the report.
    pub fn run_split<R: Read, S: Sinks>(
        mut self,
        inputs: Vec<BlockReader<R>>,
        sinks: S,
    ) -> Result<(Report, S), Error> {
        let Some(first) = inputs.first() else { return Err(Error::NoInput) };
        let actions = &mut self.actions;
        if actions.anonymize.is_some() {
            // names and comments would show what was replaced
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

    fn create(&mut self, _key: Option<&str>) -> io::Result<W> {
        self.sink.take().ok_or_else(|| io::Error::other("the output is in use"))
    }

    fn reopen(&mut self, key: Option<&str>) -> io::Result<W> {
        self.create(key)
    }

    fn close(&mut self, _key: Option<&str>, sink: W) -> io::Result<()> {
        self.sink = Some(sink);
        Ok(())
    }

    fn name(&self, _key: Option<&str>) -> String {
        "the output".to_owned()
    }
}
