//! Flows as IPFIX messages over UDP (RFC 7011), for collectors.
//!
//! Each direction of a flow is a record of its own, which every collector understands (RFC 5103
//! section 1). The information elements are those of IANA's registry "IP Flow Information Export
//! (IPFIX) Entities".

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use vxcli::Failure;
use vxflow::{Counts, EndReason, Ends, FlowRecord};

use crate::out::numbers::plural;

/// Version of messages (RFC 7011 section 3.1).
const VERSION: u16 = 10;
/// Length of a message's header (the same section).
const HEADER: usize = 16;
/// Identifier of a set of templates (RFC 7011 section 3.3.2).
const TEMPLATES: u16 = 2;
/// The first identifier for sets of data (the same section).
const FIRST_TEMPLATE: u16 = 256;
/// The most bytes of a message: what fits into a packet on nearly every path (IPv6's minimum MTU of
/// 1280 bytes, less headers).
const MOST: usize = 1280 - 40 - 8;
/// Templates are sent again after this time and after this many messages, because UDP may lose them
/// (RFC 7011 section 8.4).
const TEMPLATES_AGAIN: Duration = Duration::from_secs(60);
const TEMPLATES_EVERY: u32 = 500;
/// Seconds from 1900, where NTP's times begin (RFC 7011 section 6.1.9), to 1970.
const NTP_TO_UNIX: i64 = 2_208_988_800;
/// The most significant byte of layer2SegmentId for VXLAN (IANA, element 351).
const SEGMENT_VXLAN: u64 = 1 << 56;
/// An Ethernet header, which octetDeltaCount leaves out.
const ETHERNET: u64 = 14;

/// The least time from one message to the next, where waiting loses nothing. A collector's buffer
/// holds about a hundred messages (`net.core.rmem_default`); a longer burst would overflow it.
const STEP: Duration = Duration::from_micros(500);
/// How long to wait for the ICMP error that says that nobody listens.
const WORD: Duration = Duration::from_millis(100);
/// After a pause, this many messages may be sent at once.
const BURST: u32 = 16;

/// Elements and their lengths in bytes. Addresses, ports and network come besides.
const COMMON: [(u16, u16); 10] = [
    (152, 8), // flowStartMilliseconds: not every collector knows the nanoseconds
    (153, 8), // flowEndMilliseconds
    (156, 8), // flowStartNanoseconds
    (157, 8), // flowEndNanoseconds
    (4, 1),   // protocolIdentifier
    (136, 1), // flowEndReason
    (6, 1),   // tcpControlBits, the low 8 bits (RFC 7011 section 6.2)
    (1, 8),   // octetDeltaCount
    (2, 8),   // packetDeltaCount
    (352, 8), // layer2OctetDeltaCount
];
/// layer2SegmentId
const SEGMENT: (u16, u16) = (351, 8);
/// sourceIPv4Address, destinationIPv4Address; sourceIPv6Address, destinationIPv6Address
const ADDRESSES: [[(u16, u16); 2]; 2] = [[(8, 4), (12, 4)], [(27, 16), (28, 16)]];
/// sourceTransportPort, destinationTransportPort
const PORTS: [(u16, u16); 2] = [(7, 2), (11, 2)];
/// icmpTypeCodeIPv4, icmpTypeCodeIPv6
const ICMP: [(u16, u16); 2] = [(32, 2), (139, 2)];
/// Messages of an echo, by address family: type, times 256, of request and reply (RFC 792, RFC 4443
/// section 4).
const ECHO: [[u16; 2]; 2] = [[8 << 8, 0], [128 << 8, 129 << 8]];

/// What a record has of its flow. Each kind has a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    v6: bool,
    icmp: bool,
    with_network: bool,
}

impl Shape {
    fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|n| Self { v6: n & 4 != 0, icmp: n & 2 != 0, with_network: n & 1 != 0 })
    }

    const fn template(self) -> u16 {
        FIRST_TEMPLATE + 4 * self.v6 as u16 + 2 * self.icmp as u16 + self.with_network as u16
    }

    /// Elements and their lengths, in the order of a record.
    fn elements(self) -> impl Iterator<Item = &'static (u16, u16)> {
        let family = usize::from(self.v6);
        let ends = if self.icmp { &ICMP[family..=family] } else { &PORTS };
        let network = self.with_network.then_some(&SEGMENT);
        ADDRESSES[family].iter().chain(ends).chain(&COMMON).chain(network)
    }
}

/// Sends flows to a collector.
pub(super) struct Exporter {
    socket: UdpSocket,
    to: String,
    message: Message,
    templates: Option<Instant>,
    since_templates: u32,
    /// The time that it may spend in waiting between messages, in total.
    pub(super) patience: Duration,
    /// when the next message is due
    due: Option<Instant>,
    /// Messages that could not be sent, or that nobody listened to.
    lost: u64,
    /// the error of the last of them
    why: Option<io::Error>,
}

impl Exporter {
    /// A socket to `HOST:PORT`.
    pub(super) fn open(to: &str) -> Result<Self, Failure> {
        let refused = |why: &dyn std::fmt::Display| {
            Failure::usage(format_args!("--ipfix {to}: {why}; give HOST:PORT of a collector"))
        };
        let address: SocketAddr = to
            .to_socket_addrs()
            .map_err(|e| refused(&e))?
            .next()
            .ok_or_else(|| refused(&"no address"))?;
        let any: SocketAddr = match address.ip() {
            IpAddr::V4(_) => ([0; 4], 0).into(),
            IpAddr::V6(_) => ([0; 16], 0).into(),
        };
        let socket = UdpSocket::bind(any)
            .and_then(|socket| socket.connect(address).map(|()| socket))
            .map_err(|e| refused(&e))?;
        Ok(Self {
            socket,
            to: to.to_owned(),
            message: Message::default(),
            templates: None,
            since_templates: 0,
            patience: Duration::ZERO,
            due: None,
            lost: 0,
            why: None,
        })
    }

    /// Adds a flow; messages that are full are sent.
    pub(super) fn add(&mut self, flow: &FlowRecord) {
        for (counts, forward) in [(&flow.forward, true), (&flow.reverse, false)] {
            if counts.packets == 0 {
                continue;
            }
            let record = record(flow, counts, forward);
            if self.message.is_full(record.template, record.bytes.len()) {
                self.send();
            }
            if self.message.is_empty() && self.templates_are_due() {
                self.message.templates();
                self.templates = Some(Instant::now());
                self.since_templates = 0;
            }
            self.message.record(record.template, &record.bytes);
        }
    }

    fn templates_are_due(&self) -> bool {
        self.since_templates >= TEMPLATES_EVERY
            || self.templates.is_none_or(|sent| sent.elapsed() >= TEMPLATES_AGAIN)
    }

    /// Sends what is waiting.
    pub(super) fn send(&mut self) {
        if self.message.is_empty() {
            return;
        }
        self.wait();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // a collector that is absent or slow must not stop the capture
        if let Err(error) = self.socket.send(self.message.finish(now.as_secs() as u32)) {
            self.lost += 1;
            self.why = Some(error);
        }
        self.since_templates += 1;
        self.message.clear();
    }

    /// Waits until the next message may be sent, as long as `patience` lasts.
    fn wait(&mut self) {
        if self.patience.is_zero() {
            return;
        }
        let now = Instant::now();
        let earliest = now.checked_sub(STEP * BURST).unwrap_or(now);
        let due = self.due.map_or(now, |due| due.max(earliest) + STEP);
        self.due = Some(due);
        let wait = due.saturating_duration_since(now);
        std::thread::sleep(wait);
        self.patience = self.patience.saturating_sub(wait);
    }

    /// Sends what is waiting as the last message. Then waits a moment for an ICMP error, which
    /// means that nobody listens; the socket returns it from its next call (RFC 1122 section
    /// 4.1.3.3). Collectors never answer.
    pub(super) fn end(&mut self) {
        self.send();
        // without a message there is no error, and a message that could not be sent is already
        // counted
        if self.templates.is_none() || self.why.is_some() {
            return;
        }
        let told =
            self.socket.set_read_timeout(Some(WORD)).and_then(|()| self.socket.recv(&mut [0]));
        if let Err(error) = told
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            self.lost += 1;
            self.why = Some(error);
        }
    }

    /// A warning about messages that could not be sent.
    pub(super) fn complaint(&self) -> Option<String> {
        let Self { lost, to, why, .. } = self;
        let why = why.as_ref()?;
        Some(format!("{lost} IPFIX message{} could not be sent to {to}: {why}", plural(*lost)))
    }
}

/// A message in the making.
#[derive(Default)]
struct Message {
    bytes: Vec<u8>,
    /// where the set that records are added to begins, and its template
    set: Option<(usize, u16)>,
    /// records sent in all messages before, and in this one
    sequence: u32,
    records: u32,
}

impl Message {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn is_full(&self, template: u16, len: usize) -> bool {
        let head = if self.set.is_some_and(|(_, open)| open == template) { 0 } else { 4 };
        self.bytes.len() + head + len > MOST
    }

    fn begin(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER, 0);
        }
    }

    fn templates(&mut self) {
        self.begin();
        self.open(TEMPLATES);
        for shape in Shape::all() {
            put16(&mut self.bytes, shape.template());
            put16(&mut self.bytes, shape.elements().count() as u16);
            for (element, len) in shape.elements() {
                put16(&mut self.bytes, *element);
                put16(&mut self.bytes, *len);
            }
        }
        self.close();
    }

    fn record(&mut self, template: u16, record: &[u8]) {
        self.begin();
        if self.set.is_none_or(|(_, open)| open != template) {
            self.close();
            self.open(template);
        }
        self.bytes.extend_from_slice(record);
        self.records += 1;
    }

    fn open(&mut self, id: u16) {
        self.set = Some((self.bytes.len(), id));
        put16(&mut self.bytes, id);
        put16(&mut self.bytes, 0); // the length, by `close`
    }

    fn close(&mut self) {
        if let Some((start, _)) = self.set.take() {
            let len = (self.bytes.len() - start) as u16;
            if let Some(field) = self.bytes.get_mut(start + 2..start + 4) {
                field.copy_from_slice(&len.to_be_bytes());
            }
        }
    }

    fn finish(&mut self, now: u32) -> &[u8] {
        self.close();
        let mut header = Vec::with_capacity(HEADER);
        put16(&mut header, VERSION);
        put16(&mut header, self.bytes.len() as u16);
        header.extend(now.to_be_bytes());
        header.extend(self.sequence.to_be_bytes());
        header.extend([0; 4]); // observation domain: the whole exporter
        if let Some(place) = self.bytes.get_mut(..HEADER) {
            place.copy_from_slice(&header);
        }
        &self.bytes
    }

    fn clear(&mut self) {
        self.sequence = self.sequence.wrapping_add(self.records);
        self.records = 0;
        self.set = None;
        self.bytes.clear();
    }
}

fn put16(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_be_bytes());
}

struct Record {
    template: u16,
    bytes: Vec<u8>,
}

/// One direction of a flow. Its fields are those of the template, in order.
fn record(flow: &FlowRecord, counts: &Counts, forward: bool) -> Record {
    let key = &flow.key;
    let (from, to) =
        if forward { (key.source, key.destination) } else { (key.destination, key.source) };
    let icmp = matches!(key.ends, Ends::Identifier(_) | Ends::Message { .. });
    let shape = Shape { v6: from.is_ipv6(), icmp, with_network: key.vni.is_some() };
    let mut bytes = Vec::with_capacity(128);
    for address in [from, to] {
        match address {
            IpAddr::V4(address) => bytes.extend(address.octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    match key.ends {
        Ends::Identifier(_) => {
            put16(&mut bytes, ECHO[usize::from(shape.v6)][usize::from(!forward)]);
        }
        Ends::Message { kind, code } => bytes.extend([kind, code]),
        Ends::Ports { .. } | Ends::Fragments | Ends::None => {
            let ports = (key.source_port().unwrap_or(0), key.destination_port().unwrap_or(0));
            let (from, to) = if forward { ports } else { (ports.1, ports.0) };
            put16(&mut bytes, from);
            put16(&mut bytes, to);
        }
    }
    for time in [flow.first, flow.last] {
        bytes.extend(time.div_euclid(1_000_000).to_be_bytes());
    }
    bytes.extend(ntp(flow.first).to_be_bytes());
    bytes.extend(ntp(flow.last).to_be_bytes());
    bytes.push(key.protocol.0);
    bytes.push(end_reason(flow.end));
    bytes.push(counts.tcp_flags.0 as u8);
    let octets = counts.bytes.saturating_sub(counts.packets.saturating_mul(ETHERNET));
    bytes.extend(octets.to_be_bytes());
    bytes.extend(counts.packets.to_be_bytes());
    bytes.extend(counts.bytes.to_be_bytes());
    if let Some(vni) = key.vni {
        bytes.extend((SEGMENT_VXLAN | u64::from(vni.number())).to_be_bytes());
    }
    Record { template: shape.template(), bytes }
}

/// NTP's 64-bit timestamp: seconds since 1900, and their fraction (RFC 5905 section 6).
fn ntp(nanos: i64) -> u64 {
    const SECOND: i64 = 1_000_000_000;
    let seconds = nanos.div_euclid(SECOND) + NTP_TO_UNIX;
    // rounded up, so that whole nanoseconds come out again where they are rounded down
    let fraction =
        (nanos.rem_euclid(SECOND).cast_unsigned() << 32).div_ceil(SECOND.cast_unsigned());
    seconds.cast_unsigned() << 32 | fraction
}

/// flowEndReason (RFC 5102 section 5.11.3).
const fn end_reason(end: EndReason) -> u8 {
    match end {
        EndReason::Idle => 1,
        EndReason::Active | EndReason::Live => 2,
        EndReason::Closed | EndReason::Reused => 3,
        EndReason::Evicted => 5,
        // forced end: of the capture
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use vxflow::{FlowTable, Seen};

    use super::*;

    /// Identifiers of the sets of a message (RFC 7011 section 3.3.2), and its sequence number.
    fn sets(message: &[u8]) -> (Vec<u16>, u32) {
        let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        assert_eq!((word(0), usize::from(word(2))), (VERSION, message.len()));
        let mut sets = Vec::new();
        let mut at = HEADER;
        while at < message.len() {
            sets.push(word(at));
            at += usize::from(word(at + 2));
        }
        assert_eq!(at, message.len());
        (sets, u32::from(word(8)) << 16 | u32::from(word(10)))
    }

    /// A collector that begins late, or loses a message, gets the templates again.
    #[test]
    fn templates_are_sent_again() {
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        collector.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let address = collector.local_addr().unwrap();
        let mut exporter = Exporter::open(&address.to_string()).unwrap();
        let frame = vxlan::example::SYN;
        let mut table = FlowTable::default();
        let seen = Seen { time: 0, interface: 0, wire_len: frame.len() as u32 };
        table.push(&vxlan::decode(frame, vxlan::LinkType::ETHERNET), seen);
        let flow = table.finish().next().unwrap();
        let data = Shape { v6: false, icmp: false, with_network: true }.template();

        let mut sent = 0;
        let mut message = |exporter: &mut Exporter| {
            exporter.add(&flow);
            exporter.send();
            let mut block = [0; 2048];
            let len = collector.recv(&mut block).unwrap();
            let (sets, sequence) = sets(&block[..len]);
            assert_eq!(sequence, sent, "records before this message");
            sent += 1;
            assert_eq!(sets.last(), Some(&data));
            sets.contains(&TEMPLATES)
        };
        assert!(message(&mut exporter), "the first message");
        // after so many messages
        for number in 1..TEMPLATES_EVERY {
            assert!(!message(&mut exporter), "message {number}");
        }
        assert!(message(&mut exporter));
        assert!(!message(&mut exporter));
        // after so long
        let long_ago = exporter.templates.unwrap().checked_sub(TEMPLATES_AGAIN).unwrap();
        exporter.templates = Some(long_ago);
        assert!(message(&mut exporter));
        assert!(!message(&mut exporter));
        assert_eq!(exporter.complaint(), None);
    }

    #[test]
    fn nanoseconds_come_out_again() {
        // RFC 5905, figure 4: the first day of Unix
        assert_eq!(ntp(0), 0x83aa_7e80 << 32);
        for nanos in [1, 7, 499_999_999, 500_000_000, 999_999_999, 1_763_689_224_000_000_001_i64] {
            let time = ntp(nanos);
            let seconds = (time >> 32).cast_signed() - NTP_TO_UNIX;
            let fraction = ((time & 0xffff_ffff) * 1_000_000_000) >> 32;
            assert_eq!(seconds * 1_000_000_000 + fraction.cast_signed(), nanos);
        }
    }
}
