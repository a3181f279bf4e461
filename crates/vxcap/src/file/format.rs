//! Formats of capture files, detected by the first bytes.

use super::block_type;
use crate::Error;

/// The order of bytes in a multi-byte field.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// The byte order of this machine.
    pub const NATIVE: Self = if cfg!(target_endian = "big") { Self::Big } else { Self::Little };

    /// The number that these bytes encode.
    #[inline]
    pub const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The number that these bytes encode.
    #[inline]
    pub const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The number that these bytes encode.
    #[inline]
    pub const fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// The bytes of a number.
    #[inline]
    pub const fn bytes16(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    /// The bytes of a number.
    #[inline]
    pub const fn bytes32(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    /// The bytes of a number.
    #[inline]
    pub const fn bytes64(self, number: u64) -> [u8; 8] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    /// The number at an offset. `None` where not all its bytes are there.
    #[inline]
    pub(crate) fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        Some(self.u16(*bytes.get(at..)?.first_chunk()?))
    }

    /// The number at an offset. `None` where not all its bytes are there.
    #[inline]
    pub(crate) fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        Some(self.u32(*bytes.get(at..)?.first_chunk()?))
    }
}

/// The format of a capture file.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// pcap (draft-ietf-opsawg-pcap), and formats made from it.
    Pcap {
        /// The byte order of its headers.
        order: ByteOrder,
        /// Whether times are in nanoseconds. Otherwise they are in microseconds.
        nanos: bool,
        /// How its headers differ from the usual ones.
        variant: Variant,
    },
    /// pcapng (draft-ietf-opsawg-pcapng).
    Pcapng {
        /// The byte order of the section that was read last.
        order: ByteOrder,
    },
}

/// How the headers of a pcap file differ from the usual ones.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Variant {
    /// They do not differ.
    Standard,
    /// Alexey Kuznetzov's patched libpcap of old Linux distributions: record headers have 24 bytes,
    /// with the interface's index, the protocol and the packet type after the usual fields.
    Kuznetzov,
    /// IXIA's devices: after the file header come 4 bytes with the length of the records.
    Ixia,
}

/// pcap with microseconds, draft-ietf-opsawg-pcap, section 4.
pub(crate) const PCAP_MICROS: u32 = 0xa1b2_c3d4;
/// pcap with nanoseconds, draft-ietf-opsawg-pcap, section 4.
pub(crate) const PCAP_NANOS: u32 = 0xa1b2_3c4d;
/// Patched pcap, libpcap's `sf-pcap.c`: `KUZNETZOV_TCPDUMP_MAGIC`.
const PCAP_KUZNETZOV: u32 = 0xa1b2_cd34;
/// IXIA's hardware, Wireshark's `wiretap/libpcap.h`: `PCAP_IXIAHW_MAGIC`.
const PCAP_IXIA_HARDWARE: u32 = 0x1c00_01ac;
/// IXIA's software, Wireshark's `wiretap/libpcap.h`: `PCAP_IXIASW_MAGIC`.
const PCAP_IXIA_SOFTWARE: u32 = 0x1c00_01ab;

impl Format {
    /// The format of a file that begins with these bytes. The byte order of pcapng is not known
    /// from them, and is given as little-endian.
    ///
    /// # Errors
    ///
    /// [`Error::BadMagic`] where no format that can be read begins so.
    pub fn detect(magic: [u8; 4], following: &[u8]) -> Result<Self, Error> {
        if magic == block_type::SECTION.to_be_bytes() {
            return Ok(Self::Pcapng { order: ByteOrder::Little });
        }
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let (nanos, variant) = match order.u32(magic) {
                PCAP_MICROS => (false, Variant::Standard),
                PCAP_NANOS => (true, Variant::Standard),
                PCAP_KUZNETZOV => (false, Variant::Kuznetzov),
                PCAP_IXIA_HARDWARE | PCAP_IXIA_SOFTWARE => (false, Variant::Ixia),
                _ => continue,
            };
            return Ok(Self::Pcap { order, nanos, variant });
        }
        Err(Error::BadMagic { magic, looks: resemblance(magic, following) })
    }
}

/// What foreign bytes look like, as the end of a sentence that begins with “it”.
fn resemblance(magic: [u8; 4], following: &[u8]) -> &'static str {
    match magic {
        [b's', b'n', b'o', b'o'] => {
            "is a snoop capture of Solaris: convert it with `editcap -F pcapng IN OUT`"
        }
        [b'G', b'M', b'B', b'U'] | [b'R', b'T', b'S', b'S'] => {
            "is a capture of Microsoft Network Monitor: convert it with `editcap -F pcapng IN OUT`"
        }
        [b'X', b'C', b'P', 0] | [b'T', b'R', b'S', b'N'] => {
            "is a capture of a Sniffer: convert it with `editcap -F pcapng IN OUT`"
        }
        [0x1f, 0x8b, ..] => "is compressed with gzip, and only decompressed bytes are read here",
        [0x28, 0xb5, 0x2f, 0xfd] => {
            "is compressed with zstd, and only decompressed bytes are read here"
        }
        [0x04, 0x22, 0x4d, 0x18] => {
            "is compressed with lz4, and only decompressed bytes are read here"
        }
        [b'B', b'Z', b'h', _] => {
            "is compressed with bzip2: decompress it first (`bzip2 -dc FILE | …`)"
        }
        [0xfd, b'7', b'z', b'X'] => {
            "is compressed with xz: decompress it first (`xz -dc FILE | …`)"
        }
        [b'P', b'K', 3, 4] => "is a zip archive: unpack it first",
        _ if magic.iter().chain(following).all(|&byte| is_text(byte)) => "looks like text",
        _ => "is of an unknown format",
    }
}

/// Whether a byte may stand in text: printable ASCII, white space, or part of a longer UTF-8
/// sequence.
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x20..=0x7e | 0x80..=0xf4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_magic() {
        let pcap = |order, nanos, variant| Format::Pcap { order, nanos, variant };
        for (magic, format) in [
            (0xa1b2_c3d4_u32, pcap(ByteOrder::Big, false, Variant::Standard)),
            (0xd4c3_b2a1, pcap(ByteOrder::Little, false, Variant::Standard)),
            (0xa1b2_3c4d, pcap(ByteOrder::Big, true, Variant::Standard)),
            (0x4d3c_b2a1, pcap(ByteOrder::Little, true, Variant::Standard)),
            (0xa1b2_cd34, pcap(ByteOrder::Big, false, Variant::Kuznetzov)),
            (0xab01_001c, pcap(ByteOrder::Little, false, Variant::Ixia)),
            (0x0a0d_0d0a, Format::Pcapng { order: ByteOrder::Little }),
        ] {
            assert_eq!(Format::detect(magic.to_be_bytes(), &[]).unwrap(), format);
        }
    }

    #[test]
    fn foreign_files_are_named() {
        for (start, word) in [
            (b"# a comment".as_slice(), "text"),
            (b"snoop\0\0\0", "snoop"),
            (b"\x1f\x8b\x08\x00", "gzip"),
            (b"\x7fELF\x02", "unknown"),
        ] {
            let (magic, rest) = start.split_first_chunk().unwrap();
            let error = Format::detect(*magic, rest).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
