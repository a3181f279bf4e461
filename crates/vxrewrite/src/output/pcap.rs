//! The form of a pcap output (draft-ietf-opsawg-pcap).

use vxcap::file::{Block, Body, ByteOrder, Format, PcapHeader, Variant, option};
use vxcap::write::{BlockWriter, Sink};
use vxcap::{LinkType, Resolution, Timestamp};

use super::outgoing::Outgoing;
use super::setting::{OutputFormat, Setting};
use crate::error::Error;
use crate::packet_block::PacketKind;
use crate::report::{Loss, Losses};

/// Magic number of files with microseconds (section 4).
const MICROS_MAGIC: u32 = 0xa1b2_c3d4;
/// Magic number of files with nanoseconds (section 4).
const NANOS_MAGIC: u32 = 0xa1b2_3c4d;
/// Length of a file header (section 4).
const HEADER_LEN: usize = 24;
/// Where the file header has the snapshot length and the link type (section 4).
const SNAPLEN_AT: usize = 16;
const LINK_TYPE_AT: usize = 20;
/// Where a record header has the captured length and the original length (section 5).
const LENGTHS_AT: usize = 8;
/// The greatest snapshot length of libpcap (`pcap-int.h`: `MAXIMUM_SNAPLEN`), for files whose
/// packets come from several interfaces.
const USUAL_SNAPLEN: u32 = 262_144;

/// The state of a pcap output.
#[derive(Debug)]
pub(crate) struct PcapShape {
    setting: Setting,
    /// The header of the only input, where its records can be copied.
    native: Option<Native>,
    /// Set once the file header is written.
    open: Option<Open>,
    /// How many interfaces were described, and link type and snapshot length of the first one.
    interfaces: u64,
    first: Option<(LinkType, u32)>,
    /// Length in bytes of the first interface's frame check sequence, where it is given.
    fcs_len: Option<u8>,
    /// Whether the first interface has finer times than microseconds.
    fine: bool,
}

#[derive(Debug)]
struct Native {
    raw: Vec<u8>,
    header: PcapHeader,
    order: ByteOrder,
    nanos: bool,
}

/// What the file header says.
#[derive(Clone, Copy, Debug)]
struct Open {
    order: ByteOrder,
    nanos: bool,
    link_type: LinkType,
    native: bool,
}

impl PcapShape {
    pub(crate) fn new(setting: Setting) -> Self {
        Self {
            setting,
            native: None,
            open: None,
            interfaces: 0,
            first: None,
            fcs_len: None,
            fine: false,
        }
    }

    /// Notes what pcap cannot hold of a block that holds no packet.
    pub(crate) fn block(&mut self, block: &Block<'_>, losses: &mut Losses) {
        match block.body {
            Body::PcapHeader(header) => {
                let Format::Pcap { order, nanos, variant } = header.format else { return };
                self.interface(header.link_type, header.snaplen, header.fcs_len, nanos, losses);
                let same_unit = match self.setting.format {
                    OutputFormat::MicrosPcap => !nanos,
                    OutputFormat::NsecPcap => nanos,
                    _ => true,
                };
                if self.setting.merges || !same_unit {
                    return;
                }
                let usual =
                    !matches!(header.version, (2, 0..=3) | (543, 0)) && variant != Variant::Ixia;
                if usual || !self.setting.changes {
                    self.native = Some(Native { raw: block.raw.to_vec(), header, order, nanos });
                } else {
                    losses.add(Loss::OldHeader);
                }
            }
            Body::Section(_) => {
                if block.options().any(|field| field.code != option::SHB_USERAPPL) {
                    losses.add(Loss::SectionFacts);
                }
            }
            Body::Interface(description) => {
                let interface = block.interface();
                let unit = interface.as_ref().map_or(Resolution::MICROS, |i| i.resolution);
                let fine = unit.is_binary() || unit.exponent() > Resolution::MICROS.exponent();
                let fcs_len = interface.as_ref().and_then(|interface| interface.fcs_len);
                let facts = interface.is_some_and(|interface| {
                    interface.name.is_some()
                        || interface.description.is_some()
                        || interface.filter.is_some()
                        || interface.os.is_some()
                        || interface.hardware.is_some()
                        || interface.mac.is_some()
                        || interface.fcs_len.is_some_and(|len| fcs_field(len).is_none())
                });
                if facts {
                    losses.add(Loss::InterfaceFacts);
                }
                let (link_type, snaplen) = (description.link_type, description.snaplen);
                self.interface(link_type, snaplen, fcs_len, fine, losses);
            }
            Body::NameResolution => losses.add(Loss::Names),
            Body::Statistics(_) => losses.add(Loss::Statistics),
            Body::Secrets(_) => losses.add(Loss::Secrets),
            _ => losses.add(Loss::OtherBlocks),
        }
    }

    fn interface(
        &mut self,
        link_type: LinkType,
        snaplen: u32,
        fcs_len: Option<u8>,
        fine: bool,
        losses: &mut Losses,
    ) {
        self.interfaces += 1;
        if self.interfaces == 1 {
            self.first = Some((link_type, snaplen));
            self.fcs_len = fcs_len;
            self.fine = fine;
        } else {
            if self.interfaces == 2 {
                losses.add(Loss::Interfaces);
            }
            losses.add(Loss::Interfaces);
        }
    }

    #[inline]
    pub(crate) fn packet<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        out: &Outgoing<'_>,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        let open = match self.open {
            Some(open) => open,
            None => self.open(writer, out.link_type)?,
        };
        if out.link_type != open.link_type {
            return Err(second_link_type(out, open.link_type));
        }
        if open.native {
            return native_record(writer, out, open.order);
        }
        own_record(writer, out, open, losses)
    }

    /// Writes the file header for packets of this link type.
    #[cold]
    fn open<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        link_type: LinkType,
    ) -> Result<Open, Error> {
        let snaplen_of = |told: u32| match self.setting.snaplen {
            Some(limit) if told == 0 => limit,
            Some(limit) => told.min(limit),
            None => told,
        };
        let open = if let Some(Native { raw, header, order, nanos }) = &self.native {
            let (order, nanos) = (*order, *nanos);
            let mut raw = raw.clone();
            if link_type != header.link_type
                && let Some(field) = raw.get_mut(LINK_TYPE_AT..HEADER_LEN)
            {
                // the length of a frame check sequence belongs to the other link type
                field.copy_from_slice(&order.bytes32(link_type.0.into()));
            }
            if self.setting.snaplen.is_some()
                && let Some(field) = raw.get_mut(SNAPLEN_AT..LINK_TYPE_AT)
            {
                field.copy_from_slice(&order.bytes32(snaplen_of(header.snaplen)));
            }
            writer.raw(&raw)?;
            Open { order, nanos, link_type, native: true }
        } else {
            let nanos = match self.setting.format {
                OutputFormat::MicrosPcap => false,
                OutputFormat::NsecPcap => true,
                _ => self.fine,
            };
            let told = match self.first {
                Some((_, snaplen)) if self.interfaces == 1 && snaplen != 0 => snaplen,
                Some((_, snaplen)) => snaplen.max(USUAL_SNAPLEN),
                None => USUAL_SNAPLEN,
            };
            let order = ByteOrder::NATIVE;
            let magic = if nanos { NANOS_MAGIC } else { MICROS_MAGIC };
            let mut header = Vec::with_capacity(HEADER_LEN);
            header.extend(order.bytes32(magic));
            header.extend(order.bytes16(2));
            header.extend(order.bytes16(4));
            header.extend([0; 8]);
            header.extend(order.bytes32(snaplen_of(told)));
            // inner frames have none, and several interfaces may have different ones
            let fcs = self.fcs_len.filter(|_| {
                self.interfaces == 1 && self.first.is_some_and(|(first, _)| first == link_type)
            });
            let fcs = fcs.and_then(fcs_field).unwrap_or_default();
            header.extend(order.bytes32(u32::from(link_type.0) | fcs));
            writer.raw(&header)?;
            Open { order, nanos, link_type, native: false }
        };
        self.open = Some(open);
        Ok(open)
    }

    /// A file without packets still has a header.
    pub(crate) fn finish<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        _losses: &mut Losses,
    ) -> Result<(), Error> {
        if self.open.is_none() {
            let link_type = self.first.map_or(LinkType::ETHERNET, |(link_type, _)| link_type);
            self.open(writer, link_type)?;
        }
        Ok(())
    }
}

/// The bits of the link type's field with the length of a frame check sequence, in units of 16 bits
/// (section 4). `None` for a length that they cannot hold.
fn fcs_field(len: u8) -> Option<u32> {
    (len.is_multiple_of(2) && len <= 30).then_some(u32::from(len / 2) << 28 | 1 << 26)
}

/// Copies a record of the only input, a pcap file with the same unit of time.
#[inline]
fn native_record<W: Sink>(
    writer: &mut BlockWriter<W>,
    out: &Outgoing<'_>,
    order: ByteOrder,
) -> Result<(), Error> {
    let packet = out.packet;
    let head = packet.head();
    let same = out.data.len() == packet.frame.data.len() && out.orig_len == packet.frame.orig_len;
    Ok(writer.append(head.len() + out.data.len(), |buffer| {
        let start = buffer.len();
        buffer.extend_from_slice(head);
        if !same && let Some(lengths) = buffer.get_mut(start + LENGTHS_AT..start + LENGTHS_AT + 8) {
            let (captured, original) = lengths.split_at_mut(4);
            captured.copy_from_slice(&order.bytes32(out.data.len() as u32));
            original.copy_from_slice(&order.bytes32(out.orig_len));
        }
        let data_at = buffer.len();
        buffer.extend_from_slice(out.data);
        if !out.patches.is_empty()
            && let Some(data) = buffer.get_mut(data_at..)
        {
            out.patches.apply(data);
        }
    })?)
}

/// Makes a record of a packet from any kind of block.
fn own_record<W: Sink>(
    writer: &mut BlockWriter<W>,
    out: &Outgoing<'_>,
    open: Open,
    losses: &mut Losses,
) -> Result<(), Error> {
    let packet = out.packet;
    let time = packet.frame.time;
    if packet.kind == PacketKind::Simple {
        losses.add(Loss::NoTime);
    }
    if packet.has_long_header() {
        losses.add(Loss::RecordFields);
    }
    if packet.has_options() {
        losses.add(Loss::PacketOptions);
    }
    if !open.nanos && is_below_micros(time) {
        losses.add(Loss::Precision);
    }
    let Ok(seconds) = u32::try_from(time.seconds()) else {
        return Err(far_time(out));
    };
    let unit = if open.nanos { 1 } else { 1000 };
    let mut header = [0; 16];
    for (field, word) in header.chunks_exact_mut(4).zip([
        seconds,
        time.subsec_nanos() / unit,
        out.data.len() as u32,
        out.orig_len,
    ]) {
        field.copy_from_slice(&open.order.bytes32(word));
    }
    Ok(writer.append(header.len() + out.data.len(), |buffer| {
        buffer.extend_from_slice(&header);
        let data_at = buffer.len();
        buffer.extend_from_slice(out.data);
        if let Some(data) = buffer.get_mut(data_at..) {
            out.patches.apply(data);
        }
    })?)
}

/// Whether a time has a part below a microsecond.
fn is_below_micros(time: Timestamp) -> bool {
    !time.subsec_nanos().is_multiple_of(1000)
}

#[cold]
fn second_link_type(out: &Outgoing<'_>, file: LinkType) -> Error {
    Error::SecondLinkType { number: out.number, packet: out.link_type, file }
}

#[cold]
fn far_time(out: &Outgoing<'_>) -> Error {
    Error::FarTime { number: out.number, seconds: out.packet.frame.time.seconds() }
}
