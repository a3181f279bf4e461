//! Inner flows of overlay traffic: a bounded flow table with TCP health.
//!
//! Packets decoded by [`vxlan`] go in, and records of bidirectional flows come out. A record says
//! who talks to whom, in which network, over which VTEPs, how much, and how well.
//!
//! ```
//! use vxflow::{ConnState, FlowTable, Seen};
//! use vxlan::LinkType;
//!
//! let mut table = FlowTable::default();
//! let frame = vxlan::example::SYN; // a SYN of 10.244.1.5 to 10.244.2.7, port 80, in VXLAN
//! let seen = Seen { time: 1_000_000_000, interface: 0, wire_len: frame.len() as u32 };
//! table.push(&vxlan::decode(frame, LinkType::ETHERNET), seen);
//!
//! let flow = table.iter().next().unwrap();
//! assert_eq!(flow.key.vni.map(u32::from), Some(1));
//! assert_eq!(flow.key.source.to_string(), "10.244.1.5");
//! assert_eq!((flow.key.source_port(), flow.key.destination_port()), (Some(43210), Some(80)));
//! let (from, to) = flow.vteps.unwrap();
//! assert_eq!((from.to_string(), to.to_string()), ("172.18.0.3".into(), "172.18.0.4".into()));
//! assert_eq!((flow.forward.packets, flow.forward.bytes), (1, 74));
//! assert_eq!(flow.state, ConnState::S0);
//! ```
//!
//! # Ways in, by task
//!
//! | to … | use |
//! |---|---|
//! | count packets into flows | [`FlowTable::push`], then [`FlowTable::finish`] |
//! | hand out flows as they end | [`FlowTable::ended`], with the timeouts of [`Config`] |
//! | show what goes on now | [`FlowTable::iter`] |
//! | count a capture file with several threads | [`in_parallel`] |
//! | decode in other threads than count | [`Summarizer`], [`FlowTable::fed_by`], [`FlowTable::add_all`] |
//!
//! # What is one flow
//!
//! - A flow is one network identifier and one inner 5-tuple, in both directions. The same addresses
//!   in two networks are two flows; packets outside of tunnels are in no network. Where tunnels are
//!   nested, the innermost one names the network.
//! - An ICMP echo flow has its identifier in place of ports; other ICMP messages have type and
//!   code.
//! - Later fragments join the flow of their first fragment, even if they come up to a second before
//!   it. Later fragments of *outer* packets are only [counted](TableCounts::tunnel_fragments):
//!   their first fragment has the inner headers and stands for the whole packet.
//! - A SYN with another initial sequence number begins a new flow.
//!
//! # How TCP's health is judged
//!
//! Only segments at one capture point are compared. A capture point is an interface, inside or
//! outside of a tunnel; the one at which a direction was first seen counts. A node's veth, bridge,
//! VXLAN device and network card all show copies of a packet, and these must not look like
//! retransmissions.
//!
//! The first of these rules that applies to a segment judges it, if it is older than the newest
//! one:
//!
//! 1. With 0 or 1 byte just below the next sequence number it is a *keep-alive* (RFC 9293 section
//!    3.8.4).
//! 2. Where the sender counts the IP identification up packet by packet, as Linux does for IPv4, a
//!    new number means *sent again*. An older number means *out of order* where bytes were missing,
//!    and otherwise a *copy*. So the parts of a super-packet (GSO, GRO) beside it are no
//!    retransmissions.
//! 3. Another TTL means a *copy*, and so does the same identification, or a SYN.
//! 4. Otherwise Wireshark's rules decide, by acknowledgements and time.
//!
//! A packet may be sent again with its identification unchanged (RFC 1122 section 3.2.1.5). So a
//! segment that comes 100 ms or more after the newest one, with the same TTL, is never a copy.
//!
//! One byte sent into a closed window is a *zero-window probe*.
//!
//! [`Config::count_copies`] says whether copies count as packets and bytes.
//!
//! # What it promises
//!
//! - No `unsafe`, and no panic on any input.
//! - No allocation for a packet. The table allocates as it grows, and for a flow that has an IPv6
//!   underlay, retransmissions, or several requests outstanding.
//! - Memory is bounded by [`Config::max_flows`] and [`Config::max_fragmented`]:
//!
//!   | for each | bytes at most |
//!   |---|---|
//!   | open flow, about 300: of IPv4, of IPv6 | 290, 350 |
//!   | flow over an IPv6 underlay | 48 more |
//!   | flow whose TCP health is not perfect | 48 more |
//!   | flow with several DNS or echo requests outstanding | 360 more |
//!   | fragmented packet of IPv4, of IPv6 | 750, 1,200 |
//!
//!   Records of ended flows are kept until they are taken.
//! - A flow is evicted only when the table is full, and never one that was seen among the last 7/8
//!   of `max_flows` packets.
//! - When a flow ends depends on its own packets and their times, not on when the table looks. So a
//!   file gives the same records each time, with any number of threads, as long as no flow is
//!   evicted. (The exception is a capture whose times go back by more than the idle timeout.)
//! - Nobody outside can make flows collide in the index: the hash is [`foldhash`] with a random
//!   seed for each table, and its values are never shown.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod config;
mod conn_state;
mod digest;
mod entry;
mod exchange;
mod family;
mod fragments;
mod index;
mod key;
mod parallel;
mod parts;
mod record;
mod repeats;
mod sequence;
mod store;
mod summarizer;
mod table;

pub use config::Config;
pub use conn_state::ConnState;
pub use digest::Summary;
pub use key::{Ends, FlowKey};
pub use parallel::{Flows, in_parallel};
pub use parts::Feeder;
pub use record::{Counts, EndReason, Exchange, FlowRecord, Handshake, TableCounts};
pub use summarizer::{Seen, Summarizer};
pub use table::FlowTable;

/// The examples of the README are compiled and run with those of this page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
