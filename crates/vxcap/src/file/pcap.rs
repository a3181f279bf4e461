//! Headers of pcap files and their records (draft-ietf-opsawg-pcap, sections 4 and 5).

use vxlan::LinkType;

use super::pcapng::Located;
use super::{ByteOrder, Format, MAX_LEN, Variant};
use crate::frame::{Frame, FrameFlags, Timestamp};
use crate::interface::Resolution;
use crate::{Error, Interface};

/// Length of the file header.
pub(crate) const FILE_HEADER_LEN: usize = 24;
/// Length of a record header.
pub(crate) const RECORD_HEADER_LEN: usize = 16;

/// libpcap and Wireshark take no longer packets, except where the link type allows it (libpcap's
/// `pcap-int.h`: `MAXIMUM_SNAPLEN`; Wireshark's `wtap.h`: `WTAP_MAX_PACKET_SIZE_STANDARD`).
const USUAL_MAX_LEN: u32 = 262_144;
/// Both take so much of D-Bus and USB (`MAXIMUM_DBUS_SNAPLEN`, `MAXIMUM_USBPCAP_SNAPLEN`).
const MAX_BUS_LEN: u32 = 128 << 20;
/// `LINKTYPE_DBUS` (draft-ietf-opsawg-pcaplinktype).
const DBUS: u16 = 231;
/// `LINKTYPE_USBPCAP` (draft-ietf-opsawg-pcaplinktype).
const USBPCAP: u16 = 249;

/// The header of a pcap file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PcapHeader {
    /// Byte order, unit of times, variant.
    pub format: Format,
    /// Major and minor version, 2 and 4 in today's files.
    pub version: (u16, u16),
    /// At most this many bytes of a packet were captured, by the header.
    pub snaplen: u32,
    /// The link type of all packets.
    pub link_type: LinkType,
    /// The length in bytes of the frame check sequence at the end of each packet, if the header has
    /// it.
    pub fcs_len: Option<u8>,
}

/// Which of a record's two lengths is which.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Lengths {
    /// The captured length is first.
    Usual,
    /// The original length is first: files before version 2.3, and of DG/UX (543.0), as libpcap
    /// knows them.
    Swapped,
    /// Version 2.3 has both; the captured length is the smaller one.
    SmallerIsCaptured,
}

/// The parts of the file header that are needed to read records.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Records {
    pub(crate) order: ByteOrder,
    /// Nanoseconds in a unit of a record's fraction of a second.
    fraction: i64,
    pub(crate) header_len: usize,
    lengths: Lengths,
    /// A longer packet is damage.
    pub(crate) max_len: u32,
    pub(crate) link_type: LinkType,
}

/// The numbers of a record header.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) nanos: i64,
    pub(crate) captured: u32,
    pub(crate) orig_len: u32,
}

impl PcapHeader {
    /// Reads the header at the begin of a file.
    pub(crate) fn parse(format: Format, header: [u8; FILE_HEADER_LEN]) -> Result<Self, Error> {
        let Format::Pcap { order, .. } = format else {
            return Err(Error::damaged(0, "no pcap file"));
        };
        let u16_at = |at| order.u16_at(&header, at).unwrap_or_default();
        let u32_at = |at| order.u32_at(&header, at).unwrap_or_default();
        let version = (u16_at(4), u16_at(6));
        if version.0 < 2 {
            return Err(Error::Unsupported {
                offset: 4,
                what: format!("pcap version {}.{}", version.0, version.1).into(),
            });
        }
        let network = u32_at(20);
        // section 4: the ten bits between the FCS fields and the link type are reserved
        if network & 0x03ff_0000 != 0 {
            return Err(Error::Unsupported {
                offset: 20,
                what: format!("reserved bits set in the link type field ({network:#010x})").into(),
            });
        }
        // section 4: the F bit tells whether the length (in units of 16 bits) holds
        let fcs_len = (network & 0x0400_0000 != 0).then_some((network >> 28) as u8 * 2);
        let link_type = LinkType(network as u16);
        Ok(Self { format, version, snaplen: u32_at(16), link_type, fcs_len })
    }

    /// Length of the file header in bytes.
    pub(crate) fn file_header_len(format: Format) -> usize {
        match format {
            Format::Pcap { variant: Variant::Ixia, .. } => FILE_HEADER_LEN + 4,
            _ => FILE_HEADER_LEN,
        }
    }

    /// The one interface of the file.
    pub(crate) fn interface(&self) -> Interface {
        let nanos = matches!(self.format, Format::Pcap { nanos: true, .. });
        Interface {
            resolution: if nanos { Resolution::NANOS } else { Resolution::MICROS },
            fcs_len: self.fcs_len,
            ..Interface::new(self.link_type, self.snaplen)
        }
    }

    /// How its records are read.
    pub(crate) fn records(&self) -> Records {
        let (order, nanos, variant) = match self.format {
            Format::Pcap { order, nanos, variant } => (order, nanos, variant),
            Format::Pcapng { order } => (order, true, Variant::Standard),
        };
        let usual = match self.link_type.0 {
            DBUS | USBPCAP => MAX_BUS_LEN,
            _ => USUAL_MAX_LEN,
        };
        Records {
            order,
            fraction: if nanos { 1 } else { 1_000 },
            header_len: match variant {
                Variant::Kuznetzov => 24,
                Variant::Standard | Variant::Ixia => RECORD_HEADER_LEN,
            },
            lengths: match self.version {
                (2, 0..=2) | (543, 0) => Lengths::Swapped,
                (2, 3) => Lengths::SmallerIsCaptured,
                _ => Lengths::Usual,
            },
            // a file that says so may hold longer packets than libpcap takes
            max_len: self.snaplen.clamp(usual, MAX_LEN),
            link_type: self.link_type,
        }
    }
}

impl Records {
    /// For a file that has no records.
    pub(crate) const NONE: Self = Self {
        order: ByteOrder::Little,
        fraction: 1,
        header_len: RECORD_HEADER_LEN,
        lengths: Lengths::Usual,
        max_len: 0,
        link_type: LinkType::NULL,
    };

    /// The place of the packet in a whole record.
    #[inline]
    pub(crate) fn located(&self, record: &RecordHeader) -> Located {
        Located {
            time: Timestamp::from_nanos(record.nanos),
            link_type: self.link_type,
            interface: 0,
            orig_len: record.orig_len,
            flags: FrameFlags::default(),
            start: self.header_len,
            end: self.header_len + record.captured as usize,
        }
    }

    /// The packet of the record at the begin of these bytes, and the bytes after it. `None` where
    /// the record is not whole, or is too long to be one.
    #[inline]
    pub(crate) fn usual_frame<'a>(&self, bytes: &'a [u8]) -> Option<(Frame<'a>, &'a [u8])> {
        let (len, record) = self.usual(bytes)?;
        let (whole, rest) = bytes.split_at_checked(len)?;
        Some((self.located(&record).frame(whole), rest))
    }

    /// The length and the numbers of that record.
    #[inline]
    pub(crate) fn usual(&self, bytes: &[u8]) -> Option<(usize, RecordHeader)> {
        let record = self.parse(bytes.first_chunk()?);
        let len = self.header_len + record.captured as usize;
        (record.captured <= self.max_len && len <= bytes.len()).then_some((len, record))
    }

    /// How many whole records these bytes begin with, and how long these are together.
    pub(crate) fn whole(&self, bytes: &[u8]) -> (u64, usize) {
        let mut rest = bytes;
        let mut records = 0;
        while let Some((_, after)) = self.usual_frame(rest) {
            rest = after;
            records += 1;
        }
        (records, bytes.len() - rest.len())
    }

    /// Length of the whole record that begins with this header at `offset`.
    pub(crate) fn record_len(
        &self,
        header: &[u8; RECORD_HEADER_LEN],
        offset: u64,
    ) -> Result<usize, Error> {
        let captured = self.parse(header).captured;
        if captured > self.max_len {
            let most = self.max_len;
            let what = format!("a packet of {captured} bytes; at most {most} make sense here");
            return Err(Error::damaged(offset, what));
        }
        Ok(self.header_len + captured as usize)
    }

    /// Reads the numbers at the begin of a record.
    #[inline]
    pub(crate) fn parse(&self, header: &[u8; RECORD_HEADER_LEN]) -> RecordHeader {
        let [s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, l0, l1, l2, l3] = *header;
        let seconds = self.order.u32([s0, s1, s2, s3]);
        let fraction = self.order.u32([f0, f1, f2, f3]);
        let mut captured = self.order.u32([c0, c1, c2, c3]);
        let mut orig_len = self.order.u32([l0, l1, l2, l3]);
        if self.lengths != Lengths::Usual
            && (self.lengths == Lengths::Swapped || captured > orig_len)
        {
            std::mem::swap(&mut captured, &mut orig_len);
        }
        // 32 bits each: below 2^63 together, also where the fraction exceeds a second
        let nanos = i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * self.fraction;
        RecordHeader { nanos, captured, orig_len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: (u16, u16), snaplen: u32, network: u32) -> Result<PcapHeader, Error> {
        let format =
            Format::Pcap { order: ByteOrder::Big, nanos: false, variant: Variant::Standard };
        let mut bytes = [0; FILE_HEADER_LEN];
        bytes[4..6].copy_from_slice(&version.0.to_be_bytes());
        bytes[6..8].copy_from_slice(&version.1.to_be_bytes());
        bytes[16..20].copy_from_slice(&snaplen.to_be_bytes());
        bytes[20..].copy_from_slice(&network.to_be_bytes());
        PcapHeader::parse(format, bytes)
    }

    #[test]
    fn the_upper_bits_of_the_link_type_are_the_fcs() {
        let plain = header((2, 4), 0, 12).unwrap();
        assert_eq!((plain.link_type, plain.fcs_len), (LinkType::RAW_BSD, None));
        assert_eq!(header((2, 4), 0, 0x2400_0001).unwrap().fcs_len, Some(4));
        assert_eq!(header((2, 4), 0, 0x3000_0001).unwrap().fcs_len, None);
        assert!(matches!(
            header((2, 4), 0, 0x0100_0001),
            Err(Error::Unsupported { offset: 20, .. })
        ));
        assert!(matches!(header((1, 4), 0, 1), Err(Error::Unsupported { offset: 4, .. })));
    }

    #[test]
    fn lengths_of_old_versions_are_swapped() {
        let mut record = [0; RECORD_HEADER_LEN];
        record[11] = 64;
        record[15] = 60;
        let lengths = |version| {
            let parsed = header(version, 0, 1).unwrap().records().parse(&record);
            (parsed.captured, parsed.orig_len)
        };
        assert_eq!(lengths((2, 4)), (64, 60));
        assert_eq!(lengths((2, 3)), (60, 64));
        assert_eq!(lengths((2, 1)), (60, 64));
        assert_eq!(lengths((543, 0)), (60, 64));
    }

    #[test]
    fn the_longest_packet_follows_from_the_header() {
        let max_len =
            |snaplen, network| header((2, 4), snaplen, network).unwrap().records().max_len;
        assert_eq!(max_len(96, 1), USUAL_MAX_LEN);
        assert_eq!(max_len(1 << 20, 1), 1 << 20);
        assert_eq!(max_len(u32::MAX, 1), MAX_LEN);
        assert_eq!(max_len(96, 231), MAX_BUS_LEN);
    }
}
