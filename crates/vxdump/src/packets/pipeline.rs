//! What happens to each frame, wherever it comes from: selected, counted, saved, printed.

use std::sync::Arc;

use podmap::PodMap;
use vxcap::{Frame, Interface};
use vxcli::{Failure, Selection};
use vxlan::{Decoder, OuterFragments, Tunnel, Vni};

use super::json::Origin;
use crate::cli::PacketArgs;
use crate::input::carriages::Carriage;
use crate::input::device_names::DeviceNames;
use crate::out::output::Output;
use crate::packets::merge::Batch;
use crate::packets::save::Save;
use crate::packets::style::{Numbers, Seen, Style};

/// What one run works with.
pub(crate) struct Pipeline<'w> {
    pub(crate) decoder: Decoder,
    pub(crate) map: Arc<PodMap>,
    pub(crate) selection: Selection,
    pub(crate) style: Style,
    pub(crate) save: Option<Save>,
    pub(crate) output: Output<'w>,
    /// Whether datagrams of the underlay are wanted whose first fragment was seen.
    pub(crate) fragments: OuterFragments<bool>,
    /// The devices of a capture on all of them together.
    pub(crate) devices: Option<DeviceNames>,
    /// Lines that another thread puts in order and prints, instead of `output`.
    pub(crate) handed: Option<Batch>,
    /// Is each packet printed?
    printed: bool,
    snaplen: usize,
    most: u64,
    /// Frames seen so far.
    pub(crate) number: u64,
    /// Frames selected so far.
    pub(crate) selected: u64,
}

/// Where a frame comes from.
#[derive(Clone, Copy, Default)]
pub(crate) struct Arrival<'a> {
    /// The interface; `None` where a damaged file does not describe it.
    pub(crate) interface: Option<&'a Interface>,
    /// The file's name, where several are read.
    pub(crate) file: Option<&'a str>,
    /// How a frame on a VXLAN device will be, or was, carried.
    pub(crate) carriage: Option<Carriage>,
}

/// What comes after a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    /// As many as were asked for are there.
    Enough,
}

impl<'w> Pipeline<'w> {
    pub(crate) fn new(
        args: &PacketArgs,
        decoder: Decoder,
        map: Arc<PodMap>,
        selection: Selection,
        style: Style,
        save: Option<Save>,
        output: Output<'w>,
    ) -> Self {
        let printed = !args.print.count_only && (save.is_none() || args.write.print_too);
        let snaplen = args.input.most_bytes();
        let most = args.input.count.unwrap_or(u64::MAX);
        let mut pipeline = Self {
            decoder,
            map,
            selection,
            style,
            save,
            output,
            fragments: OuterFragments::default(),
            devices: None,
            handed: None,
            printed,
            snaplen,
            most,
            number: 0,
            selected: 0,
        };
        if printed {
            pipeline.style.head.title(pipeline.output.buffer());
        }
        pipeline
    }

    /// What is printed goes to another thread, with nothing before the first packet, and without an end.
    pub(crate) fn hand_over(&mut self) {
        self.handed = Some(Batch::default());
        self.most = u64::MAX;
    }

    /// Takes a frame.
    #[inline]
    pub(crate) fn frame(
        &mut self,
        mut frame: Frame<'_>,
        from: &Arrival<'_>,
    ) -> Result<Next, Failure> {
        self.number += 1;
        // -s cuts what is decoded and what is written alike
        frame.data = frame.data.get(..self.snaplen).unwrap_or(frame.data);
        if !self.selection.wants_frame(&frame)? {
            return Ok(Next::Continue);
        }
        // what is only counted or written needs no decoding
        if self.printed || self.selection.looks_inside() {
            self.decoded(&frame, from)
        } else {
            self.selected(&frame, from)
        }
    }

    fn decoded(&mut self, frame: &Frame<'_>, from: &Arrival<'_>) -> Result<Next, Failure> {
        let packet = self.decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
        let inner_len = self.decoder.inner_wire_len(&packet, frame.orig_len);
        let (decoder, map, interface) = (&self.decoder, &self.map, frame.interface);
        let wants = || self.selection.wants_packet(&packet, decoder, map, inner_len, interface);
        // numbered apart by file too
        let point = frame.interface.into();
        if !self.fragments.follow(&packet, point, frame.time.nanos(), wants)? {
            return Ok(Next::Continue);
        }
        let next = self.selected(frame, from)?;
        if self.printed {
            let index = || packet.outer.sll()?.interface_index();
            let device = self.devices.as_mut().and_then(|devices| devices.name(index()?));
            let origin = Origin {
                interface: device.or(from.interface.and_then(|i| i.name.as_deref())),
                file: from.file,
                carriage: from.carriage,
            };
            let tunnel = self.decoder.innermost_tunnel(&packet);
            let vni = tunnel.and_then(Tunnel::vni).map(Vni::number);
            let seen = Seen { frame, origin: &origin, packet: &packet, vni, inner_len };
            let (head, rest) = (&mut self.style.head, &mut self.style.rest);
            if let Some(batch) = &mut self.handed {
                rest.write(&mut batch.bytes, &seen, &self.decoder, &self.map);
                batch.end_of_line(frame.time, self.number);
            } else {
                let numbers = Numbers { seen: self.number, selected: self.selected };
                head.write(self.output.buffer(), frame.time, numbers);
                rest.write(self.output.buffer(), &seen, &self.decoder, &self.map);
                self.output.end_of_line()?;
            }
        }
        Ok(next)
    }

    fn selected(&mut self, frame: &Frame<'_>, from: &Arrival<'_>) -> Result<Next, Failure> {
        self.selected += 1;
        if let Some(batch) = &mut self.handed
            && !self.printed
        {
            batch.end_of_line(frame.time, self.number);
        }
        if let (Some(save), Some(interface)) = (&mut self.save, from.interface)
            && !save.packet(frame, interface)?
        {
            self.selected -= 1;
            return Ok(Next::Enough);
        }
        Ok(if self.selected == self.most { Next::Enough } else { Next::Continue })
    }

    /// Later fragments of the underlay that were selected by what they show themselves, if that makes a difference.
    pub(crate) fn unfollowed(&self) -> u64 {
        if self.selection.looks_inside() { self.fragments.unfollowed() } else { 0 }
    }

    /// What is to be told at the end about the selection.
    pub(crate) fn warning(&self) -> Option<String> {
        unfollowed_warning(self.unfollowed())
    }

    /// The map is another one now.
    pub(crate) fn map_changed(&mut self, map: Arc<PodMap>) {
        self.map = map;
        self.selection.map_changed(&self.map);
    }

    /// Writes out what is waiting.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if let Some(save) = &mut self.save {
            save.flush()?;
        }
        self.output.flush()
    }
}

/// What is to be told of so many fragments that were selected by themselves.
pub(crate) fn unfollowed_warning(unfollowed: u64) -> Option<String> {
    (unfollowed > 0).then(|| {
        format!(
            "warning: {unfollowed} later fragments of the underlay whose first one was not seen shortly before: selected by what they show themselves"
        )
    })
}
