//! Programs for the kernel that decide on what is inside a tunnel.
//!
//! A packet that a capture does not want costs least where it never leaves the kernel. An
//! expression for the frame as captured can be attached to a socket as it is. But an expression,
//! identifiers or addresses of the packet inside a tunnel are behind outer headers whose lengths
//! vary, and the packet may be fragmented.
//!
//! A [`KernelSelection`] becomes a [`Program`](super::Program) that decides what is easy to decide,
//! which is nearly all ordinary traffic. It **accepts what it cannot decide**, and user space
//! decides then. So the result is the same with and without the program.
//!
//! ```
//! use vxcap::LinkType;
//! use vxcap::filter::pushdown::KernelSelection;
//! use vxcap::filter::{Ancillary, Program};
//!
//! # if libpcap_shim::available().is_err() { return Ok(()); }
//! let http = Program::compile("tcp port 80", LinkType::ETHERNET, 0)?;
//! let pushed = KernelSelection::default().inner(&http).program();
//! assert!(pushed.left_out.is_empty() && pushed.program.fits_kernel());
//!
//! let mut frame = vxlan::example::SYN.to_vec(); // in VXLAN: a SYN to port 80
//! assert_ne!(pushed.program.run_as_kernel(&frame, Ancillary::default()), 0);
//! frame[86..88].copy_from_slice(&443_u16.to_be_bytes());
//! assert_eq!(pushed.program.run_as_kernel(&frame, Ancillary::default()), 0);
//! frame[20] |= 0x20; // the first of several fragments, which is not decided
//! assert_ne!(pushed.program.run_as_kernel(&frame, Ancillary::default()), 0);
//! # Ok::<(), vxcap::filter::Error>(())
//! ```
//!
//! # What the program decides
//!
//! - Outside: Ethernet with ARP, with IPv4 without options, or with IPv6 without extension headers;
//!   no fragments.
//! - Tunnels: UDP to a tunnel port with VXLAN, with VXLAN-GPE that carries Ethernet, or with Geneve
//!   without options; no reserved bit is set, and all lengths are right.
//! - Inside: Ethernet with IPv4, IPv6 or ARP, and no other tunnel.
//!
//! It accepts everything else.
//!
//! On Linux, the kernel usually takes the outer VLAN tag out of the frame before a filter sees it.
//! User space sees the tag in the frame again, so that an expression for the frame may decide
//! otherwise there. Where that matters, the program accepts frames with a tag.
//!
//! The programs are for sockets that see whole Ethernet frames (`SOCK_RAW`). [`cooked`] converts
//! them for sockets of all devices, which see no link-layer header (`SOCK_DGRAM`); these accept all
//! frames with a VLAN tag.

mod assembler;
mod cooked;
mod cooked_header;
mod fields;
mod inner;
mod link;
mod not_pushed;
mod overlay;
mod ports;
mod prefixes;
mod selection;
mod splice;
mod spread;

pub use cooked::cooked;
pub use not_pushed::NotPushed;
pub use overlay::Overlay;
pub use prefixes::Prefix;
pub use selection::{KernelSelection, Pushed, SelectionPart, decides_on};
pub use spread::by_inner_ends;
