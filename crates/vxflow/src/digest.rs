//! What the table needs of a packet: small, owned, and fit to be handed to another thread.

use crate::key::{Key, Side, Wide};

/// Outer addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carriage {
    None,
    V4([u32; 2]),
    V6([[u32; 4]; 2]),
}

/// What a digest tells the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A whole packet.
    Packet,
    /// The first fragment of an IP packet.
    FirstFragment,
    /// Any other fragment: its key has no ports.
    LaterFragment,
    /// The first fragment of an outer packet whose inner packet has a digest of its own: no packet
    /// of this flow.
    TunnelFragment,
    /// The key of a packet that an ICMP error quotes: no packet of this flow.
    Quoted,
}

/// What the transport layer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp(Tcp),
    /// DNS by its identifier, ICMP echo by its sequence number.
    Request(u16),
    Answer(u16),
    /// UDP of which nothing further is known.
    Datagram,
    Other,
}

/// The numbers of a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tcp {
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    /// bytes of payload on the wire
    pub(crate) len: u32,
    pub(crate) window: u16,
    pub(crate) flags: u16,
}

/// One packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest<A> {
    pub(crate) time: i64,
    pub(crate) hash: u64,
    pub(crate) key: Key<A>,
    /// capture point
    pub(crate) point: u32,
    pub(crate) bytes: u32,
    /// identification of a fragmented IP packet
    pub(crate) fragment: u32,
    pub(crate) transport: Transport,
    pub(crate) carriage: Carriage,
    /// IPv4 identification, 0 for IPv6
    pub(crate) ip_id: u16,
    pub(crate) ttl: u8,
    pub(crate) side: Side,
    pub(crate) what: What,
}

/// A packet, reduced to what a flow table needs: made by a [`Summarizer`](crate::Summarizer), and
/// handed to [`FlowTable::add`](crate::FlowTable::add), also in another thread.
#[derive(Clone, Copy, Debug)]
pub struct Summary(pub(crate) Either);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Either {
    V4(Digest<u32>),
    V6(Digest<Wide>),
}

impl Summary {
    /// Which of `shards` tables owns the flow; `None`: a fragment, of which that is not known yet.
    #[inline]
    pub(crate) fn shard(&self, shards: usize) -> Option<usize> {
        let (what, hash) = match &self.0 {
            Either::V4(digest) => (digest.what, digest.hash),
            Either::V6(digest) => (digest.what, digest.hash),
        };
        matches!(what, What::Packet | What::Quoted).then(|| shard(hash, shards))
    }
}

/// The upper half of the hash picks the shard, the lower half the place in its table.
#[inline]
pub(crate) fn shard(hash: u64, shards: usize) -> usize {
    ((u128::from(hash >> 32) * shards as u128) >> 32) as usize
}
