//! Writing capture files.
//!
//! [`PcapWriter`] and [`PcapngWriter`] make the blocks of a file. [`BlockWriter`] collects them in
//! one large buffer and writes it in large pieces, so the sink needs no buffer. The formats are
//! described at [`file`](crate::file).
//!
//! ```
//! use vxcap::write::{PcapngWriter, Section};
//! use vxcap::{Frame, FrameFlags, Interface, LinkType, Resolution, Timestamp};
//!
//! let mut writer = PcapngWriter::new(Vec::new());
//! writer.section(&Section::default().application("example"))?;
//! let eth0 = Interface::new(LinkType::ETHERNET, 262_144)
//!     .with_name("eth0")
//!     .with_resolution(Resolution::NANOS);
//! let interface = writer.interface(&eth0, &[])?;
//! let frame = Frame {
//!     time: Timestamp::from_nanos(1_700_000_000_000_000_001),
//!     link_type: LinkType::ETHERNET,
//!     interface,
//!     orig_len: 60,
//!     data: &[0; 60],
//!     flags: FrameFlags::default(),
//! };
//! writer.packet(&frame, &Default::default())?;
//! let bytes = writer.finish()?;
//!
//! let mut reader = vxcap::file::Reader::new(bytes.as_slice())?;
//! assert_eq!(reader.next_frame()?, Some(frame));
//! assert_eq!(reader.interfaces()[0].name.as_deref(), Some("eth0"));
//! # Ok::<(), vxcap::Error>(())
//! ```

mod block_writer;
mod pcap_writer;
mod pcapng_writer;
mod sink;

pub use block_writer::BlockWriter;
pub use pcap_writer::{PcapFormat, PcapWriter};
pub use pcapng_writer::{InterfaceCounts, PacketOptions, PcapngWriter, Section};
pub use sink::Sink;
