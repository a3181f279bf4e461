//! Dedup: one copy of a packet that was captured at several points of its way.
//!
//! A packet passes the pod's veth pair, the bridge, the tunnel device and the node's network
//! device, and the same devices at its receiver. On its way MAC addresses, TTL and encapsulation
//! change. The address and port of one end may be translated. Segmentation offload splits and joins
//! TCP segments. Copies are recognised by what does not change: protocol, the other end, IP
//! identification, fragment offset, sequence and acknowledgement numbers, payload.

mod kept_bytes;

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use vxlan::{Headers, IpProtocol, Packet};

use kept_bytes::{Kept, KeptBytes};

/// Packets without an IP identification count as copies only if they are at most this many
/// nanoseconds apart. That is longer than a packet's way through a node and a local network, and
/// shorter than the time after which most programs send the same again. Own choice.
const CLOSE: i64 = 10_000_000;
/// How many packets, and TCP segments of all flows and of one flow, are remembered: this bounds
/// memory and, with the next constant, time. Own choice.
const MOST_PACKETS: usize = 1 << 20;
const MOST_SEGMENTS: usize = 1 << 20;
const MOST_RANGES: usize = 1024;
/// How many packets that look the same are remembered: the latest ones. Own choice.
const MOST_ALIKE: usize = 64;
/// How many capture points are remembered for a packet.
const MOST_POINTS: usize = 32;

/// Finds copies.
pub(crate) struct Dedup {
    window: i64,
    hasher: RandomState,
    /// The packets that were written, by a hash of what copies have in common.
    packets: HashMap<u64, VecDeque<Seen>>,
    /// When they were written, the earliest first.
    order: VecDeque<(i64, u64)>,
    /// Sequence ranges of TCP flows that were written, by the flow.
    ranges: HashMap<Flow, VecDeque<Range>>,
    segments: usize,
    /// The payload of these segments, and of packets that were cut.
    bytes: KeptBytes,
    /// When old ranges were last removed, and how many segments were added since.
    ranges_checked: i64,
    added: usize,
}

/// Where a copy was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) file: usize,
    pub(crate) interface: u32,
    /// The device among those of `-i any`.
    pub(crate) device: u32,
    /// Whether the capture does not name the device (the first version of `-i any`).
    pub(crate) is_vague: bool,
}

type End = Option<(IpAddr, u16)>;

/// A packet that was written.
struct Seen {
    time: i64,
    ends: (End, End),
    points: Vec<Point>,
    /// The captured part of the payload, if the packet is cut.
    cut: Option<Kept>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Flow {
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
}

/// A TCP segment that was written.
#[derive(Clone, Copy)]
struct Range {
    start: u32,
    len: u32,
    acknowledged: u32,
    payload: Kept,
    id: u16,
    time: i64,
    point: Point,
}

impl Point {
    pub(crate) fn new(file: usize, interface: u32, packet: &Packet<'_>) -> Self {
        let cooked = packet.outer.sll();
        let device = cooked.and_then(vxlan::SllHeader::interface_index);
        Self {
            file,
            interface,
            device: device.unwrap_or_default(),
            is_vague: cooked.is_some() && device.is_none(),
        }
    }
}

impl Dedup {
    /// `window`: how far apart copies are at most, in nanoseconds.
    pub(crate) fn new(window: i64) -> Self {
        Self {
            window,
            hasher: RandomState::new(),
            packets: HashMap::new(),
            order: VecDeque::new(),
            ranges: HashMap::new(),
            segments: 0,
            bytes: KeptBytes::default(),
            ranges_checked: i64::MIN,
            added: 0,
        }
    }

    /// Whether a packet is a copy of an earlier one. If not, it is remembered.
    pub(crate) fn is_copy(&mut self, packet: &Packet<'_>, time: i64, point: Point) -> bool {
        self.forget(time);
        // a first fragment is no copy of the whole packet: it is compared as an outer packet
        let is_part = packet.outer.fragment().is_some();
        let inner = if is_part { &packet.outer } else { &packet.inner };
        let id = identification(inner);
        let ends = ends(inner);
        let key = self.key(inner);
        let reach =
            if id.is_some() || is_segment(inner) { self.window } else { self.window.min(CLOSE) };
        let is_cut = inner.missing() > 0;
        let bytes = &mut self.bytes;
        let seen = self.packets.entry(key).or_default();
        // of several that look the same, the latest one that was not yet captured at this point
        let same = seen.iter_mut().rev().find(|seen| {
            time.abs_diff(seen.time) <= reach.unsigned_abs()
                && shares_an_end(seen.ends, ends)
                && (!seen.points.contains(&point) || (point.is_vague && id.is_some()))
                && seen.cut.is_none_or(|kept| bytes.agree(kept, 0, inner.payload()))
        });
        if let Some(same) = same {
            if same.points.len() < MOST_POINTS {
                same.points.push(point);
            }
            return true;
        }
        if let (Some(id), (Some(source), Some(destination))) = (id, ends)
            && self.is_covered(inner, id, Flow { source, destination }, time, point)
        {
            return true;
        }
        let cut = is_cut.then(|| self.bytes.keep(inner.payload()));
        let seen = self.packets.entry(key).or_default();
        if seen.len() >= MOST_ALIKE {
            seen.pop_front();
        }
        seen.push_back(Seen { time, ends, points: vec![point], cut });
        self.order.push_back((time, key));
        false
    }

    /// Whether all bytes of a TCP segment were written before, in segments that another point
    /// captured and offload had split differently. If not, the segment is remembered.
    fn is_covered(
        &mut self,
        inner: &Headers<'_>,
        id: u16,
        flow: Flow,
        time: i64,
        point: Point,
    ) -> bool {
        let (Some(tcp), len) = (inner.tcp(), inner.payload_wire_len()) else { return false };
        if len == 0 {
            return false;
        }
        let (start, acknowledged) = (tcp.sequence(), tcp.acknowledgement());
        let payload = inner.payload();
        let bytes = &mut self.bytes;
        let ranges = self.ranges.entry(flow).or_default();
        let mut covered = 0;
        while covered < len {
            let at = start.wrapping_add(covered);
            let next = ranges.iter().rev().find_map(|range| {
                let offset = at.wrapping_sub(range.start);
                let fits = offset < range.len
                    && (range.point != point || point.is_vague)
                    && time.abs_diff(range.time) <= self.window.unsigned_abs()
                    && range.acknowledged == acknowledged
                    && (covered > 0 || range.continues_to(offset, id))
                    && bytes.agree(
                        range.payload,
                        offset as usize,
                        payload.get(covered as usize..).unwrap_or_default(),
                    );
                fits.then(|| range.len - offset)
            });
            match next {
                Some(more) => covered = covered.saturating_add(more),
                None => break,
            }
        }
        if covered >= len {
            return true;
        }
        if ranges.len() >= MOST_RANGES {
            ranges.pop_front();
            self.segments -= 1;
        }
        self.segments += 1;
        self.added += 1;
        let payload = bytes.keep(payload);
        ranges.push_back(Range { start, len, acknowledged, payload, id, time, point });
        false
    }

    /// What all copies have in common.
    fn key(&self, inner: &Headers<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let Some(protocol) = inner.protocol() else {
            // ARP and similar packets pass bridges unchanged
            hasher.write_u16(inner.ether_type().map_or(0, |ether_type| ether_type.0));
            hasher.write(inner.network_packet());
            return hasher.finish();
        };
        hasher.write_u8(protocol.0);
        hasher.write_u8(inner.ipv6().is_some().into());
        hasher.write_u32(identification(inner).map_or(u32::MAX, u32::from));
        hasher.write_u32(inner.transport_wire_len());
        if let Some(fragment) = inner.fragment() {
            hasher.write_u32(fragment.id);
            hasher.write_u32(fragment.offset);
        }
        let header = inner.transport();
        // ports and checksums are left out: address translation changes them
        match protocol {
            IpProtocol::TCP => {
                hasher.write(header.get(4..16).unwrap_or_default());
                hasher.write(header.get(18..).unwrap_or_default());
            }
            IpProtocol::UDP => hasher.write(header.get(4..6).unwrap_or_default()),
            IpProtocol::ICMP | IpProtocol::ICMPV6 => {
                hasher.write(header.get(..2).unwrap_or_default());
                hasher.write(header.get(4..).unwrap_or_default());
            }
            _ => hasher.write(header),
        }
        // a cut packet is compared by its headers: captures may cut at different lengths
        if inner.missing() == 0 {
            hasher.write(inner.payload());
        }
        hasher.finish()
    }

    /// Forgets what is older than the window.
    fn forget(&mut self, time: i64) {
        let limit = time.saturating_sub(self.window);
        while let Some(&(oldest, key)) = self.order.front() {
            if oldest >= limit && self.order.len() <= MOST_PACKETS {
                break;
            }
            self.order.pop_front();
            if let Some(seen) = self.packets.get_mut(&key) {
                if seen.front().is_some_and(|first| first.time == oldest) {
                    seen.pop_front();
                }
                if seen.is_empty() {
                    self.packets.remove(&key);
                }
            }
        }
        // old ranges are removed at most once per window, and only after enough new segments
        if self.segments > MOST_SEGMENTS {
            // forgotten packets are not merged: their copies stay, and nothing is lost
            self.ranges.clear();
            self.segments = 0;
        }
        if self.ranges_checked < limit && self.added >= self.ranges.len() {
            (self.ranges_checked, self.added) = (time, 0);
            let mut left = 0;
            self.ranges.retain(|_, ranges| {
                while ranges.front().is_some_and(|range| range.time < limit) {
                    ranges.pop_front();
                }
                left += ranges.len();
                !ranges.is_empty()
            });
            self.segments = left;
        }
    }
}

impl Range {
    /// Whether a segment `offset` bytes further on, with this identification, was split from the
    /// same large segment. Splitting gives parts of one length and counts identifications up by
    /// one.
    fn continues_to(&self, offset: u32, id: u16) -> bool {
        match (offset, u32::from(id.wrapping_sub(self.id))) {
            (0, further) => further == 0,
            (_, 0) => false,
            (offset, further) => offset.is_multiple_of(further),
        }
    }
}

/// The IP identification, where the sender set one. IPv6 packets other than fragments have none,
/// nor do many IPv4 packets that must not be fragmented.
fn identification(inner: &Headers<'_>) -> Option<u16> {
    inner.ipv4().map(vxlan::Ipv4Header::identification).filter(|&id| id != 0)
}

/// Whether sequence numbers and time stamps tell packets apart that look the same otherwise.
fn is_segment(inner: &Headers<'_>) -> bool {
    inner.tcp().is_some()
}

fn ends(inner: &Headers<'_>) -> (End, End) {
    let ports = if inner.fragment().is_some_and(|fragment| !fragment.is_first()) {
        None
    } else {
        inner.ports()
    };
    let (from, to) = ports.unwrap_or_default();
    (
        inner.source().map(|address| (address, from)),
        inner.destination().map(|address| (address, to)),
    )
}

/// Address translation changes one end at a time.
fn shares_an_end(a: (End, End), b: (End, End)) -> bool {
    a.0 == b.0 || a.1 == b.1
}
