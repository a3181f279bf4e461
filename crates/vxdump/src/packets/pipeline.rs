//! What happens to each frame, wherever it comes from: selected, counted, saved, printed.

use vxcap::{Frame, Interface};
use vxcli::Failure;
use vxlan::{Tunnel, Vni};

use super::merge::Batch;
use super::save::Save;
use super::seen::{Origin, Seen};
use super::style::{Numbers, Style};
use crate::input::capture::Next;
use crate::input::carriages::{Carriage, Carriages};
use crate::input::device_names::DeviceNames;
use crate::input::taps::DeviceFrame;
use crate::input::wanted::Wanted;
use crate::out::output::Output;

/// What one run works with.
pub(crate) struct Pipeline<'w> {
    pub(crate) wanted: Wanted,
    pub(crate) style: Style,
    pub(crate) save: Option<Save>,
    pub(crate) output: Output<'w>,
    /// The devices of a capture on all of them together.
    pub(crate) devices: Option<DeviceNames>,
    /// Lines that another thread puts in order and prints, instead of `output`.
    pub(crate) handed: Option<Batch>,
    /// Is each packet printed?
    printed: bool,
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

impl<'w> Pipeline<'w> {
    /// `printed`: each packet is printed; `most`: it ends after so many.
    pub(crate) fn new(
        wanted: Wanted,
        style: Style,
        save: Option<Save>,
        output: Output<'w>,
        printed: bool,
        most: u64,
    ) -> Self {
        let mut pipeline = Self {
            wanted,
            style,
            save,
            output,
            devices: None,
            handed: None,
            printed,
            most,
            number: 0,
            selected: 0,
        };
        if printed {
            pipeline.style.head.title(pipeline.output.buffer());
        }
        pipeline
    }

    /// What is printed goes to another thread, with nothing before the first packet, and without an
    /// end.
    pub(crate) fn hand_over(&mut self) {
        self.handed = Some(Batch::default());
        self.most = u64::MAX;
    }

    /// Takes a frame of a device.
    #[inline]
    pub(crate) fn captured(
        &mut self,
        DeviceFrame { frame, interface, device }: DeviceFrame<'_>,
        carriages: &Carriages,
    ) -> Result<Next, Failure> {
        let carriage = carriages.find(device, frame.data);
        self.frame(frame, &Arrival { interface: Some(interface), file: None, carriage })
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
        self.wanted.cut(&mut frame);
        if !self.wanted.wants_frame(&frame)? {
            return Ok(Next::Continue);
        }
        // what is only counted or written needs no decoding
        if self.printed || self.wanted.looks_inside() {
            self.decoded(&frame, from)
        } else {
            self.selected(&frame, from)
        }
    }

    fn decoded(&mut self, frame: &Frame<'_>, from: &Arrival<'_>) -> Result<Next, Failure> {
        let decoder = &self.wanted.decoder;
        let packet = decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
        let inner_len = decoder.inner_wire_len(&packet, frame.orig_len);
        if !self.wanted.wants_packet(frame, &packet, inner_len)? {
            return Ok(Next::Continue);
        }
        let next = self.selected(frame, from)?;
        if self.printed {
            let Wanted { decoder, map, .. } = &self.wanted;
            let index = || packet.outer.sll()?.interface_index();
            let device = self.devices.as_mut().and_then(|devices| devices.name(index()?));
            let origin = Origin {
                interface: device.or(from.interface.and_then(|i| i.name.as_deref())),
                file: from.file,
                carriage: from.carriage,
            };
            let tunnel = decoder.innermost_tunnel(&packet);
            let vni = tunnel.and_then(Tunnel::vni).map(Vni::number);
            let seen = Seen { frame, origin: &origin, packet: &packet, vni, inner_len };
            let (head, rest) = (&mut self.style.head, &mut self.style.rest);
            if let Some(batch) = &mut self.handed {
                rest.write(&mut batch.bytes, &seen, decoder, map);
                batch.end_of_line(frame.time, self.number);
            } else {
                let numbers = Numbers { seen: self.number, selected: self.selected };
                head.write(self.output.buffer(), frame.time, numbers);
                rest.write(self.output.buffer(), &seen, decoder, map);
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

    /// What is to be told at the end about the selection.
    pub(crate) fn warning(&self) -> Option<String> {
        unfollowed_warning(self.wanted.unfollowed())
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
    let fragments = match unfollowed {
        0 => return None,
        1 => "1 later outer fragment was selected by its".to_owned(),
        more => format!("{more} later outer fragments were selected by their"),
    };
    Some(format!(
        "warning: {fragments} own headers, because the first fragment was not \
         captured shortly before"
    ))
}
