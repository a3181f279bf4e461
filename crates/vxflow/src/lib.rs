//! Inner flows of overlay traffic: a bounded flow table with TCP health.
//!
//! Packets decoded by [`vxlan`] go in, records of bidirectional flows come out: who talks to whom in which network, over
//! which VTEPs, how much, and how well.
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
//! | use several threads on a capture file | [`in_parallel`] |
//! | decode in other threads than count | [`Summarizer`], [`FlowTable::fed_by`], [`FlowTable::add_all`] |
//!
//! # What is one flow
//!
//! - One network identifier and one inner 5-tuple, both directions. The same addresses in two networks are two flows;
//!   plain packets are in none. With tunnels in tunnels, the network is that of the innermost one.
//! - ICMP echo goes by its identifier, other ICMP messages by type and code.
//! - Later fragments join the flow of their first fragment, also where they come up to a second before it. Later fragments of *outer* packets are only
//!   [counted](TableCounts::tunnel_fragments): the first one has the inner headers and stands for the whole packet.
//! - A SYN with another initial sequence number begins a new flow.
//!
//! # How TCP's health is judged
//!
//! Only segments at one capture point are compared: the interface, in a tunnel or in none, at which each direction was first
//! seen. The copies of a packet that a node's veth, bridge, VXLAN device and network card show are so no retransmissions.
//!
//! There, a segment older than the newest is a *keep-alive* (0 or 1 byte just below the next one, RFC 9293 section 3.8.4), or
//! else is judged by the IP identification where the sender counts it up packet by packet, as Linux does for IPv4: a new
//! number was *sent again*, an older one is *out of order* where bytes are missing, else a *copy*; so also the parts of a
//! super-packet (GSO, GRO) seen beside it are no retransmissions. Without such numbers a different TTL shows a copy, or the same
//! identification, and for the rest Wireshark's rules decide, by acknowledgements and time. A packet may be sent again
//! with its identification unchanged (RFC 1122 section 3.2.1.5): a copy comes within 100 ms. So does that of a SYN, whatever
//! its identification. One byte into a closed window is a *zero-window probe*.
//!
//! [`Config::count_copies`] says whether copies count as packets and bytes.
//!
//! # What it promises
//!
//! - Memory is bounded by [`Config::max_flows`], at most 290 bytes a flow for IPv4 and 350 for IPv6, plus 48 each where the
//!   underlay is IPv6 and where TCP's health is not perfect, and up to 360 while a flow has several DNS or echo requests
//!   outstanding; and by [`Config::max_fragmented`], at most 750 bytes each for IPv4 and 1,200 for IPv6. Records of
//!   ended flows are kept until they are taken.
//! - A flow is pushed out only when the table is full, and never one that was among the last 7/8 of `max_flows` packets.
//! - What is over depends on the flow's own packets and times, not on when the table looks: a file gives the same records
//!   each time, and with any number of threads, while none are pushed out. (A capture whose times go back by more than
//!   the idle timeout is the exception.)
//! - Nobody outside can make packets collide on purpose: the hash is seeded at random for each table, and its values are
//!   never shown. [`foldhash`] promises that without the seed collisions cannot be found; with chance alone, the
//!   index's runs stay short.
//! - No `unsafe`, no panic on any input, no allocation a packet (a table that grows, and flows over an IPv6 underlay or
//!   with retransmissions, allocate a flow).
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
