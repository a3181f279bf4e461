//! What is known of a flow.

use core::net::IpAddr;

use vxlan::{IpProtocol, TcpFlags};

use crate::conn_state::ConnState;
use crate::key::FlowKey;

/// Why a record was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// It is still in the table.
    Live,
    /// The table was finished.
    Finished,
    /// No packets for the idle timeout.
    Idle,
    /// It lasted longer than the active timeout, or its packet count was about to overflow.
    Active,
    /// The connection was closed or reset, and the time for stragglers is over.
    Closed,
    /// The ports were taken by a new connection.
    Reused,
    /// The table was full.
    Evicted,
}

impl EndReason {
    /// The name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Finished => "finished",
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Closed => "closed",
            Self::Reused => "reused",
            Self::Evicted => "evicted",
        }
    }
}

/// What one end of a flow sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Counts {
    /// Frames.
    pub packets: u64,
    /// Bytes of the inner frames on the wire, link layer included; of packets in no tunnel, of the
    /// whole frames.
    pub bytes: u64,
    /// All TCP flags that were seen.
    pub tcp_flags: TcpFlags,
    /// TCP segments sent again, keep-alives and zero-window probes excepted.
    pub retransmits: u32,
    /// TCP segments that came after later ones.
    pub out_of_order: u32,
    /// TCP segments that closed the window, SYN, FIN and RST excepted.
    pub zero_windows: u32,
    /// TCP keep-alives. Stays at 65,535.
    pub keep_alives: u16,
    /// Probes of a closed window. Stays at 65,535.
    pub zero_window_probes: u16,
    /// TCP segments with RST. Stays at 65,535.
    pub resets: u16,
    /// Packets that were seen before, at another capture point or at the same one; see
    /// [`Config::count_copies`](crate::Config::count_copies).
    pub copies: u32,
}

/// Times of a TCP handshake, as seen from the capture point, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Handshake {
    /// From the SYN, the last one if there are several, to the SYN-ACK: to the other end and back.
    pub syn_to_syn_ack: i64,
    /// From the SYN-ACK to the opener's first ACK: to the opener and back. `None` until that ACK
    /// comes.
    pub syn_ack_to_ack: Option<i64>,
}

/// Requests and answers of UDP, DNS (by its identifier) and ICMP echo (by its sequence number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Exchange {
    /// Requests seen. For UDP other than DNS at most 1: the opener's first packet.
    pub requests: u32,
    /// Requests that were answered. For UDP other than DNS at most 1: the first.
    pub answered: u32,
    /// Nanoseconds from the first answered request to its answer. A repeated request counts from
    /// the first time it was sent.
    pub first_response: Option<i64>,
    /// The longest of these times, in nanoseconds.
    pub longest_response: Option<i64>,
}

/// A flow: both directions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FlowRecord {
    /// Who talks to whom. The source is the end that opened the flow: the sender of the SYN, or
    /// else of the first packet that was seen.
    pub key: FlowKey,
    /// Time of the first packet, nanoseconds since the Unix epoch.
    pub first: i64,
    /// Time of the latest packet, nanoseconds since the Unix epoch.
    pub last: i64,
    /// Outer source and destination of the opener's direction, as first seen. Where only the other
    /// direction was seen, they are its addresses, swapped. `None` for packets outside of tunnels.
    pub vteps: Option<(IpAddr, IpAddr)>,
    /// How often the outer addresses of a direction changed.
    pub vtep_changes: u32,
    /// What the opener sent.
    pub forward: Counts,
    /// What the other end sent.
    pub reverse: Counts,
    /// How the connection went.
    pub state: ConnState,
    /// Times of the handshake; `None` where SYN or SYN-ACK was not seen.
    pub handshake: Option<Handshake>,
    /// Requests and answers; `None` for TCP, and for protocols that have none.
    pub exchange: Option<Exchange>,
    /// ICMP errors that quoted a packet of this flow.
    pub icmp_errors: u32,
    /// Why the record was handed out.
    pub end: EndReason,
}

impl FlowRecord {
    /// How long the flow lasted, in nanoseconds.
    pub const fn duration(&self) -> i64 {
        self.last.saturating_sub(self.first)
    }

    /// Round-trip time in nanoseconds. For TCP it is that of the handshake, from the SYN to the
    /// opener's ACK: from the capture point to both ends and back. For UDP, DNS and ICMP echo it is
    /// the time from the first answered request to its answer.
    pub fn rtt(&self) -> Option<i64> {
        if self.key.protocol == IpProtocol::TCP {
            let handshake = self.handshake?;
            Some(handshake.syn_to_syn_ack.saturating_add(handshake.syn_ack_to_ack?))
        } else {
            self.exchange?.first_response
        }
    }
}

/// What a table counts besides flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableCounts {
    /// Packets in flows; with copies, if they count
    /// ([`Config::count_copies`](crate::Config::count_copies)).
    pub packets: u64,
    /// Frames without an IP packet that could be decoded, such as ARP.
    pub not_ip: u64,
    /// Frames whose headers the capture cut, so that the flow or its health cannot be told. With a
    /// cut IP header they are in no flow; otherwise in a flow without ports, or in that of the
    /// tunnel.
    pub cut: u64,
    /// Later fragments of outer packets: their first fragment has the inner headers and stands for
    /// the whole packet.
    pub tunnel_fragments: u64,
    /// Flows that began.
    pub flows: u64,
    /// Flows that ended because the table was full.
    pub evicted: u64,
    /// Packets that are more than a millisecond out of order: a packet of their flow with a later
    /// time came before them. Round-trip times may then be wrong.
    pub late: u64,
}
