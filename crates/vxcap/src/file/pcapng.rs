//! Packet blocks of pcapng, and the sections and interfaces they need (draft-ietf-opsawg-pcapng).

use vxlan::LinkType;

use super::{ByteOrder, MAX_LEN, OptionFields, block_type, interface_block, option};
use crate::frame::{Frame, FrameFlags, Timestamp};
use crate::interface::Scale;
use crate::{Error, Interface};

/// What is needed of a block to tell its length: its type, its length, and the byte-order magic or
/// the first field.
pub(crate) const BLOCK_START_LEN: usize = 12;
/// Length of the smallest block: type and twice the length (section 3.1).
const MIN_BLOCK_LEN: u32 = 12;
/// Length of the smallest section header block (section 4.1).
const MIN_SECTION_LEN: u32 = 28;
/// The byte-order magic of a section header block (section 4.1).
pub(crate) const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Offset of the packet in enhanced (section 4.3) and obsolete packet blocks (appendix A).
const PACKET_AT: usize = 28;
/// Offset of the packet in a simple packet block (section 4.4).
const SIMPLE_PACKET_AT: usize = 12;
/// A file with more interfaces is taken as damaged: each costs memory for as long as the file is
/// read. Own choice; Wireshark and libpcap have no limit.
const MAX_INTERFACES: usize = 1 << 18;

/// The sections and interfaces that were read so far.
#[derive(Debug)]
pub(crate) struct Sections {
    pub(crate) order: ByteOrder,
    /// How many sections have begun.
    count: u32,
    /// Index of the section's first interface.
    base: usize,
    interfaces: Vec<Interface>,
    clocks: Vec<Clock>,
}

/// What a packet needs of its interface.
#[derive(Copy, Clone, Debug)]
struct Clock {
    scale: Scale,
    offset: i64,
    link_type: LinkType,
    snaplen: u32,
}

/// A packet in a block (or record), by the position of its bytes.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Located {
    pub(crate) time: Timestamp,
    pub(crate) link_type: LinkType,
    pub(crate) interface: u32,
    pub(crate) orig_len: u32,
    pub(crate) flags: FrameFlags,
    /// Where the captured bytes begin and end.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Located {
    /// The same packet where its block begins at this position.
    #[inline]
    pub(crate) fn moved(&self, block_start: usize) -> Self {
        Self { start: block_start + self.start, end: block_start + self.end, ..*self }
    }

    /// The packet, with its bytes from those that its place is told in.
    #[inline]
    pub(crate) fn frame<'a>(&self, bytes: &'a [u8]) -> Frame<'a> {
        let Self { time, link_type, interface, orig_len, flags, start, end } = *self;
        let data = bytes.get(start..end).unwrap_or_default();
        Frame { time, link_type, interface, orig_len, data, flags }
    }
}

impl Sections {
    pub(crate) fn new() -> Self {
        Self {
            order: ByteOrder::Little,
            count: 0,
            base: 0,
            interfaces: Vec::new(),
            clocks: Vec::new(),
        }
    }

    pub(crate) fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Index of the section that was read last.
    pub(crate) fn section(&self) -> u32 {
        self.count.saturating_sub(1)
    }

    /// Index of the interface that was read last.
    pub(crate) fn last_interface(&self) -> u32 {
        self.interfaces.len().saturating_sub(1) as u32
    }

    /// The interface of a pcap file.
    pub(crate) fn add_pcap_interface(&mut self, interface: Interface) {
        self.interfaces.push(interface);
    }

    /// The type of the block that starts with these bytes, and its length with the padding. A
    /// section header block has its own byte order, which holds from here on.
    pub(crate) fn meet(&mut self, start: &[u8], offset: u64) -> Result<(u32, usize), Error> {
        let kind = self.order.u32_at(start, 0).unwrap_or_default();
        let is_section = kind == block_type::SECTION;
        if is_section {
            self.order = byte_order(start, offset)?;
        }
        let told = self.order.u32_at(start, 4).unwrap_or_default();
        if told < if is_section { MIN_SECTION_LEN } else { MIN_BLOCK_LEN } || told > MAX_LEN {
            let what = format!("a block of type {kind:#010x} with the length {told}");
            return Err(Error::damaged(offset, what));
        }
        // some programs leave the padding out of the length
        Ok((kind, told.next_multiple_of(4) as usize))
    }

    /// Takes a whole block that was met: what it says of sections and interfaces holds from here
    /// on.
    pub(crate) fn take(&mut self, kind: u32, raw: &[u8], offset: u64) -> Result<(), Error> {
        let told = self.order.u32_at(raw, 4).unwrap_or_default();
        let again = self.order.u32_at(raw, raw.len().saturating_sub(4)).unwrap_or_default();
        if again != told && again as usize != raw.len() {
            let what = format!(
                "a block of type {kind:#010x} with the length {told}, which ends with the length {again}"
            );
            return Err(Error::damaged(offset, what));
        }
        match kind {
            block_type::SECTION => self.begin(raw, offset),
            block_type::INTERFACE => self.add_interface(raw, offset),
            _ => Ok(()),
        }
    }

    /// Begins a section with its header block, which is whole.
    fn begin(&mut self, raw: &[u8], offset: u64) -> Result<(), Error> {
        let version = (
            self.order.u16_at(raw, 12).unwrap_or_default(),
            self.order.u16_at(raw, 14).unwrap_or_default(),
        );
        // section 4.1: readers take 1.2, which some programs wrote, as 1.0
        if !matches!(version, (1, 0 | 2)) {
            let what = format!("pcapng version {}.{}", version.0, version.1);
            return Err(Error::Unsupported { offset, what: what.into() });
        }
        self.count = self.count.saturating_add(1);
        self.base = self.interfaces.len();
        Ok(())
    }

    /// Adds the interface of a description block.
    fn add_interface(&mut self, raw: &[u8], offset: u64) -> Result<(), Error> {
        let Some(interface) = interface_block::parse(raw, self.order, self.section()) else {
            let what = format!("an interface description block of only {} bytes", raw.len());
            return Err(Error::damaged(offset, what));
        };
        if self.interfaces.len() >= MAX_INTERFACES {
            let what = format!("more than {MAX_INTERFACES} interfaces");
            return Err(Error::damaged(offset, what));
        }
        self.clocks.push(Clock {
            scale: interface.resolution.scale(),
            offset: interface.ts_offset,
            link_type: interface.link_type,
            snaplen: interface.snaplen,
        });
        self.interfaces.push(interface);
        Ok(())
    }

    /// The packet of a block; `None` where the block is of another kind.
    #[inline]
    pub(crate) fn packet(
        &self,
        kind: u32,
        raw: &[u8],
        offset: u64,
    ) -> Result<Option<Located>, Error> {
        let located = match kind {
            block_type::ENHANCED_PACKET => self.enhanced(raw),
            block_type::SIMPLE_PACKET => self.simple(raw),
            block_type::OBSOLETE_PACKET => self.obsolete(raw),
            _ => return Ok(None),
        };
        match located {
            Some(located) => Ok(Some(located)),
            None => Err(self.reason(kind, raw, offset)),
        }
    }

    /// The packet of the enhanced packet block at the begin of these bytes, and the block's length;
    /// `None` where another block stands there, or anything about it is unusual.
    #[inline]
    pub(crate) fn usual_packet(&self, bytes: &[u8]) -> Option<(usize, Located)> {
        let [k0, k1, k2, k3, l0, l1, l2, l3] = *bytes.first_chunk()?;
        let told = [l0, l1, l2, l3];
        let len = self.order.u32(told) as usize;
        let raw = bytes.get(..len)?;
        let is_whole = raw.last_chunk() == Some(&told) && len.is_multiple_of(4);
        if self.order.u32([k0, k1, k2, k3]) != block_type::ENHANCED_PACKET || !is_whole {
            return None;
        }
        Some((len, self.enhanced(raw)?))
    }

    #[inline]
    fn clock(&self, interface: u32) -> Option<(usize, &Clock)> {
        let index = self.base.checked_add(interface as usize)?;
        Some((index, self.clocks.get(index)?))
    }

    /// Section 4.3: interface, time, captured and original length, packet, options.
    #[inline]
    fn enhanced(&self, raw: &[u8]) -> Option<Located> {
        let numbers = self.numbers(raw)?;
        let [interface, ..] = numbers;
        let mut located = self.timed(raw, interface, numbers)?;
        // more than the padding of a packet stands before the length
        if located.end + 7 < raw.len() {
            located.flags = self.packet_flags(raw, located.end, option::EPB_FLAGS);
        }
        Some(located)
    }

    /// Appendix A: as the enhanced packet block, with a short interface and a count of drops.
    fn obsolete(&self, raw: &[u8]) -> Option<Located> {
        let interface = self.order.u16_at(raw, 8)?;
        let mut located = self.timed(raw, u32::from(interface), self.numbers(raw)?)?;
        // appendix A: `pack_flags` has the code and the meaning of `epb_flags`
        located.flags = self.packet_flags(raw, located.end, option::EPB_FLAGS);
        Some(located)
    }

    /// The five numbers behind the block's type and length.
    #[inline]
    fn numbers(&self, raw: &[u8]) -> Option<[u32; 5]> {
        let (_, numbers) = raw.split_first_chunk::<8>()?;
        let numbers: &[u8; 20] = numbers.first_chunk()?;
        let mut little = [0; 5];
        for (number, bytes) in little.iter_mut().zip(numbers.as_chunks().0) {
            *number = u32::from_le_bytes(*bytes);
        }
        Some(match self.order {
            ByteOrder::Little => little,
            ByteOrder::Big => little.map(u32::swap_bytes),
        })
    }

    /// The common part of enhanced and obsolete packet blocks.
    #[inline]
    fn timed(&self, raw: &[u8], interface: u32, numbers: [u32; 5]) -> Option<Located> {
        let [_, high, low, captured, orig_len] = numbers;
        let (index, clock) = self.clock(interface)?;
        let ticks = u64::from(high) << 32 | u64::from(low);
        let end = PACKET_AT.checked_add(captured as usize)?;
        if end.checked_add(4)? > raw.len() {
            return None;
        }
        Some(Located {
            time: clock.scale.timestamp(ticks, clock.offset),
            link_type: clock.link_type,
            interface: index as u32,
            orig_len,
            flags: FrameFlags::default(),
            start: PACKET_AT,
            end,
        })
    }

    /// Section 4.4: of interface 0, without time, as long as the interface's snapshot length
    /// allows.
    fn simple(&self, raw: &[u8]) -> Option<Located> {
        let orig_len = self.order.u32_at(raw, 8)?;
        let (index, clock) = self.clock(0)?;
        let captured = if clock.snaplen == 0 { orig_len } else { orig_len.min(clock.snaplen) };
        let end = SIMPLE_PACKET_AT.checked_add(captured as usize)?;
        if end.checked_add(4)? > raw.len() {
            return None;
        }
        Some(Located {
            time: Timestamp::default(),
            link_type: clock.link_type,
            interface: index as u32,
            orig_len,
            flags: FrameFlags::default(),
            start: SIMPLE_PACKET_AT,
            end,
        })
    }

    /// The flags in a packet's options.
    #[inline(never)]
    fn packet_flags(&self, raw: &[u8], packet_end: usize, code: u16) -> FrameFlags {
        let start = packet_end.next_multiple_of(4);
        let options = raw.get(start..raw.len().saturating_sub(4)).unwrap_or_default();
        OptionFields::new(options, start, self.order)
            .find(code)
            .and_then(|field| field.u32())
            .map_or_else(FrameFlags::default, FrameFlags::from_epb_flags)
    }

    /// Why a packet block gave no packet.
    #[cold]
    fn reason(&self, kind: u32, raw: &[u8], offset: u64) -> Error {
        let number = |at| self.order.u32_at(raw, at).unwrap_or_default();
        let (least, interface, captured) = match kind {
            block_type::ENHANCED_PACKET => (PACKET_AT, number(8), number(20)),
            block_type::OBSOLETE_PACKET => {
                (PACKET_AT, self.order.u16_at(raw, 8).unwrap_or_default().into(), number(20))
            }
            _ => (SIMPLE_PACKET_AT, 0, number(8)),
        };
        let here = self.interfaces.len() - self.base;
        let what = if raw.len() < least + 4 {
            format!("a packet block of only {} bytes", raw.len())
        } else if interface as usize >= here {
            format!(
                "a packet of interface {interface}, but its section has described {here} so far"
            )
        } else {
            format!("a packet of {captured} bytes in a block of {} bytes", raw.len())
        };
        Error::damaged(offset, what)
    }
}

/// The byte order of a section header block.
fn byte_order(start: &[u8], offset: u64) -> Result<ByteOrder, Error> {
    [ByteOrder::Little, ByteOrder::Big]
        .into_iter()
        .find(|order| order.u32_at(start, 8) == Some(BYTE_ORDER_MAGIC))
        .ok_or_else(|| Error::damaged(offset, "a section header without the byte-order magic"))
}
