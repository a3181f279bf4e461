//! The form of a pcapng output (draft-ietf-opsawg-pcapng).

use vxcap::file::{Block, Body, ByteOrder, Format, PcapHeader, block_type, option};
use vxcap::write::{BlockWriter, Sink};
use vxcap::{Interface, Resolution};

use super::interfaces::{self, Interfaces, Known};
use super::outgoing::Outgoing;
use super::preface::Preface;
use super::setting::Setting;
use super::{blocks, options, transcode};
use crate::error::Error;
use crate::packet_block::{PacketBlock, PacketKind};
use crate::report::{Loss, Losses};

/// The byte-order magic of a section header block (section 4.1).
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// The length of a section that does not give one (section 4.1).
const LENGTH_NOT_TOLD: [u8; 8] = [0xff; 8];
/// Where a section header block has the section's length (section 4.1).
const SECTION_LENGTH_AT: usize = 16;
/// Where enhanced packet blocks, obsolete packet blocks and statistics blocks have their interface
/// (sections 4.3, 4.6, appendix A).
const INTERFACE_AT: usize = 8;
/// Where enhanced and obsolete packet blocks have the time (section 4.3, appendix A).
const TICKS_AT: usize = 12;
/// The bits of `epb_flags` with the length of the frame check sequence (section 4.3.1).
const FLAGS_FCS_LENGTH: u32 = 0x1e0;

/// The state of a pcapng output.
#[derive(Debug)]
pub(crate) struct PcapngShape {
    setting: Setting,
    order: ByteOrder,
    begun: bool,
    interfaces: Interfaces,
    /// Blocks to be written before the first packet of a section.
    preface: Option<Preface>,
    preface_due: bool,
    /// The options of a packet that is written anew.
    options: Vec<u8>,
}

impl PcapngShape {
    pub(crate) fn new(setting: Setting, preface: Option<Preface>) -> Self {
        Self {
            setting,
            order: ByteOrder::NATIVE,
            begun: false,
            interfaces: Interfaces::default(),
            preface,
            preface_due: false,
            options: Vec::new(),
        }
    }

    pub(crate) fn block<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        file: usize,
        block: &Block<'_>,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        match block.body {
            Body::PcapHeader(header) => self.pcap_header(writer, file, &header),
            Body::Section(_) => self.section(writer, file, block, losses),
            Body::Interface(description) => {
                let (Some(interface), Some(idb)) =
                    (block.interface(), self.in_order(block, losses))
                else {
                    return Ok(());
                };
                writer.raw(&idb)?;
                self.interfaces.add(file, description.index, &interface, idb);
                Ok(())
            }
            Body::Statistics(statistics) => {
                let Some(mut raw) = self.in_order(block, losses) else { return Ok(()) };
                let number = self.interfaces.number_of(file, statistics.section_interface);
                if let (Some(number), Some(field)) =
                    (number, raw.get_mut(INTERFACE_AT..INTERFACE_AT + 4))
                {
                    field.copy_from_slice(&self.order.bytes32(number));
                }
                Ok(writer.raw(&raw)?)
            }
            _ if block.order == self.order => Ok(writer.raw(block.raw)?),
            _ => match self.in_order(block, losses) {
                Some(raw) => Ok(writer.raw(&raw)?),
                None => Ok(()),
            },
        }
    }

    /// The block in the output's byte order. `None` where that is not possible; then the loss is
    /// counted.
    fn in_order(&self, block: &Block<'_>, losses: &mut Losses) -> Option<Vec<u8>> {
        if block.order == self.order {
            return Some(block.raw.to_vec());
        }
        let raw = transcode::transcode(block, self.order);
        if raw.is_none() {
            losses.add(Loss::OtherBlocks);
        }
        raw
    }

    fn section<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        file: usize,
        block: &Block<'_>,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        self.interfaces.begin_section_of(file);
        if self.setting.merges && self.begun {
            // one section holds the packets of all files
            if block.options().any(|field| field.code != option::SHB_USERAPPL) {
                losses.add(Loss::SectionFacts);
            }
            return Ok(());
        }
        self.begun = true;
        self.order = block.order;
        self.interfaces.begin_section();
        self.preface_due = self.preface.is_some();
        Ok(writer.append(block.raw.len(), |buffer| {
            let start = buffer.len() + SECTION_LENGTH_AT;
            buffer.extend_from_slice(block.raw);
            if (self.setting.changes || self.setting.merges)
                && let Some(length) = buffer.get_mut(start..start + LENGTH_NOT_TOLD.len())
            {
                length.copy_from_slice(&LENGTH_NOT_TOLD);
            }
        })?)
    }

    /// Describes a pcap file as an interface.
    fn pcap_header<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        file: usize,
        header: &PcapHeader,
    ) -> Result<(), Error> {
        if !self.begun {
            self.begun = true;
            if let Format::Pcap { order, .. } = header.format {
                self.order = order;
            }
            let order = self.order;
            self.preface_due = self.preface.is_some();
            blocks::block(writer, order, block_type::SECTION, 64, |out| {
                out.extend(order.bytes32(BYTE_ORDER_MAGIC));
                out.extend(order.bytes16(1));
                out.extend(order.bytes16(0));
                out.extend(LENGTH_NOT_TOLD);
                let program = concat!("vxrewrite ", env!("CARGO_PKG_VERSION"));
                options::push(out, order, option::SHB_USERAPPL, program.as_bytes());
                out.extend(options::END_MARK);
            })?;
        }
        let nanos = matches!(header.format, Format::Pcap { nanos: true, .. });
        let mut interface = Interface::new(header.link_type, header.snaplen)
            .with_resolution(if nanos { Resolution::NANOS } else { Resolution::MICROS });
        interface.fcs_len = header.fcs_len;
        let idb = interfaces::describe(&interface, self.order);
        writer.raw(&idb)?;
        self.interfaces.add(file, 0, &interface, idb);
        Ok(())
    }

    #[inline]
    pub(crate) fn packet<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        out: &Outgoing<'_>,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        if self.preface_due {
            self.write_preface(writer)?;
        }
        let packet = out.packet;
        let frame = &packet.frame;
        let Some(known) = self.interfaces.get(out.file, frame.interface) else { return Ok(()) };
        let as_it_stands = packet.block.order == self.order
            && out.data.len() == frame.data.len()
            && out.orig_len == frame.orig_len
            && out.tunnel.is_none()
            && out.comment.is_empty()
            && (!packet.has_options() || (!out.changed && out.keeps_comments));
        let number = known.number;
        match packet.kind {
            PacketKind::Enhanced if as_it_stands => {
                append(writer, out, &self.order.bytes32(number))
            }
            PacketKind::Obsolete(_) if as_it_stands && u16::try_from(number).is_ok() => {
                append(writer, out, &self.order.bytes16(number as u16))
            }
            PacketKind::Simple if as_it_stands && number == 0 => append(writer, out, &[]),
            _ => self.made_anew(writer, out, losses),
        }
    }

    /// Writes an enhanced packet block for a packet from any kind of block.
    fn made_anew<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        out: &Outgoing<'_>,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        let (packet, order) = (out.packet, self.order);
        let (file, interface) = (out.file, packet.frame.interface);
        let Some(known) = self.interfaces.get(file, interface) else { return Ok(()) };
        let ticks = ticks(packet, known);
        if packet.kind == PacketKind::Simple {
            losses.add(Loss::NoTime);
        }
        if packet.has_long_header() {
            losses.add(Loss::RecordFields);
        }
        let mut number = known.number;
        if let Some(carrier) = out.tunnel {
            match self.interfaces.made(file, interface, carrier, out.link_type, order) {
                Some((made, idb)) => {
                    if let Some(idb) = idb {
                        writer.raw(&idb)?;
                    }
                    number = made;
                }
                None => return Ok(()),
            }
        }
        self.options.clear();
        let is_obsolete = matches!(packet.kind, PacketKind::Obsolete(_));
        if packet.has_options() || is_obsolete || !out.comment.is_empty() {
            self.make_options(out, losses);
        }
        let len = 32 + out.data.len().next_multiple_of(4) + self.options.len();
        let mut header = [0; 28];
        for (field, word) in header.chunks_exact_mut(4).zip([
            block_type::ENHANCED_PACKET,
            len as u32,
            number,
            (ticks >> 32) as u32,
            ticks as u32,
            out.data.len() as u32,
            out.orig_len,
        ]) {
            field.copy_from_slice(&order.bytes32(word));
        }
        Ok(writer.append(len, |buffer| {
            buffer.extend_from_slice(&header);
            let start = buffer.len();
            buffer.extend_from_slice(out.data);
            if let Some(data) = buffer.get_mut(start..) {
                out.patches.apply(data);
            }
            options::pad(buffer, out.data.len());
            buffer.extend_from_slice(&self.options);
            buffer.extend_from_slice(&order.bytes32(len as u32));
        })?)
    }

    /// The packet's options, and the comment that is added.
    fn make_options(&mut self, out: &Outgoing<'_>, losses: &mut Losses) {
        let order = self.order;
        let into = &mut self.options;
        if out.packet.has_options() {
            for field in out.packet.block.options() {
                match field.code {
                    code if !out.keeps_comments && transcode::is_free_form(code) => {
                        losses.add(Loss::Comments);
                    }
                    option::EPB_HASH if out.changed => losses.add(Loss::Hashes),
                    option::EPB_FLAGS if out.tunnel.is_some() => {
                        let flags = field.u32().unwrap_or_default() & !FLAGS_FCS_LENGTH;
                        options::push(into, order, field.code, &order.bytes32(flags));
                    }
                    _ => {
                        transcode::push_translated(
                            into,
                            &field,
                            block_type::ENHANCED_PACKET,
                            order,
                        );
                    }
                }
            }
        }
        if let PacketKind::Obsolete(Some(drops)) = out.packet.kind {
            options::push(into, order, option::EPB_DROPCOUNT, &order.bytes64(drops.into()));
        }
        if !out.comment.is_empty() {
            options::push(into, order, option::COMMENT, out.comment.as_bytes());
        }
        if !into.is_empty() {
            into.extend(options::END_MARK);
        }
    }

    #[cold]
    fn write_preface<W: Sink>(&mut self, writer: &mut BlockWriter<W>) -> Result<(), Error> {
        self.preface_due = false;
        match self.preface.as_ref().map(|preface| preface.in_order(self.order)) {
            None | Some([]) => Ok(()),
            Some(blocks) => Ok(writer.raw(blocks)?),
        }
    }
}

/// Copies a packet's block, with the output's number of its interface.
#[inline]
fn append<W: Sink>(
    writer: &mut BlockWriter<W>,
    out: &Outgoing<'_>,
    interface: &[u8],
) -> Result<(), Error> {
    let packet = out.packet;
    Ok(writer.append(packet.block.raw.len(), |buffer| {
        let start = buffer.len();
        buffer.extend_from_slice(packet.head());
        if let Some(field) =
            buffer.get_mut(start + INTERFACE_AT..start + INTERFACE_AT + interface.len())
        {
            field.copy_from_slice(interface);
        }
        let data_at = buffer.len();
        buffer.extend_from_slice(out.data);
        if !out.patches.is_empty()
            && let Some(data) = buffer.get_mut(data_at..)
        {
            out.patches.apply(data);
        }
        buffer.extend_from_slice(packet.tail());
    })?)
}

/// The time of a packet in its interface's unit. It is copied where the block has it in that unit.
fn ticks(packet: &PacketBlock<'_>, known: &Known) -> u64 {
    match packet.kind {
        PacketKind::Enhanced | PacketKind::Obsolete(_) => {
            let word = |at: usize| {
                let bytes = packet.block.raw.get(at..).and_then(<[u8]>::first_chunk::<4>);
                bytes.map_or(0_u64, |bytes| packet.block.order.u32(*bytes).into())
            };
            (word(TICKS_AT) << 32) | word(TICKS_AT + 4)
        }
        PacketKind::Simple => 0,
        PacketKind::Record => known.resolution.ticks(packet.frame.time, known.ts_offset),
    }
}
