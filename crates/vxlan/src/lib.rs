//! Zero-copy decoding of overlay packets: outer headers, tunnel, inner headers.
//!
//! Kubernetes networks (flannel, Calico, Cilium, k3s, RKE2 …) carry packets between pods of
//! different nodes inside VXLAN or Geneve. This crate takes a captured frame and gives views into
//! it: nothing is copied, nothing is allocated, and no input makes it panic.
//!
//! ```
//! use vxlan::{LinkType, Protocol};
//!
//! let frame = vxlan::example::SYN; // Ethernet, IPv4, UDP to 8472, VXLAN, Ethernet, IPv4, TCP
//! let packet = vxlan::decode(frame, LinkType::ETHERNET);
//!
//! let tunnel = packet.tunnel.expect("a tunnel packet");
//! assert_eq!(tunnel.protocol(), Protocol::Vxlan);
//! assert_eq!(tunnel.vni().map(u32::from), Some(1));
//! assert_eq!(packet.outer.source().unwrap().to_string(), "172.18.0.3");
//! assert_eq!(packet.inner.source().unwrap().to_string(), "10.244.1.5");
//! assert_eq!(packet.inner.destination().unwrap().to_string(), "10.244.2.7");
//! let tcp = packet.inner.tcp().unwrap();
//! assert_eq!((tcp.source_port(), tcp.destination_port(), tcp.sequence()), (43210, 80, 1000));
//! assert!(packet.stop().is_none());
//!
//! // a frame that was cut gives what is there, and says what is missing
//! let cut = vxlan::decode(&frame[..60], LinkType::ETHERNET);
//! assert_eq!(cut.tunnel.unwrap().vni().map(u32::from), Some(1));
//! let stop = cut.stop().unwrap();
//! assert_eq!(stop.to_string(), "truncated: Ethernet needs 14 bytes, 10 in the frame");
//! assert_eq!(stop.offset, 50);
//! ```
//!
//! # Ways in, by task
//!
//! | you have | you want | use |
//! |---|---|---|
//! | a captured frame | everything in it | [`decode`]; for other ports, nesting or a cut frame [`Decoder::decode_captured`] |
//! | a [`Packet`] | the innermost packet | [`Packet::inner`], which is a [`Headers`] |
//! | a [`Packet`] | every level of tunnels in tunnels | [`Decoder::encapsulations`] |
//! | a UDP payload | the tunnel header in it | [`Tunnel::parse`] |
//! | an IP packet without a link layer | its headers | [`decode`] with [`LinkType::RAW`] |
//! | an ICMP error | the packet that it quotes | [`Decoder::decode_quote`] |
//! | a checksum that does not add up | an error, or left to hardware? | [`Packet::outer_checksum`], [`Packet::inner_checksum`] |
//! | fragments of the underlay | the whole frame | `Reassembler` (feature `alloc`) |
//! | fragments of the underlay | the same decision for all of them | `OuterFragments` (feature `alloc`) |
//! | bytes | their Internet checksum | [`internet_checksum`] |
//!
//! # What it promises
//!
//! - No panic on any input, no `unsafe`, no dependency, `no_std`.
//! - No allocation, except in `Reassembler` and `OuterFragments`, whose memory is bounded.
//! - Length fields are honoured: a payload ends where the headers around it say, and padding is
//!   never part of it.
//! - What could be decoded is kept. [`Packet::stop`] names the layer and the offset at which
//!   decoding ended, how many bytes were needed, how many there were, and who limited them.
//! - No type of another crate is in the public interface.
//!
//! # Standards
//!
//! VXLAN: RFC 7348; group policy: draft-smith-vxlan-group-policy; GPE: draft-ietf-nvo3-vxlan-gpe;
//! Geneve: RFC 8926; NSH: RFC 8300; flannel's UDP back end: raw IP in UDP.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, feature = "alloc"))]
extern crate alloc;

mod arp;
mod bytes;
mod checksum;
mod ether_type;
pub mod example;
mod geneve;
mod headers;
mod icmp;
mod igmp;
pub mod internet_checksum;
mod ip_protocol;
mod ipv4;
mod ipv6;
mod link;
mod link_type;
#[doc(hidden)]
pub mod ordinary_vxlan;
#[cfg(feature = "alloc")]
mod outer_fragments;
mod packet;
mod ports;
#[cfg(feature = "alloc")]
mod reassembly;
mod sctp;
mod stop;
mod tcp;
mod tunnel;
mod udp;
mod vni;

pub use arp::ArpPacket;
pub use checksum::Checksum;
pub use ether_type::EtherType;
pub use geneve::{GeneveOption, GeneveOptions};
pub use headers::{Fragment, Headers};
pub use icmp::{IcmpHeader, Icmpv6Header};
pub use igmp::IgmpHeader;
pub use ip_protocol::IpProtocol;
pub use ipv4::Ipv4Header;
pub use ipv6::{Ipv6ExtensionHeader, Ipv6ExtensionHeaders, Ipv6Header};
pub use link::{EthernetHeader, MacAddr, SllHeader, VlanTag, VlanTags};
pub use link_type::{LinkShape, LinkType};
#[cfg(feature = "alloc")]
#[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
pub use outer_fragments::OuterFragments;
pub use packet::{Decoder, Encapsulation, Encapsulations, Packet, decode};
pub use ports::{FLANNEL_UDP_PORT, GENEVE_PORT, GPE_PORT, IANA_PORT, LINUX_PORT, Ports, PortsFull};
#[cfg(feature = "alloc")]
#[cfg_attr(docsrs, doc(cfg(feature = "alloc")))]
pub use reassembly::{Outcome, Reassembler, ReassemblyCounts, ReassemblyLimits, Refusal};
pub use sctp::SctpHeader;
pub use stop::{Cause, Layer, Limit, Stop};
pub use tcp::{TcpFlags, TcpHeader, TcpOption, TcpOptions};
pub use tunnel::{GroupPolicy, Protocol, Tunnel, TunnelKind, UnknownTunnelKind};
pub use udp::UdpHeader;
pub use vni::Vni;

/// The examples of the README are compiled and run with those of this page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
