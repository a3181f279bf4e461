//! Reading capture files: frames or whole blocks, from files, pipes and compressed files.
//!
//! # What is read
//!
//! | format | recognised by its first bytes | source |
//! |---|---|---|
//! | pcap, microseconds | `a1b2c3d4`, either byte order | draft-ietf-opsawg-pcap, section 4 |
//! | pcap, nanoseconds | `a1b23c4d`, either byte order | the same |
//! | pcap of Kuznetzov's patch (24-byte record headers) | `a1b2cd34`, either byte order | libpcap, `sf-pcap.c` |
//! | pcap of IXIA's hardware and software (28-byte file header) | `1c0001ac`, `1c0001ab`, either byte order | Wireshark, `wiretap/libpcap.c` |
//! | pcapng | `0a0d0d0a` | draft-ietf-opsawg-pcapng, section 4.1 |
//! | one of these, compressed with gzip, zstd or LZ4 (by features) | `1f8b`, `28b52ffd`, `04224d18` | RFC 1952, RFC 8878, the LZ4 frame format |
//!
//! A pcap file (multi-byte fields in the byte order of the magic number):
//!
//! | offset | bytes | file header, section 4 | offset | bytes | packet record, section 5 |
//! |---|---|---|---|---|---|
//! | 0 | 4 | magic number | 0 | 4 | seconds since the epoch, unsigned |
//! | 4 | 2 + 2 | major, minor version (2.4) | 4 | 4 | microseconds or nanoseconds |
//! | 8 | 4 + 4 | reserved | 8 | 4 | captured length |
//! | 16 | 4 | snapshot length | 12 | 4 | original length |
//! | 20 | 4 | FCS length (4 bits), FCS present (1), reserved (10), link type (16) | 16 | | captured bytes |
//!
//! A pcapng file is a sequence of blocks (section 3.1): type (4 bytes), total length (4), body,
//! padding to 4 bytes, total length again (4). A section header block (section 4.1) sets the byte
//! order and starts a new count of interfaces. Options (section 3.5) end most blocks: code (2
//! bytes), length (2), value, padding to 4 bytes.
//!
//! | type | block | section | type | block | section |
//! |---|---|---|---|---|---|
//! | `0a0d0d0a` | section header | 4.1 | 5 | interface statistics | 4.6 |
//! | 1 | interface description | 4.2 | 9 | systemd journal export | 4.7 |
//! | 2 | packet (obsolete) | appendix A | 10 | decryption secrets | 4.8 |
//! | 3 | simple packet | 4.4 | `0bad`, `40000bad` | custom (to copy, not to copy) | 4.9 |
//! | 4 | name resolution | 4.5 | 6 | enhanced packet | 4.3 |
//!
//! # How files are read
//!
//! - [`Input`] opens a file and decompresses it.
//! - [`BlockReader`] cuts its bytes into blocks, in place in one reused buffer of at most 256 KiB.
//!   The buffer grows beyond that only for a larger block, and only as the block's bytes really
//!   arrive.
//! - [`Reader`] gives the frames of the packet blocks.
//! - [`Merge`] gives the frames of several files in the order of time.
//! - [`Pieces`] gives the frames of one file to several threads.

mod block;
mod block_reader;
mod buffer;
mod compression;
mod decompress;
mod format;
mod input;
mod interface_block;
#[cfg(feature = "lz4")]
mod lz4;
mod merge;
mod names;
mod options;
mod pcap;
mod pcapng;
mod piece;
mod pieces;
mod reader;

pub use block::{
    Block, Body, Custom, InterfaceDescription, InterfaceStatistics, PcapRecord, PcapngPacket,
    Secrets, SectionHeader,
};
pub use block_reader::BlockReader;
pub use compression::Compression;
pub use format::{ByteOrder, Format, Variant};
pub use input::{Input, ReadProgress};
pub use merge::{Merge, Merged};
pub use names::{NameRecord, NameRecords};
pub use options::{OptionField, OptionFields};
pub use pcap::PcapHeader;
pub use piece::Piece;
pub use pieces::Pieces;
pub use reader::Reader;

/// Type codes of pcapng blocks (draft-ietf-opsawg-pcapng, section 11.1).
pub mod block_type {
    /// Section header block (section 4.1); reads the same in both byte orders.
    pub const SECTION: u32 = 0x0a0d_0d0a;
    /// Interface description block (section 4.2).
    pub const INTERFACE: u32 = 1;
    /// Packet block, obsolete (appendix A).
    pub const OBSOLETE_PACKET: u32 = 2;
    /// Simple packet block (section 4.4).
    pub const SIMPLE_PACKET: u32 = 3;
    /// Name resolution block (section 4.5).
    pub const NAME_RESOLUTION: u32 = 4;
    /// Interface statistics block (section 4.6).
    pub const STATISTICS: u32 = 5;
    /// Enhanced packet block (section 4.3).
    pub const ENHANCED_PACKET: u32 = 6;
    /// systemd journal export block (section 4.7).
    pub const JOURNAL: u32 = 9;
    /// Decryption secrets block (section 4.8).
    pub const SECRETS: u32 = 10;
    /// Custom block that a rewriter should copy (section 4.9).
    pub const CUSTOM: u32 = 0x0000_0bad;
    /// Custom block that a rewriter should not copy (section 4.9).
    pub const CUSTOM_NO_COPY: u32 = 0x4000_0bad;
}

/// Codes of pcapng options. The meaning of a code above 1 depends on the block that the option is
/// in.
pub mod option {
    /// End of the options (draft-ietf-opsawg-pcapng, section 3.5).
    pub const END: u16 = 0;
    /// A comment, UTF-8; any block; may be repeated (section 3.5.1).
    pub const COMMENT: u16 = 1;
    /// Section: hardware of the host (section 4.1).
    pub const SHB_HARDWARE: u16 = 2;
    /// Section: operating system (section 4.1).
    pub const SHB_OS: u16 = 3;
    /// Section: program that wrote it (section 4.1).
    pub const SHB_USERAPPL: u16 = 4;
    /// Interface: the device's name (section 4.2).
    pub const IF_NAME: u16 = 2;
    /// Interface: description (section 4.2).
    pub const IF_DESCRIPTION: u16 = 3;
    /// Interface: MAC address, 6 bytes (section 4.2).
    pub const IF_MACADDR: u16 = 6;
    /// Interface: speed in bits a second, 8 bytes (section 4.2).
    pub const IF_SPEED: u16 = 8;
    /// Interface: resolution of times, 1 byte (section 4.2); see [`Resolution`](crate::Resolution).
    pub const IF_TSRESOL: u16 = 9;
    /// Interface: capture filter, a kind byte (0: pcap-filter text) and the filter (section 4.2).
    pub const IF_FILTER: u16 = 11;
    /// Interface: operating system (section 4.2).
    pub const IF_OS: u16 = 12;
    /// Interface: length of the frame check sequence, 1 byte (section 4.2).
    pub const IF_FCSLEN: u16 = 13;
    /// Interface: seconds to add to its times, 8 bytes (section 4.2).
    pub const IF_TSOFFSET: u16 = 14;
    /// Interface: hardware (section 4.2).
    pub const IF_HARDWARE: u16 = 15;
    /// Enhanced packet: direction, checksum state and more, 4 bytes (section 4.3).
    pub const EPB_FLAGS: u16 = 2;
    /// Enhanced packet: a hash of the packet (section 4.3).
    pub const EPB_HASH: u16 = 3;
    /// Enhanced packet: packets lost between this one and the one before it, 8 bytes (section 4.3).
    pub const EPB_DROPCOUNT: u16 = 4;
    /// Enhanced packet: a number that identifies the packet, 8 bytes (section 4.3).
    pub const EPB_PACKETID: u16 = 5;
    /// Enhanced packet: the device's queue, 4 bytes (section 4.3).
    pub const EPB_QUEUE: u16 = 6;
    /// Enhanced packet: what the capturing system did with it (section 4.3).
    pub const EPB_VERDICT: u16 = 7;
    /// Name resolution: name of the DNS server (section 4.5).
    pub const NS_DNSNAME: u16 = 2;
    /// Statistics: begin of the capture, 8 bytes, high half first (section 4.6).
    pub const ISB_STARTTIME: u16 = 2;
    /// Statistics: end of the capture, 8 bytes, high half first (section 4.6).
    pub const ISB_ENDTIME: u16 = 3;
    /// Statistics: packets received from the interface, 8 bytes (section 4.6).
    pub const ISB_IFRECV: u16 = 4;
    /// Statistics: packets dropped by the interface, 8 bytes (section 4.6).
    pub const ISB_IFDROP: u16 = 5;
    /// Statistics: packets accepted by the filter, 8 bytes (section 4.6).
    pub const ISB_FILTERACCEPT: u16 = 6;
    /// Statistics: packets dropped by the operating system, 8 bytes (section 4.6).
    pub const ISB_OSDROP: u16 = 7;
    /// Statistics: packets delivered to the user, 8 bytes (section 4.6).
    pub const ISB_USRDELIV: u16 = 8;
}

/// What the writers need of the formats.
pub(crate) mod magic {
    pub(crate) use super::format::{PCAP_MICROS, PCAP_NANOS};
    pub(crate) use super::interface_block::parse as parse_interface;
    pub(crate) use super::pcapng::BYTE_ORDER_MAGIC;
}

/// The longest packet or block that makes sense, 256 MiB: twice the largest limit of libpcap and
/// Wireshark (`MAXIMUM_DBUS_SNAPLEN`, 128 MiB). A length beyond it is damage.
pub(crate) const MAX_LEN: u32 = 256 << 20;
