//! Writes pcapng files (draft-ietf-opsawg-pcapng).

use std::net::IpAddr;

use super::{BlockWriter, Sink};
use crate::file::magic::{BYTE_ORDER_MAGIC, parse_interface};
use crate::file::{ByteOrder, block_type, option};
use crate::{Error, Frame, Interface, Resolution, Timestamp};

/// A name resolution block of this length is ended, and another one begins.
const NAMES_BLOCK_LEN: usize = 256 << 10;
/// A record of IPv4 names (section 4.5).
const NAME_IPV4: u16 = 1;
/// A record of IPv6 names (section 4.5).
const NAME_IPV6: u16 = 2;

/// The contents of a section header block (section 4.1), which these methods add.
#[derive(Copy, Clone, Debug, Default)]
pub struct Section<'a> {
    hardware: Option<&'a str>,
    os: Option<&'a str>,
    application: Option<&'a str>,
    comments: &'a [&'a str],
}

impl<'a> Section<'a> {
    /// The hardware of the capturing host (`shb_hardware`).
    #[must_use]
    pub fn hardware(mut self, name: impl Into<Option<&'a str>>) -> Self {
        self.hardware = name.into();
        self
    }

    /// The operating system of the capturing host (`shb_os`).
    #[must_use]
    pub fn os(mut self, name: impl Into<Option<&'a str>>) -> Self {
        self.os = name.into();
        self
    }

    /// The program that writes the section (`shb_userappl`).
    #[must_use]
    pub fn application(mut self, name: impl Into<Option<&'a str>>) -> Self {
        self.application = name.into();
        self
    }

    /// Comments.
    #[must_use]
    pub fn comments(mut self, comments: &'a [&'a str]) -> Self {
        self.comments = comments;
        self
    }
}

/// The options of an enhanced packet block (section 4.3): the frame's flags, and what these methods
/// add.
#[derive(Copy, Clone, Debug, Default)]
pub struct PacketOptions<'a> {
    raw: &'a [u8],
    comments: &'a [&'a str],
    drop_count: Option<u64>,
}

impl<'a> PacketOptions<'a> {
    /// Whole options of another block with the same byte order, without the end mark. They contain
    /// the flags already, so the frame's flags are not written.
    #[must_use]
    pub fn raw(mut self, options: &'a [u8]) -> Self {
        self.raw = options;
        self
    }

    /// Comments, after those of [`Self::raw`].
    #[must_use]
    pub fn comments(mut self, comments: &'a [&'a str]) -> Self {
        self.comments = comments;
        self
    }

    /// How many packets were lost between the packet before and this one (`epb_dropcount`).
    #[must_use]
    pub fn drop_count(mut self, packets: impl Into<Option<u64>>) -> Self {
        self.drop_count = packets.into();
        self
    }
}

/// The counts of an interface statistics block (section 4.6), which these methods add.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounts {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    received: Option<u64>,
    dropped_by_interface: Option<u64>,
    accepted_by_filter: Option<u64>,
    dropped_by_os: Option<u64>,
    delivered: Option<u64>,
}

impl InterfaceCounts {
    /// When the capture began (`isb_starttime`).
    #[must_use]
    pub fn start(mut self, time: impl Into<Option<Timestamp>>) -> Self {
        self.start = time.into();
        self
    }

    /// When the capture ended (`isb_endtime`).
    #[must_use]
    pub fn end(mut self, time: impl Into<Option<Timestamp>>) -> Self {
        self.end = time.into();
        self
    }

    /// Packets that the interface received (`isb_ifrecv`).
    #[must_use]
    pub fn received(mut self, packets: impl Into<Option<u64>>) -> Self {
        self.received = packets.into();
        self
    }

    /// Packets that the interface dropped (`isb_ifdrop`).
    #[must_use]
    pub fn dropped_by_interface(mut self, packets: impl Into<Option<u64>>) -> Self {
        self.dropped_by_interface = packets.into();
        self
    }

    /// Packets that the filter accepted (`isb_filteraccept`).
    #[must_use]
    pub fn accepted_by_filter(mut self, packets: impl Into<Option<u64>>) -> Self {
        self.accepted_by_filter = packets.into();
        self
    }

    /// Packets that the operating system dropped (`isb_osdrop`).
    #[must_use]
    pub fn dropped_by_os(mut self, packets: impl Into<Option<u64>>) -> Self {
        self.dropped_by_os = packets.into();
        self
    }

    /// Packets that were delivered to the user (`isb_usrdeliv`).
    #[must_use]
    pub fn delivered(mut self, packets: impl Into<Option<u64>>) -> Self {
        self.delivered = packets.into();
        self
    }
}

/// Writes a pcapng file: a section, its interfaces, then packets and other blocks.
///
/// [`write`](crate::write) has an example.
#[derive(Debug)]
pub struct PcapngWriter<W: Sink> {
    blocks: BlockWriter<W>,
    order: ByteOrder,
    /// The resolution and offset of the times of each interface of the section.
    clocks: Vec<(Resolution, i64)>,
}

impl<W: Sink> PcapngWriter<W> {
    /// Writes in this machine's byte order.
    pub fn new(sink: W) -> Self {
        Self::with_order(sink, ByteOrder::NATIVE)
    }

    /// Writes in a byte order.
    pub fn with_order(sink: W, order: ByteOrder) -> Self {
        Self { blocks: BlockWriter::new(sink), order, clocks: Vec::new() }
    }

    /// Begins a section. Its interfaces are counted from 0.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] for a text longer than 65,535 bytes, [`Error::Io`] where the sink
    /// fails.
    pub fn section(&mut self, section: &Section<'_>) -> Result<(), Error> {
        let mut options = OptionBytes::new(self.order);
        options.comments(section.comments)?;
        options.text(option::SHB_HARDWARE, section.hardware)?;
        options.text(option::SHB_OS, section.os)?;
        options.text(option::SHB_USERAPPL, section.application)?;
        let order = self.order;
        let mut body = order.bytes32(BYTE_ORDER_MAGIC).to_vec();
        body.extend(order.bytes16(1));
        body.extend(order.bytes16(0));
        // section 4.1: a length of -1 is one that is not told
        body.extend(u64::MAX.to_le_bytes());
        self.clocks.clear();
        self.block(block_type::SECTION, &body, &options.finish())
    }

    /// Describes an interface, with comments. Gives its number in the section.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] for a text longer than 65,535 bytes, [`Error::Io`] where the sink
    /// fails.
    pub fn interface(&mut self, interface: &Interface, comments: &[&str]) -> Result<u32, Error> {
        let order = self.order;
        let mut options = OptionBytes::new(order);
        options.comments(comments)?;
        options.text(option::IF_NAME, interface.name.as_deref())?;
        options.text(option::IF_DESCRIPTION, interface.description.as_deref())?;
        if let Some(mac) = interface.mac {
            options.push(option::IF_MACADDR, &mac)?;
        }
        if let Some(speed) = interface.speed {
            options.push(option::IF_SPEED, &order.bytes64(speed))?;
        }
        options.push(option::IF_TSRESOL, &[interface.resolution.0])?;
        if let Some(filter) = &interface.filter {
            // section 4.2: kind 0 is text of pcap-filter
            options.push(option::IF_FILTER, &[&[0], filter.as_bytes()].concat())?;
        }
        options.text(option::IF_OS, interface.os.as_deref())?;
        if let Some(len) = interface.fcs_len {
            options.push(option::IF_FCSLEN, &[len])?;
        }
        if interface.ts_offset != 0 {
            let offset = order.bytes64(interface.ts_offset.cast_unsigned());
            options.push(option::IF_TSOFFSET, &offset)?;
        }
        options.text(option::IF_HARDWARE, interface.hardware.as_deref())?;
        let mut body = order.bytes16(interface.link_type.0).to_vec();
        body.extend([0; 2]);
        body.extend(order.bytes32(interface.snaplen));
        self.block(block_type::INTERFACE, &body, &options.finish())?;
        self.clocks.push((interface.resolution, interface.ts_offset));
        Ok(self.clocks.len() as u32 - 1)
    }

    /// Writes a packet. Its `interface` is the number that [`Self::interface`] gave.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] for an interface that the section has not described, for a time that
    /// the interface's unit cannot express (as one before 1970), or for a comment longer than
    /// 65,535 bytes. [`Error::Io`] where the sink fails.
    #[inline]
    pub fn packet(&mut self, frame: &Frame<'_>, options: &PacketOptions<'_>) -> Result<(), Error> {
        let Some(&(resolution, offset)) = self.clocks.get(frame.interface as usize) else {
            return Err(unknown_interface(frame.interface, self.clocks.len()));
        };
        let Some(ticks) = resolution.checked_ticks(frame.time, offset) else {
            return Err(far_time(frame.time));
        };
        let order = self.order;
        let padded = frame.data.len().next_multiple_of(4);
        self.blocks.begin(32 + padded + options.max_len())?;
        let buffer = self.blocks.buffer();
        let start = buffer.len();
        let flags = frame.flags.epb_flags();
        // what captures write: all lengths are known, and the end is put together at once
        let end = match (options.is_empty(), flags) {
            (true, 0) => Some(PacketEnd::without_options()),
            (true, flags) => Some(PacketEnd::with_flags(order, flags)),
            (false, _) => None,
        };
        let len = |options_len: usize| order.bytes32((32 + padded + options_len) as u32);
        let mut header = [0; 28];
        for (field, number) in header.chunks_exact_mut(4).zip([
            block_type::ENHANCED_PACKET,
            // the length, here or below
            0,
            frame.interface,
            (ticks >> 32) as u32,
            ticks as u32,
            frame.data.len() as u32,
            frame.orig_len,
        ]) {
            field.copy_from_slice(&order.bytes32(number));
        }
        if let Some(end) = &end {
            header[4..8].copy_from_slice(&len(end.options_len));
        }
        buffer.extend_from_slice(&header);
        buffer.extend_from_slice(frame.data);
        buffer.extend_from_slice(padding(frame.data.len()));
        if let Some(mut end) = end {
            buffer.extend_from_slice(end.with_len(len(end.options_len)));
            return self.blocks.end();
        }
        let options_at = buffer.len();
        if let Err(error) = options.append(buffer, order, flags) {
            buffer.truncate(start);
            return Err(error);
        }
        let len = len(buffer.len() - options_at);
        buffer.extend_from_slice(&len);
        if let Some(field) = buffer.get_mut(start + 4..start + 8) {
            field.copy_from_slice(&len);
        }
        self.blocks.end()
    }

    /// Writes the names of addresses, in as many name resolution blocks as they need.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] for a name with a zero byte or of more than 65,000 bytes,
    /// [`Error::Io`] where the sink fails.
    pub fn names<'a>(
        &mut self,
        names: impl IntoIterator<Item = (IpAddr, &'a str)>,
    ) -> Result<(), Error> {
        let order = self.order;
        let mut records = Vec::new();
        let mut value = Vec::new();
        for (address, name) in names {
            if name.contains('\0') {
                let what = format!("a name with a zero byte for {address}");
                return Err(Error::Unwritable { what: what.into() });
            }
            value.clear();
            let code = match address {
                IpAddr::V4(address) => {
                    value.extend(address.octets());
                    NAME_IPV4
                }
                IpAddr::V6(address) => {
                    value.extend(address.octets());
                    NAME_IPV6
                }
            };
            value.extend_from_slice(name.as_bytes());
            value.push(0);
            push_option(&mut records, order, code, &value)?;
            if records.len() >= NAMES_BLOCK_LEN {
                records.extend([0; 4]);
                self.block(block_type::NAME_RESOLUTION, &records, &[])?;
                records.clear();
            }
        }
        if records.is_empty() {
            return Ok(());
        }
        records.extend([0; 4]);
        self.block(block_type::NAME_RESOLUTION, &records, &[])
    }

    /// Writes the counts of an interface at a time.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] for an interface that the section has not described, or for a time
    /// that the interface's unit cannot express. [`Error::Io`] where the sink fails.
    pub fn statistics(
        &mut self,
        interface: u32,
        time: Timestamp,
        counts: &InterfaceCounts,
    ) -> Result<(), Error> {
        let Some(&(resolution, offset)) = self.clocks.get(interface as usize) else {
            return Err(unknown_interface(interface, self.clocks.len()));
        };
        let order = self.order;
        let halves = |time| match resolution.checked_ticks(time, offset) {
            Some(ticks) => {
                Ok([order.bytes32((ticks >> 32) as u32), order.bytes32(ticks as u32)].concat())
            }
            None => Err(far_time(time)),
        };
        let mut options = OptionBytes::new(order);
        for (code, time) in
            [(option::ISB_STARTTIME, counts.start), (option::ISB_ENDTIME, counts.end)]
        {
            if let Some(time) = time {
                options.push(code, &halves(time)?)?;
            }
        }
        for (code, count) in [
            (option::ISB_IFRECV, counts.received),
            (option::ISB_IFDROP, counts.dropped_by_interface),
            (option::ISB_FILTERACCEPT, counts.accepted_by_filter),
            (option::ISB_OSDROP, counts.dropped_by_os),
            (option::ISB_USRDELIV, counts.delivered),
        ] {
            if let Some(count) = count {
                options.push(code, &order.bytes64(count))?;
            }
        }
        let mut body = order.bytes32(interface).to_vec();
        body.extend(halves(time)?);
        self.block(block_type::STATISTICS, &body, &options.finish())
    }

    /// Writes secrets (section 4.8). `kind` is that of [`Secrets`](crate::file::Secrets).
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails.
    pub fn secrets(&mut self, kind: u32, data: &[u8]) -> Result<(), Error> {
        let mut body = self.order.bytes32(kind).to_vec();
        body.extend(self.order.bytes32(data.len() as u32));
        body.extend_from_slice(data);
        self.block(block_type::SECRETS, &body, &[])
    }

    /// Writes a block as it is. A section header block sets the byte order of the blocks that
    /// follow, and an interface description block counts as an interface of the section.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] where it is not one whole block, [`Error::Io`] where the sink fails.
    pub fn raw(&mut self, block: &[u8]) -> Result<(), Error> {
        let kind = self.order.u32_at(block, 0);
        let order = match kind {
            Some(block_type::SECTION) => [ByteOrder::Little, ByteOrder::Big]
                .into_iter()
                .find(|order| order.u32_at(block, 8) == Some(BYTE_ORDER_MAGIC)),
            _ => Some(self.order),
        };
        let len = order.and_then(|order| order.u32_at(block, 4));
        let (Some(order), Some(len)) = (order, len) else { return Err(no_block(block)) };
        if (len as usize).checked_next_multiple_of(4) != Some(block.len()) {
            return Err(no_block(block));
        }
        self.blocks.raw(block)?;
        self.order = order;
        match kind {
            Some(block_type::SECTION) => self.clocks.clear(),
            Some(block_type::INTERFACE) => {
                let interface = parse_interface(block, order, 0).ok_or_else(|| no_block(block))?;
                self.clocks.push((interface.resolution, interface.ts_offset));
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes a block with this type and body, which is padded here. `options` are whole, with
    /// their end mark, or empty.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails.
    pub fn block(&mut self, kind: u32, body: &[u8], options: &[u8]) -> Result<(), Error> {
        let order = self.order;
        let padding = padding(body.len());
        let whole = 12 + body.len() + padding.len() + options.len();
        self.blocks.begin(whole)?;
        let buffer = self.blocks.buffer();
        buffer.extend_from_slice(&order.bytes32(kind));
        buffer.extend_from_slice(&order.bytes32(whole as u32));
        buffer.extend_from_slice(body);
        buffer.extend_from_slice(padding);
        buffer.extend_from_slice(options);
        buffer.extend_from_slice(&order.bytes32(whole as u32));
        self.blocks.end()
    }

    /// The byte order of the section.
    pub fn order(&self) -> ByteOrder {
        self.order
    }

    /// How many interfaces the section has described so far.
    pub fn interface_count(&self) -> u32 {
        self.clocks.len() as u32
    }

    /// The writer of blocks that this one uses, to ask how much was written.
    pub fn blocks(&self) -> &BlockWriter<W> {
        &self.blocks
    }

    /// Writes what is buffered, and flushes the sink.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.blocks.flush()
    }

    /// Writes what is buffered, flushes, and gives the sink back.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails.
    pub fn finish(self) -> Result<W, Error> {
        self.blocks.finish()
    }
}

impl PacketOptions<'_> {
    fn is_empty(&self) -> bool {
        self.raw.is_empty() && self.comments.is_empty() && self.drop_count.is_none()
    }

    /// The most bytes that they can have, with flags and the end mark.
    fn max_len(&self) -> usize {
        let comments: usize = self.comments.iter().map(|comment| comment.len() + 7).sum();
        self.raw.len() + comments + 40
    }

    /// Appends the options of a packet that has some.
    #[inline(never)]
    fn append(&self, bytes: &mut Vec<u8>, order: ByteOrder, flags: u32) -> Result<(), Error> {
        bytes.extend_from_slice(self.raw);
        bytes.extend_from_slice(padding(self.raw.len()));
        if self.raw.is_empty() && flags != 0 {
            push_option(bytes, order, option::EPB_FLAGS, &order.bytes32(flags))?;
        }
        if let Some(count) = self.drop_count {
            push_option(bytes, order, option::EPB_DROPCOUNT, &order.bytes64(count))?;
        }
        for comment in self.comments {
            push_option(bytes, order, option::COMMENT, comment.as_bytes())?;
        }
        bytes.extend_from_slice(&[0; 4]);
        Ok(())
    }
}

/// The end of a packet block whose only option can be the flags: the option, the end-of-options
/// mark, and the length of the block.
struct PacketEnd {
    bytes: [u8; 16],
    options_len: usize,
}

impl PacketEnd {
    fn without_options() -> Self {
        Self { bytes: [0; 16], options_len: 0 }
    }

    fn with_flags(order: ByteOrder, flags: u32) -> Self {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&order.bytes16(option::EPB_FLAGS));
        bytes[2..4].copy_from_slice(&order.bytes16(4));
        bytes[4..8].copy_from_slice(&order.bytes32(flags));
        Self { bytes, options_len: 12 }
    }

    /// These bytes, with the length of the whole block.
    #[inline]
    fn with_len(&mut self, len: [u8; 4]) -> &[u8] {
        let end = if self.options_len == 0 { 4 } else { self.bytes.len() };
        self.bytes[end - 4..end].copy_from_slice(&len);
        &self.bytes[..end]
    }
}

/// The bytes of options.
struct OptionBytes {
    bytes: Vec<u8>,
    order: ByteOrder,
}

impl OptionBytes {
    fn new(order: ByteOrder) -> Self {
        Self { bytes: Vec::new(), order }
    }

    fn push(&mut self, code: u16, value: &[u8]) -> Result<(), Error> {
        push_option(&mut self.bytes, self.order, code, value)
    }

    fn text(&mut self, code: u16, text: Option<&str>) -> Result<(), Error> {
        text.map_or(Ok(()), |text| self.push(code, text.as_bytes()))
    }

    fn comments(&mut self, comments: &[&str]) -> Result<(), Error> {
        comments.iter().try_for_each(|text| self.push(option::COMMENT, text.as_bytes()))
    }

    /// The options with their end mark, or nothing if there are none.
    fn finish(mut self) -> Vec<u8> {
        if !self.bytes.is_empty() {
            self.bytes.extend([0; 4]);
        }
        self.bytes
    }
}

/// An option, or a record of a name resolution block, which has the same form.
fn push_option(
    bytes: &mut Vec<u8>,
    order: ByteOrder,
    code: u16,
    value: &[u8],
) -> Result<(), Error> {
    let Ok(len) = u16::try_from(value.len()) else {
        let what = format!("an option of {} bytes; pcapng takes 65535", value.len());
        return Err(Error::Unwritable { what: what.into() });
    };
    bytes.extend_from_slice(&order.bytes16(code));
    bytes.extend_from_slice(&order.bytes16(len));
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(padding(value.len()));
    Ok(())
}

/// The zero bytes that bring this length to a multiple of 4 (section 3.1).
fn padding(len: usize) -> &'static [u8] {
    match len % 4 {
        0 => &[],
        1 => &[0; 3],
        2 => &[0; 2],
        _ => &[0],
    }
}

#[cold]
fn unknown_interface(interface: u32, described: usize) -> Error {
    let what =
        format!("a packet of interface {interface}; the section has described {described} so far");
    Error::Unwritable { what: what.into() }
}

#[cold]
fn far_time(time: Timestamp) -> Error {
    let what = format!(
        "a time {} seconds after 1970 in the unit of its interface: choose another `if_tsresol` or `if_tsoffset`",
        time.seconds()
    );
    Error::Unwritable { what: what.into() }
}

#[cold]
fn no_block(block: &[u8]) -> Error {
    let what = format!("{} bytes that are no whole pcapng block", block.len());
    Error::Unwritable { what: what.into() }
}
