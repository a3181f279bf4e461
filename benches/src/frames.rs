//! Overlay traffic made in memory, the same in every run: VXLAN between nodes, TCP and UDP between
//! pods.

/// What traffic is made of.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Lengths of inner frames in bytes, taken in turn.
    pub inner_lengths: &'static [usize],
    /// Distinct inner 5-tuples.
    pub flows: u32,
    /// Pods that send and receive.
    pub hosts: u32,
    /// One in so many frames is IPv6 inside and outside; 0 for none.
    pub every_nth_is_ipv6: u32,
    /// In which order flows, lengths and directions come.
    pub order: Order,
}

/// In which order the flows of a [`Mix`] come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One after the other: each frame begins a flow until all have begun.
    InTurn,
    /// Scattered by a fixed step. Lengths and address families come in turn.
    Scattered,
    /// Flow, length, address family and direction of each frame are drawn at random, the same in
    /// every run: no branch predictor or cache learns the order.
    Random,
}

impl Mix {
    /// Frames of an ordinary size: 64, 576 and 1400 bytes inside, 7 : 4 : 1, 5,000 flows, a tenth
    /// IPv6.
    pub const SMALL: Self = Self {
        inner_lengths: &[64, 576, 64, 576, 64, 1400, 64, 576, 64, 576, 64, 64],
        flows: 5_000,
        hosts: 1_000,
        every_nth_is_ipv6: 10,
        order: Order::Scattered,
    };
    /// The same sizes, IPv4 alone, and many short flows as of requests between services: 70,000
    /// flows, 29 packets each of 2,000,000.
    pub const SHORT: Self = Self { flows: 70_000, every_nth_is_ipv6: 0, ..Self::SMALL };
    /// The smallest frames: 64 bytes inside, 50,000 flows, IPv4.
    pub const TINY: Self = Self {
        inner_lengths: &[64],
        flows: 50_000,
        hosts: 1_000,
        every_nth_is_ipv6: 0,
        order: Order::Scattered,
    };
    /// Each frame begins a flow, up to 59,940,000; 64 bytes inside, IPv4.
    pub const FLOWS: Self =
        Self { flows: SOURCE_PORTS * (Self::TINY.hosts - 1), order: Order::InTurn, ..Self::TINY };

    /// The sizes of `SMALL` in random order and both directions, 20,000 flows, a fifth IPv6.
    pub const RANDOM: Self =
        Self { flows: 20_000, every_nth_is_ipv6: 5, order: Order::Random, ..Self::SMALL };

    /// Writes the `n`th frame of the mix: Ethernet, IP, UDP to 8472, VXLAN, Ethernet, IP, TCP or
    /// UDP.
    pub fn write_frame(&self, n: u32, frame: &mut Vec<u8>) {
        let drawn = random(n);
        let [flow, turn, family] = match self.order {
            Order::InTurn => [n, n, n],
            Order::Scattered => [scatter(n), n, n],
            Order::Random => [drawn as u32, (drawn >> 32) as u32 & 0xffff, (drawn >> 48) as u32],
        };
        let flow = flow % self.flows;
        let turn = turn as usize % self.inner_lengths.len();
        let inner_len: usize = self.inner_lengths.get(turn).copied().unwrap_or(64);
        let six = self.every_nth_is_ipv6 != 0 && family.is_multiple_of(self.every_nth_is_ipv6);
        let is_answer = self.order == Order::Random && drawn.is_multiple_of(2);
        let mut pods = self.pods_of(flow);
        if is_answer {
            pods = (pods.1, pods.0);
        }
        let (ip_len, ether_type) = if six { (40, 0x86dd) } else { (20, 0x0800) };
        let inner_len = inner_len.max(14 + ip_len + 20);
        let nodes = (pods.0 % NODES, pods.1 % NODES);

        frame.clear();
        ethernet(frame, nodes, ether_type);
        ip(frame, six, UNDERLAY, nodes, 17, 8 + 8 + inner_len);
        frame.extend(source_port(flow).to_be_bytes());
        frame.extend(u16::to_be_bytes(8472));
        frame.extend(((16 + inner_len) as u16).to_be_bytes());
        frame.extend([0, 0]);
        frame.extend([8, 0, 0, 0, 0, 0, 1, 0]);

        ethernet(frame, nodes, ether_type);
        let transport_len = inner_len - 14 - ip_len;
        let mut ports: (u16, u16) =
            ((1024 + flow % SOURCE_PORTS) as u16, if flow.is_multiple_of(4) { 8125 } else { 8080 });
        if is_answer {
            ports = (ports.1, ports.0);
        }
        let protocol = if flow.is_multiple_of(4) { 17 } else { 6 };
        ip(frame, six, OVERLAY, pods, protocol, transport_len);
        frame.extend(ports.0.to_be_bytes());
        frame.extend(ports.1.to_be_bytes());
        let header_len: usize = if protocol == 17 {
            frame.extend((transport_len as u16).to_be_bytes());
            frame.extend([0, 0]);
            8
        } else {
            // each segment behind those before it, whatever flow and length they have
            frame.extend(n.wrapping_mul(1460).to_be_bytes());
            frame.extend([0, 0, 0, 1, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
            20
        };
        frame.resize(frame.len() + transport_len - header_len, b'x');
    }

    fn pods_of(&self, flow: u32) -> (u32, u32) {
        let source = flow % self.hosts;
        // so that all flows differ: the source and its port come again after so many
        let turn = if self.order == Order::InTurn { flow / SOURCE_PORTS } else { scatter(flow) };
        (source, (source + 1 + turn % (self.hosts - 1)) % self.hosts)
    }

    /// The first `count` frames, one after the other in one piece of memory.
    pub fn frames(&self, count: u32) -> Frames {
        let mut all = Frames { bytes: Vec::new(), ends: Vec::with_capacity(count as usize) };
        let mut frame = Vec::new();
        for n in 0..count {
            self.write_frame(n, &mut frame);
            all.bytes.extend_from_slice(&frame);
            all.ends.push(all.bytes.len());
        }
        all
    }
}

/// Frames in one piece of memory.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Frames {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let frame = self.bytes.get(start..end).unwrap_or(&[]);
            start = end;
            frame
        })
    }
}

const NODES: u32 = 25;
/// Inner source ports that are used, a multiple of the number of hosts.
const SOURCE_PORTS: u32 = 60_000;
/// First address and first bytes of the addresses on either side of the tunnel.
type Network = ([u8; 2], [u8; 4]);
const UNDERLAY: Network = ([172, 18], [0xfd, 0, 0, 0x18]);
const OVERLAY: Network = ([10, 244], [0xfd, 0, 0, 0xf4]);

/// Spreads consecutive numbers (the multiplicative hash of Knuth, The Art of Computer Programming
/// 6.4).
const fn scatter(n: u32) -> u32 {
    n.wrapping_mul(2_654_435_761) >> 7
}

/// A number that `n` draws (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", `SplitMix64`).
const fn random(n: u32) -> u64 {
    let mut z = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A source port as Linux chooses one: from the range of ephemeral ports, by the inner flow.
const fn source_port(flow: u32) -> u16 {
    (32_768 + scatter(flow) % 28_232) as u16
}

fn ethernet(frame: &mut Vec<u8>, (from, to): (u32, u32), ether_type: u16) {
    for end in [to, from] {
        frame.extend([2, 0x42]);
        frame.extend(end.to_be_bytes());
    }
    frame.extend(ether_type.to_be_bytes());
}

fn ip(
    frame: &mut Vec<u8>,
    six: bool,
    network: Network,
    ends: (u32, u32),
    protocol: u8,
    len: usize,
) {
    let start = frame.len();
    if six {
        frame.extend([0x60, 0, 0, 0]);
        frame.extend((len as u16).to_be_bytes());
        frame.extend([protocol, 64]);
        for end in [ends.0, ends.1] {
            frame.extend(network.1);
            frame.extend([0; 8]);
            frame.extend(end.to_be_bytes());
        }
        return;
    }
    frame.extend([0x45, 0]);
    frame.extend((20 + len as u16).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    for end in [ends.0, ends.1] {
        frame.extend(network.0);
        frame.extend((end as u16 + 2).to_be_bytes());
    }
    let sum: u32 = frame[start..]
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) as u16;
    frame[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
}
