//! The actions of a run: what is done to packets, and which of them stay.

use std::time::Duration;

use podmap::PodMap;
use vxlan::{Decoder, Packet, Ports};

use crate::anonymize::Anonymizer;
use crate::cut::Cut;
use crate::decap::Decap;
use crate::error::Error;
use crate::select::Select;
use crate::split::Split;
use crate::to_port::ToPort;

/// What is done to packets. Where nothing is asked for, every packet stays as it is.
#[derive(Default)]
pub(crate) struct Actions<'m> {
    /// The UDP ports that carry tunnels.
    pub(crate) ports: Ports,
    pub(crate) select: Option<Box<dyn Select + 'm>>,
    pub(crate) tunnel_only: bool,
    /// How far apart copies are at most.
    pub(crate) dedup: Option<Duration>,
    pub(crate) decap: Option<Decap>,
    pub(crate) to_port: Option<ToPort>,
    pub(crate) annotate: Option<&'m PodMap>,
    pub(crate) anonymize: Option<Anonymizer>,
    pub(crate) cut: Cut,
    pub(crate) split: Option<Split<'m>>,
}

impl Actions<'_> {
    /// Whether any packet may come out otherwise than it went in, or not at all.
    pub(crate) fn is_any(&self) -> bool {
        self.chooses()
            || self.decap.is_some()
            || self.to_port.is_some()
            || self.annotate.is_some()
            || self.anonymize.is_some()
            || !self.cut.is_none()
    }

    /// Whether packets are looked at to choose some of them, or to choose their output.
    pub(crate) fn chooses(&self) -> bool {
        self.select.is_some() || self.tunnel_only || self.dedup.is_some() || self.split.is_some()
    }

    /// Whether outer fragments are put together: for what is asked of whole packets.
    pub(crate) fn reassembles(&self) -> bool {
        self.decap.is_some() || self.dedup.is_some()
    }

    /// Whether a packet that `decoder` decoded is wanted. `orig_len`: length of its frame on the
    /// wire.
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
        select.wants_packet(packet, decoder, inner_len).map_err(Error::Select)
    }
}
