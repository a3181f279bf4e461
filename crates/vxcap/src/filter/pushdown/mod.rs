//! Selections by what is inside a tunnel, as programs for the kernel.
//!
//! A packet that a capture does not want is cheapest where it never leaves the kernel. `EXPRESSION`
//! can be attached to a socket as it is; but what `--inner`, `--vni`, `--node` and `--pod` ask for
//! stands behind outer headers whose lengths vary, in packets that may be fragments. A
//! [`KernelSelection`] becomes a [`Program`] that decides what can be decided at a glance, which is
//! nearly all of ordinary traffic, and **lets through what it cannot decide**: user space decides
//! then, and the result is the same with and without the program.
//!
//! ```
//! use vxcap::filter::{Program, Ancillary, pushdown::KernelSelection};
//! use vxlan::{LinkType, Vni};
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
//! frame[20] |= 0x20; // the first of several fragments: who knows what the whole is
//! assert_ne!(pushed.program.run_as_kernel(&frame, Ancillary::default()), 0);
//! # Ok::<(), vxcap::filter::Error>(())
//! ```
//!
//! # What is decided, and what is let through
//!
//! Decided: Ethernet; ARP; IPv4 without options and IPv6 without extension headers, not fragmented;
//! UDP to a tunnel port with VXLAN, VXLAN-GPE with Ethernet in it or Geneve without options, no
//! reserved bit set, all lengths true; inside, Ethernet with IPv4, IPv6 or ARP, and no other
//! tunnel. Everything else is let through.
//!
//! On Linux the kernel mostly takes the (outer) VLAN tag out of the frame before a filter sees it.
//! The tag is back in the frame in user space, so that an expression for the frame itself may
//! decide otherwise there: such frames are let through, where it matters.
//!
//! The programs are for sockets that see whole Ethernet frames (`SOCK_RAW`); and, by way of [`cooked`], for those of all
//! devices together, which see no link-layer header (`SOCK_DGRAM`). There frames with a VLAN tag are let through.

mod assembler;
mod combine;
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

pub use combine::{all, any, relocated};
pub use cooked::cooked;
pub use not_pushed::NotPushed;
pub use overlay::Overlay;
pub use prefixes::Prefix;
pub use selection::{KernelSelection, Pushed, SelectionPart, decides_on};
pub use spread::by_inner_ends;
