//! Which packets are wanted: the snapshot length, EXPRESSION, the decoder and the selection, in
//! this order, for all commands. Where nothing is selected, callers go past this file.

use std::sync::Arc;

use podmap::PodMap;
use vxcap::{Frame, filter};
use vxcli::{Failure, Selection};
use vxlan::{Decoder, OuterFragments, Packet};

/// `-s`: the bytes of a frame that count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snaplen(usize);

impl Snaplen {
    /// 0 and none mean all, as with tcpdump.
    pub(crate) fn new(given: Option<u32>) -> Self {
        Self(given.filter(|&n| n != 0).map_or(usize::MAX, |n| n as usize))
    }

    /// Cuts off what is beyond.
    #[inline]
    pub(crate) fn cut(self, frame: &mut Frame<'_>) {
        frame.data = frame.data.get(..self.0).unwrap_or(frame.data);
    }
}

/// Decides on each frame of an input.
pub(crate) struct Wanted {
    pub(crate) decoder: Decoder,
    pub(crate) map: Arc<PodMap>,
    pub(crate) selection: Selection,
    pub(crate) snaplen: Snaplen,
    /// What was decided about first outer fragments, for the later ones.
    fragments: OuterFragments<bool>,
}

impl Wanted {
    pub(crate) fn new(
        decoder: Decoder,
        map: Arc<PodMap>,
        selection: Selection,
        snaplen: Snaplen,
    ) -> Self {
        Self { decoder, map, selection, snaplen, fragments: OuterFragments::default() }
    }

    /// Is there any condition?
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.selection.is_any()
    }

    /// Does a condition need the decoded packet?
    #[inline]
    pub(crate) fn looks_inside(&self) -> bool {
        self.selection.looks_inside()
    }

    /// Cuts the frame to the snapshot length.
    #[inline]
    pub(crate) fn cut(&self, frame: &mut Frame<'_>) {
        self.snaplen.cut(frame);
    }

    /// Does the frame match EXPRESSION? It is cut already.
    #[inline]
    pub(crate) fn wants_frame(&mut self, frame: &Frame<'_>) -> Result<bool, filter::Error> {
        self.selection.wants_frame(frame)
    }

    /// The decoded packet, if it is wanted. Each outer fragment is decided by what it shows itself:
    /// for counting, which can do nothing with later ones.
    #[inline]
    pub(crate) fn packet<'f>(&mut self, frame: &Frame<'f>) -> Result<Option<Packet<'f>>, Failure> {
        if !self.selection.wants_frame(frame)? {
            return Ok(None);
        }
        let packet = self.decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
        if !self.selection.looks_inside() {
            return Ok(Some(packet));
        }
        let inner_len = self.decoder.inner_wire_len(&packet, frame.orig_len);
        let (decoder, map, interface) = (&self.decoder, &self.map, frame.interface);
        let wanted = self.selection.wants_packet(&packet, decoder, map, inner_len, interface)?;
        Ok(wanted.then_some(packet))
    }

    /// Is this packet of a frame that matches EXPRESSION wanted? Later outer fragments carry no
    /// tunnel header, so they inherit the decision made for their first fragment. `inner_len`:
    /// length of the innermost frame on the wire, in bytes.
    #[inline]
    pub(crate) fn wants_packet(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet<'_>,
        inner_len: u32,
    ) -> Result<bool, filter::Error> {
        let (decoder, map, interface) = (&self.decoder, &self.map, frame.interface);
        let wants = || self.selection.wants_packet(packet, decoder, map, inner_len, interface);
        // interfaces of several files are numbered apart
        let point = frame.interface.into();
        self.fragments.follow(packet, point, frame.time.nanos(), wants)
    }

    /// Later outer fragments that were decided by themselves, as their first one was not seen.
    pub(crate) fn unfollowed(&self) -> u64 {
        if self.looks_inside() { self.fragments.unfollowed() } else { 0 }
    }

    /// The map is another one now.
    pub(crate) fn map_changed(&mut self, map: Arc<PodMap>) {
        self.map = map;
        self.selection.map_changed(&self.map);
    }
}
