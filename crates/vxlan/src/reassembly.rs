//! Fragments of IPv4 (RFC 791) and IPv6 (RFC 8200 section 4.5) put together again, bounded in
//! memory and time.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use crate::bytes::be16;
use crate::headers::{Fragment, Headers};
use crate::internet_checksum::of_header;
use crate::link_type::LinkType;

/// The most bytes of an IP packet: what IPv4's total length and IPv6's payload length can say.
const MOST_BYTES: u32 = 0xffff;
/// What a held fragment costs beside its bytes: its entry in the map of a packet's parts.
const PART_COST: usize = 32;
/// What a held packet costs beside its fragments: key, entry and place in the order of age.
const PACKET_COST: usize = 256;
/// SNAP with the organisation code of encapsulated Ethernet (RFC 1042), which stands before the
/// type.
const SNAP: [u8; 6] = [0xaa, 0xaa, 0x03, 0, 0, 0];

/// How much a [`Reassembler`] may hold, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReassemblyLimits {
    /// Most bytes of memory for fragments that wait for others, with what it costs to keep them.
    pub max_bytes: usize,
    /// Most packets that wait.
    pub max_packets: usize,
    /// How long a packet may wait after its first fragment was seen, in nanoseconds of the frames'
    /// times.
    pub timeout_ns: i64,
}

impl Default for ReassemblyLimits {
    /// 16 MiB, 4096 packets and 30 seconds (Linux: `net.ipv4.ipfrag_time`).
    fn default() -> Self {
        Self { max_bytes: 16 << 20, max_packets: 4096, timeout_ns: 30_000_000_000 }
    }
}

impl ReassemblyLimits {
    /// Replaces the most bytes of memory.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Replaces the most packets that wait.
    #[must_use]
    pub const fn max_packets(mut self, packets: usize) -> Self {
        self.max_packets = packets;
        self
    }

    /// Replaces how long a packet may wait, in nanoseconds.
    #[must_use]
    pub const fn timeout_ns(mut self, nanoseconds: i64) -> Self {
        self.timeout_ns = nanoseconds;
        self
    }
}

/// What became of a frame that was given to a [`Reassembler`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<'r> {
    /// The frame is no fragment: it is whole, or no IP packet.
    NotAFragment,
    /// The fragment is kept until the others come.
    Held,
    /// The fragment was the last one missing: the packet is whole.
    Whole {
        /// The whole frame: the link layer of the first fragment, an IP header as if the packet had
        /// never been cut, and the whole payload, without padding.
        frame: &'r [u8],
        /// What `frame` begins with.
        link_type: LinkType,
        /// How many fragments it came in, duplicates not counted.
        fragments: u32,
        /// When its first fragment was seen, in nanoseconds as given.
        first_ns: i64,
    },
    /// The fragment is refused, and its packet cannot become whole.
    Refused(Refusal),
}

/// Why a fragment is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Not all of its bytes were captured.
    Cut,
    /// It has no bytes; or it is not the last one, and its length is no multiple of 8 bytes.
    Length,
    /// It would end beyond the 65,535 bytes of the longest packet.
    TooLong,
    /// It overlaps with another fragment, and is no exact copy of it.
    Overlap,
    /// It contradicts what another fragment says of where the packet ends.
    End,
    /// It needs more memory than the limits allow.
    NoRoom,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "the fragment was not captured wholly",
            Self::Length => "the fragment is empty, or not a multiple of 8 bytes long",
            Self::TooLong => "the fragment ends beyond 65535 bytes",
            Self::Overlap => "the fragment overlaps with another one",
            Self::End => "the fragment lies beyond the end that another one says",
            Self::NoRoom => "the packet needs more memory than the limits allow",
        })
    }
}

/// What a [`Reassembler`] did so far, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReassemblyCounts {
    /// Became whole.
    pub whole: u64,
    /// Given up because fragments did not come in time.
    pub timed_out: u64,
    /// Given up, the oldest first, to stay within the limits.
    pub evicted: u64,
    /// Given up because of a fragment that was refused.
    pub refused: u64,
}

/// Which packet a fragment is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    scope: u64,
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    /// IPv4 only: in IPv6 only the first fragment's counts (RFC 8200 section 4.5)
    protocol: u8,
    tags: [u16; 2],
}

/// A packet that waits for fragments.
#[derive(Debug, Default)]
struct Pending {
    /// place in the order of age
    age: u64,
    first_ns: i64,
    /// link and IP header of the first fragment, mended but for lengths and checksum; empty before
    /// it came
    head: Vec<u8>,
    /// where the IP header begins in `head`
    network: usize,
    link_type: Option<LinkType>,
    /// the fragments' bytes in the order in which they came
    data: Vec<u8>,
    /// offset in the packet → where the bytes lie in `data`, and how many
    parts: BTreeMap<u32, (u32, u32)>,
    /// bytes in all, as the last fragment says
    total: Option<u32>,
    /// every further fragment is refused for this reason
    refused: Option<Refusal>,
}

impl Pending {
    fn cost(&self) -> usize {
        PACKET_COST + self.head.capacity() + self.data.capacity() + self.parts.len() * PART_COST
    }

    fn is_whole(&self) -> bool {
        // without overlaps, as many bytes as there are in all are all the bytes
        !self.head.is_empty() && self.total == u32::try_from(self.data.len()).ok()
    }

    fn bytes_of(&self, part: (u32, u32)) -> &[u8] {
        let (start, len) = (part.0 as usize, part.1 as usize);
        self.data.get(start..start + len).unwrap_or(&[])
    }

    /// Takes in a fragment's bytes.
    fn add(&mut self, fragment: Fragment, bytes: &[u8]) -> Result<(), Refusal> {
        let (offset, len) = (fragment.offset, bytes.len() as u32);
        let end = offset + len;
        if let Some(&part) = self.parts.get(&offset)
            && self.bytes_of(part) == bytes
            && (fragment.more || self.total == Some(end))
            && (!fragment.more || self.total != Some(end))
        {
            return Ok(()); // a copy: seen at two points, or sent twice
        }
        let before = self.parts.range(..=offset).next_back();
        let after = self.parts.range(offset..).next();
        if before.is_some_and(|(&start, &(_, len))| start + len > offset)
            || after.is_some_and(|(&start, _)| end > start)
        {
            return Err(Refusal::Overlap);
        }
        let beyond =
            self.parts.last_key_value().is_some_and(|(&start, &(_, len))| start + len > end);
        match self.total {
            Some(total) if end > total || !fragment.more => return Err(Refusal::End),
            None if !fragment.more && beyond => return Err(Refusal::End),
            None if !fragment.more => self.total = Some(end),
            _ => {}
        }
        self.parts.insert(offset, (self.data.len() as u32, len));
        self.data.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes the whole frame.
    fn write_to(&self, frame: &mut Vec<u8>) {
        frame.clear();
        frame.extend_from_slice(&self.head);
        for &part in self.parts.values() {
            frame.extend_from_slice(self.bytes_of(part));
        }
        let Some(ip) = frame.get_mut(self.network..) else { return };
        let ip_len = ip.len();
        let four = ip.first().is_some_and(|first| first >> 4 == 4);
        let (at, len) = if four { (2, ip_len) } else { (4, ip_len.saturating_sub(40)) };
        put16(ip, at, len as u16);
        if four {
            put16(ip, 10, 0);
            let header_len = usize::from(ip.first().map_or(0, |first| first & 0x0f)) * 4;
            let sum = of_header(ip.get(..header_len).unwrap_or(&[]));
            put16(ip, 10, sum);
        }
    }
}

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// Puts fragments of IP packets together: those of the underlay, so that the tunnel in them can be
/// decoded, or those of the overlay.
///
/// ```
/// use vxlan::{Decoder, LinkType, Outcome, Reassembler};
/// # fn frames() -> [(i64, &'static [u8]); 1] { [(0, vxlan::example::SYN)] }
///
/// let decoder = Decoder::default();
/// let mut reassembler = Reassembler::default();
/// let mut tunnels = 0;
/// for (time_ns, frame) in frames() {
///     let packet = decoder.decode(frame, LinkType::ETHERNET);
///     match reassembler.push(time_ns, &packet.outer) {
///         Outcome::NotAFragment => tunnels += usize::from(packet.tunnel.is_some()),
///         Outcome::Whole { frame, link_type, .. } => {
///             let packet = decoder.decode(frame, link_type);
///             tunnels += usize::from(packet.tunnel.is_some());
///         }
///         _ => {} // held until the others come, or refused
///     }
/// }
/// assert_eq!(tunnels, 1);
/// ```
///
/// # What is refused
///
/// Where a fragment overlaps with another one, the whole packet is refused, with the fragments that
/// are still to come. For IPv6 RFC 5722 demands this. For IPv4 no standard does, but Linux refuses
/// overlaps too (since 4.19): no honest sender makes them, receivers differ in which bytes they
/// take, and so they can hide a packet from an observer. An exact copy of a fragment is no overlap:
/// captures at several points have copies.
///
/// A fragment that the capture cut is refused, since its bytes are missing.
///
/// # What it holds
///
/// Memory stays below [`ReassemblyLimits::max_bytes`], plus the largest whole packet (64 KiB and
/// its headers). The oldest packets are given up first; [`Reassembler::counts`] says how many.
#[derive(Debug, Default)]
pub struct Reassembler {
    limits: ReassemblyLimits,
    pending: BTreeMap<Key, Pending>,
    ages: BTreeMap<u64, Key>,
    next_age: u64,
    held: usize,
    whole: Vec<u8>,
    counts: ReassemblyCounts,
}

impl Reassembler {
    /// One that holds nothing yet.
    pub fn new(limits: ReassemblyLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What was done so far.
    pub const fn counts(&self) -> ReassemblyCounts {
        self.counts
    }

    /// How many packets wait for fragments.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// How many bytes of memory the waiting packets need, as the limits count them.
    pub const fn held_bytes(&self) -> usize {
        self.held
    }

    /// Takes the headers of a frame that was seen at `time_ns`, in nanoseconds since any fixed
    /// moment.
    ///
    /// Times need not be in order. What has waited too long is decided by the time of each new
    /// frame.
    pub fn push(&mut self, time_ns: i64, headers: &Headers<'_>) -> Outcome<'_> {
        self.push_in(0, time_ns, headers)
    }

    /// As [`Reassembler::push`], with fragments of different `scope`s kept apart. A scope may be a
    /// network identifier, where pods of different networks have the same addresses, or a capture
    /// interface.
    pub fn push_in(&mut self, scope: u64, time_ns: i64, headers: &Headers<'_>) -> Outcome<'_> {
        self.expire(time_ns);
        let Some(fragment) = headers.fragment() else { return Outcome::NotAFragment };
        let Some(key) = Key::of(scope, headers, fragment) else { return Outcome::NotAFragment };
        if self.pending.get(&key).is_some_and(|old| self.is_late(old, time_ns)) {
            self.remove(&key);
            self.counts.timed_out += 1;
        }
        match self.take(key, time_ns, headers, fragment) {
            Ok(None) => Outcome::Held,
            Ok(Some(done)) => {
                done.write_to(&mut self.whole);
                self.counts.whole += 1;
                Outcome::Whole {
                    frame: &self.whole,
                    link_type: done.link_type.unwrap_or(headers.link_type()),
                    fragments: done.parts.len() as u32,
                    first_ns: done.first_ns,
                }
            }
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    /// Takes in a fragment; gives the packet that it makes whole.
    fn take(
        &mut self,
        key: Key,
        time_ns: i64,
        headers: &Headers<'_>,
        fragment: Fragment,
    ) -> Result<Option<Pending>, Refusal> {
        let split = Split::of(headers, fragment);
        let mut packet = self.remove(&key).unwrap_or_else(|| {
            self.next_age += 1;
            Pending { age: self.next_age, first_ns: time_ns, ..Pending::default() }
        });
        let already = packet.refused;
        let added = match (already, split) {
            (Some(refusal), _) | (None, Err(refusal)) => Err(refusal),
            (None, Ok(split)) => packet.add(fragment, split.data).map(|()| {
                if fragment.is_first() && packet.head.is_empty() {
                    packet.head = split.head(headers);
                    packet.network = packet.head.len() - split.ip_len;
                    packet.link_type = Some(headers.link_type());
                }
            }),
        };
        if let Err(refusal) = added {
            // what is remembered of it is only that it is refused
            let (age, first_ns) = (packet.age, packet.first_ns);
            packet = Pending { age, first_ns, refused: Some(refusal), ..Pending::default() };
            self.counts.refused += u64::from(already.is_none());
        } else if packet.is_whole() {
            return Ok(Some(packet));
        }
        self.insert(key, packet);
        self.make_room();
        added?;
        if self.pending.contains_key(&key) { Ok(None) } else { Err(Refusal::NoRoom) }
    }

    fn is_late(&self, packet: &Pending, now_ns: i64) -> bool {
        now_ns.saturating_sub(packet.first_ns) > self.limits.timeout_ns
    }

    fn expire(&mut self, now_ns: i64) {
        while let Some((_, &key)) = self.ages.first_key_value() {
            match self.pending.get(&key) {
                Some(packet) if !self.is_late(packet, now_ns) => break,
                _ => {
                    let refused = self.remove(&key).is_some_and(|packet| packet.refused.is_some());
                    self.counts.timed_out += u64::from(!refused);
                }
            }
        }
    }

    fn make_room(&mut self) {
        let ReassemblyLimits { max_bytes, max_packets, .. } = self.limits;
        while self.held > max_bytes || self.pending.len() > max_packets {
            let Some((_, &key)) = self.ages.first_key_value() else { break };
            let refused = self.remove(&key).is_some_and(|packet| packet.refused.is_some());
            self.counts.evicted += u64::from(!refused);
        }
    }

    fn insert(&mut self, key: Key, packet: Pending) {
        self.held += packet.cost();
        self.ages.insert(packet.age, key);
        self.pending.insert(key, packet);
    }

    fn remove(&mut self, key: &Key) -> Option<Pending> {
        let packet = self.pending.remove(key)?;
        self.held -= packet.cost();
        self.ages.remove(&packet.age);
        Some(packet)
    }
}

impl Key {
    fn of(scope: u64, headers: &Headers<'_>, fragment: Fragment) -> Option<Self> {
        let mut tags = [u16::MAX; 2];
        for (place, tag) in tags.iter_mut().zip(headers.vlan_tags()) {
            *place = tag.id();
        }
        Some(Self {
            scope,
            source: headers.source()?,
            destination: headers.destination()?,
            id: fragment.id,
            protocol: headers.ipv4().map_or(0, |ip| ip.protocol().0),
            tags,
        })
    }
}

/// A fragment taken apart.
struct Split<'a> {
    /// bytes of the IP header, for IPv6 with the extension headers before the fragment header
    ip_len: usize,
    /// the fragment's bytes
    data: &'a [u8],
}

impl<'a> Split<'a> {
    fn of(headers: &Headers<'a>, fragment: Fragment) -> Result<Self, Refusal> {
        // the length fields of IP alone count: a UDP length in the first fragment is that of the
        // whole packet
        let (ip_len, data_at, packet_len) = match (headers.ipv4(), headers.ipv6()) {
            (Some(ip), _) => (ip.header_len(), ip.header_len(), usize::from(ip.total_length())),
            (_, Some(ip)) => {
                let at = headers.fragment_header_offset() - headers.network_offset();
                (at, at + 8, 40 + usize::from(ip.payload_length()))
            }
            _ => return Err(Refusal::Cut),
        };
        let start = headers.network_offset();
        let packet = headers.bytes().get(start..start + packet_len).ok_or(Refusal::Cut)?;
        let data = packet.get(data_at..).ok_or(Refusal::Length)?;
        if data.is_empty() || fragment.more && data.len() % 8 != 0 {
            return Err(Refusal::Length);
        }
        // IPv6's payload length does not count the 40 bytes of the header
        let counted = if headers.ipv4().is_some() { ip_len } else { ip_len - 40 } as u32;
        if counted + fragment.offset + data.len() as u32 > MOST_BYTES {
            return Err(Refusal::TooLong);
        }
        Ok(Self { ip_len, data })
    }

    /// Link and IP header as if there had been no fragments, lengths and checksum still to be
    /// mended.
    fn head(&self, headers: &Headers<'_>) -> Vec<u8> {
        let (bytes, network) = (headers.bytes(), headers.network_offset());
        let (link, ip) = bytes.split_at_checked(network).unwrap_or((bytes, &[]));
        let ip = ip.get(..self.ip_len).unwrap_or(ip);
        let mut head = Vec::with_capacity(network + self.ip_len);
        match link.split_last_chunk::<10>() {
            // the length of an IEEE 802.3 frame cannot be that of the whole packet: the type takes
            // its place
            Some((before, &[_, _, ref snap @ .., high, low]))
                if *snap == SNAP && headers.link_type() == LinkType::ETHERNET =>
            {
                head.extend_from_slice(before);
                head.extend_from_slice(&[high, low]);
            }
            _ => head.extend_from_slice(link),
        }
        let start = head.len();
        head.extend_from_slice(ip);
        let ip = head.get_mut(start..).unwrap_or_default();
        if headers.ipv4().is_some() {
            // reserved and "don't fragment" bit stay
            let flags = be16(ip, 6).unwrap_or(0) & 0xc000;
            put16(ip, 6, flags);
        } else {
            let next = bytes.get(headers.fragment_header_offset()).copied().unwrap_or(0);
            if let Some(field) = ip.get_mut(next_header_field(headers)) {
                *field = next;
            }
        }
        head
    }
}

/// Where, from the IPv6 header on, the next-header field stands that names the fragment header.
fn next_header_field(headers: &Headers<'_>) -> usize {
    let end = headers.fragment_header_offset() - headers.network_offset();
    let (mut field, mut at) = (6, 40);
    for extension in headers.extension_headers() {
        if at >= end {
            break;
        }
        field = at;
        at += extension.bytes.len();
    }
    field
}
