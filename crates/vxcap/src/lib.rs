//! Capture files and capture devices: frames with their time, link type and interface.
//!
//! # Ways in
//!
//! | to … | use |
//! |---|---|
//! | read the packets of a capture file, a pipe or a compressed file | [`file::Reader`] |
//! | read several files in time order | [`file::Merge`] |
//! | read and pass on every block byte for byte | [`file::BlockReader`] |
//! | write a capture file | [`write::PcapWriter`], [`write::PcapngWriter`] |
//! | capture from a network device | [`live::Capture`] |
//!
//! ```
//! use vxcap::file::Reader;
//!
//! // A little-endian pcap file of Ethernet with one packet of two bytes.
//! let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
//! bytes.extend([0x0a, 0, 0, 0, 0x07, 0, 0, 0, 2, 0, 0, 0, 64, 0, 0, 0, 0xaa, 0xbb]);
//!
//! let mut reader = Reader::new(bytes.as_slice())?;
//! let frame = reader.next_frame()?.expect("the file has one packet");
//! assert_eq!(frame.time.nanos(), 10_000_007_000);
//! assert_eq!(frame.data, [0xaa, 0xbb]);
//! assert_eq!(frame.orig_len, 64);
//! assert_eq!(frame.link_type, vxlan::LinkType::ETHERNET);
//! assert!(reader.next_frame()?.is_none());
//! # Ok::<(), vxcap::Error>(())
//! ```
//!
//! # Promises
//!
//! Bytes from outside cause no panic and no allocation beyond what they really hold. Reading and
//! writing a packet allocates nothing. A damaged or cut file gives every whole packet before the
//! damage, and then an [`Error`] with the byte offset; only a clean end is `None`.

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
