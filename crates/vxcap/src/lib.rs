//! Frames from capture files and network devices, each with its time, link type and interface.
//!
//! ```
//! use vxcap::LinkType;
//! use vxcap::file::Reader;
//!
//! // A little-endian pcap file of Ethernet with one packet, of which two bytes were captured.
//! let mut bytes = vec![
//!     0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
//! ];
//! bytes.extend([10, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 64, 0, 0, 0, 0xaa, 0xbb]);
//!
//! let mut reader = Reader::new(bytes.as_slice())?; // or Reader::open("node.pcapng.gz")?
//! let frame = reader.next_frame()?.expect("the file has one packet");
//! assert_eq!(frame.time.nanos(), 10_000_007_000);
//! assert_eq!(frame.data, [0xaa, 0xbb]);
//! assert_eq!(frame.orig_len, 64);
//! assert_eq!(frame.link_type, LinkType::ETHERNET);
//! assert!(reader.next_frame()?.is_none());
//! # Ok::<(), vxcap::Error>(())
//! ```
//!
//! # Ways in, by task
//!
//! | you want to … | use |
//! |---|---|
//! | read the packets of a file or pipe, compressed or not | [`file::Reader`] |
//! | read several files in the order of time | [`file::Merge`] |
//! | read one file with several threads | [`file::Pieces`] |
//! | read every block of a file, and write it byte for byte | [`file::BlockReader`], [`write::BlockWriter`] |
//! | write a capture file | [`write::PcapWriter`], [`write::PcapngWriter`] |
//! | select packets with a pcap-filter expression | [`filter::Filter`] (feature `filter`) |
//! | let the Linux kernel select by what is inside a tunnel | [`filter::pushdown`] (feature `filter`) |
//! | capture from network devices | [`live::Capture`] (feature `live`) |
//! | list devices, read routes and neighbours | [`live::devices`], [`live::TableReader`] (feature `live`) |
//!
//! # Features
//!
//! | feature | default | what it adds | what it needs |
//! |---|---|---|---|
//! | `gzip` | yes | files compressed with gzip | |
//! | `lz4` | yes | files compressed with LZ4 | |
//! | `zstd` | no | files compressed with Zstandard | a C compiler |
//! | `filter` | no | module [`filter`] | libpcap, when the first expression is compiled |
//! | `live` | no | module [`live`], and `filter` | Linux and `CAP_NET_RAW`; libpcap on other Unix systems |
//!
//! Without features, the only dependency is [`vxlan`], which decodes frames. A file whose
//! compression is not built in is refused with [`Error::NotDecompressed`].
//!
//! # Promises
//!
//! - Bytes from outside cause no panic, and no allocation beyond what they really hold.
//! - Reading and writing a packet allocates nothing.
//! - A damaged or cut file gives every whole packet before the damage, and then an [`Error`] with
//!   the byte offset. Only a clean end is `None`.
//! - Files are read and written by safe code. Live capture has `unsafe`, for the memory that it
//!   shares with the kernel and for system calls.
//!
//! The types [`LinkType`], [`vxlan::Vni`], [`vxlan::Ports`] and [`vxlan::Packet`] of the interface
//! are those of crate `vxlan`.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(feature = "live"), forbid(unsafe_code))]
#![cfg_attr(
    not(feature = "live"),
    allow(rustdoc::broken_intra_doc_links, reason = "links to modules whose feature is off")
)]

mod error;
mod frame;
mod interface;

pub mod file;
#[cfg(feature = "filter")]
#[cfg_attr(docsrs, doc(cfg(feature = "filter")))]
pub mod filter;
#[cfg(all(feature = "live", unix))]
#[cfg_attr(docsrs, doc(cfg(feature = "live")))]
pub mod live;
pub mod write;

pub use error::{Error, Part};
pub use frame::{ChecksumHint, Direction, Frame, FrameFlags, Timestamp};
pub use interface::{Interface, Resolution};
pub use vxlan::LinkType;

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
