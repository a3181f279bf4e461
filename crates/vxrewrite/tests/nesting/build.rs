//! Nestings, built from the inside to the outside, with every checksum computed by its definition.

use std::net::IpAddr;

use vxrewrite::Anonymizer;

/// Addresses of a small pool, as they are or replaced.
pub(crate) struct Names<'k> {
    keys: Option<&'k mut Anonymizer>,
    /// Whether a checksum is by chance what stands there for hardware to fill in: nobody could
    /// tell.
    pub(crate) is_ambiguous: bool,
}

impl<'k> Names<'k> {
    pub(crate) const POOL: u8 = 8;

    pub(crate) fn plain() -> Self {
        Self { keys: None, is_ambiguous: false }
    }

    pub(crate) fn replaced(keys: &'k mut Anonymizer) -> Self {
        Self { keys: Some(keys), is_ambiguous: false }
    }

    pub(crate) fn v4(&mut self, number: u8) -> [u8; 4] {
        let number = number % Self::POOL;
        let plain = [10, 0xa1 + number / 2, 0xb7, 0xc3 + number];
        let Some(keys) = &mut self.keys else { return plain };
        match keys.address(IpAddr::from(plain)) {
            IpAddr::V4(new) => new.octets(),
            IpAddr::V6(_) => panic!("another family"),
        }
    }

    pub(crate) fn v6(&mut self, number: u8) -> [u8; 16] {
        let number = number % Self::POOL;
        let mut plain = [0x5a; 16];
        plain[..8].copy_from_slice(&[0xfd, 0x47, 0x91, 0xc3, 0, number / 4, 0xd9, 0x1b]);
        plain[15] = number;
        let Some(keys) = &mut self.keys else { return plain };
        match keys.address(IpAddr::from(plain)) {
            IpAddr::V6(new) => new.octets(),
            IpAddr::V4(_) => panic!("another family"),
        }
    }

    pub(crate) fn mac(&mut self, number: u8) -> [u8; 6] {
        let plain = [0x02, 0x95, 0xa3, 0x6d, 0x4b, number % Self::POOL];
        self.keys.as_mut().map_or(plain, |keys| keys.mac(plain))
    }
}

/// What carries what was built so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrap {
    pub(crate) kind: u8,
    pub(crate) names: u8,
    pub(crate) flags: u8,
    pub(crate) extra: u8,
}

/// The innermost packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inner {
    pub(crate) kind: u8,
    pub(crate) names: u8,
    pub(crate) payload: u8,
    /// Whether its checksum is left to hardware; those around it are then right for the one to
    /// come.
    pub(crate) is_partial: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ethernet,
    V4,
    V6,
}

/// Bytes as they are, and as they will be once hardware has filled in the checksum.
#[derive(Clone)]
struct Built {
    kind: Kind,
    bytes: Vec<u8>,
    filled: Vec<u8>,
}

impl Built {
    fn behind(self, kind: Kind, header: &[u8]) -> Self {
        Self {
            kind,
            bytes: [header, &self.bytes].concat(),
            filled: [header, &self.filled].concat(),
        }
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    const fn ether_type(&self) -> [u8; 2] {
        match self.kind {
            Kind::Ethernet => [0x65, 0x58],
            Kind::V4 => [0x08, 0],
            Kind::V6 => [0x86, 0xdd],
        }
    }
}

/// What a checksum is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sum {
    Right,
    /// UDP without one.
    Zero,
    /// Wrong by so much.
    Wrong(u16),
    Partial,
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)))
        .sum()
}

/// Sets a checksum at `at` within `[start..]`.
fn set_sum(built: &mut Built, start: usize, at: usize, pseudo: u64, what: Sum, is_udp: bool) {
    let at = start + at;
    for bytes in [&mut built.bytes, &mut built.filled] {
        bytes[at..at + 2].fill(0);
    }
    let wrong = if let Sum::Wrong(by) = what { u64::from(by) } else { 0 };
    let mut right = !fold(pseudo + sum(&built.filled[start..]) + wrong);
    if right == 0 && is_udp {
        right = 0xffff;
    }
    let (now, then) = match what {
        Sum::Right | Sum::Wrong(_) => (right, right),
        Sum::Zero => (0, 0),
        Sum::Partial => (fold(pseudo), right),
    };
    built.bytes[at..at + 2].copy_from_slice(&now.to_be_bytes());
    built.filled[at..at + 2].copy_from_slice(&then.to_be_bytes());
}

/// Puts an IP header in front: with options, extension headers, an authentication header, as `wrap`
/// says. `check`: where the transport checksum stands, whether it has a pseudo header, and what it
/// is.
fn ip(
    names: &mut Names<'_>,
    is_v6: bool,
    protocol: u8,
    built: Built,
    check: Option<(usize, bool, Sum)>,
    wrap: Wrap,
) -> Built {
    let mut built = built;
    let len = built.len();
    let (from, to) = (wrap.names, wrap.names.wrapping_add(1 + wrap.extra % 3));
    let third = wrap.extra;
    let (mut next, mut headers) = (protocol, Vec::new());
    if wrap.flags & 0x08 != 0 {
        headers = [&[next, 4, 0, 0, 0xee, 0xee, 0xee, 0xee][..], &[0xee; 16]].concat();
        next = 51;
    }
    let (source, destination): (Vec<u8>, Vec<u8>);
    let header = if is_v6 {
        let (mut first, mut last) = (names.v6(from), names.v6(to));
        let outer = (first, last);
        let third = names.v6(third);
        match wrap.flags >> 4 {
            // routing headers: type 0 with two addresses, type 2 with one, segments (the last one
            // first) with a TLV behind
            1 => {
                let route = [&[next, 4, 0, 1, 0, 0, 0, 0][..], &third, &first].concat();
                last = first;
                headers = [route, headers].concat();
                next = 43;
            }
            2 => {
                let route = [&[next, 2, 2, 1, 0, 0, 0, 0][..], &third].concat();
                last = third;
                headers = [route, headers].concat();
                next = 43;
            }
            3 => {
                let fixed = [next, 5, 4, 1, 1, 0, 0, 0];
                let route = [&fixed[..], &third, &last, &[4, 6, 0, 0, 0, 0, 0, 0]].concat();
                last = third;
                headers = [route, headers].concat();
                next = 43;
            }
            // all segments done: the header's destination counts
            4 => {
                let route = [&[next, 2, 4, 0, 0, 0, 0, 0][..], &third].concat();
                headers = [route, headers].concat();
                next = 43;
            }
            // home address
            5 => {
                let option = [&[next, 2, 1, 2, 0, 0, 0xc9, 16][..], &third].concat();
                first = third;
                headers = [option, headers].concat();
                next = 60;
            }
            // hop-by-hop options, a whole packet with a fragment header
            6 => {
                headers =
                    [&[44, 0, 5, 2, 0, 0, 1, 0, next, 0, 0, 0, 0, 0, 0, 1][..], &headers].concat();
                next = 0;
            }
            _ => {}
        }
        (source, destination) = (first.to_vec(), last.to_vec());
        let length = (len + headers.len()) as u16;
        let fixed = [0x60, 0, 0, 0, (length >> 8) as u8, length as u8, next, 64];
        [&fixed[..], &outer.0, &outer.1].concat()
    } else {
        let (first, mut last) = (names.v4(from), names.v4(to));
        let outer = last;
        let third = names.v4(third);
        let options = match wrap.flags >> 4 {
            // record route at an odd place; loose source route; timestamps with addresses
            1 => [&[1, 7, 7, 8][..], &third, &[0; 4]].concat(),
            2 => {
                last = third;
                [&[131, 11, 4][..], &first, &third, &[0]].concat()
            }
            3 => [&[68, 20, 13, 1][..], &third, &[9; 4], &first, &[9; 4]].concat(),
            // a source route that is done: the header's destination counts
            4 => [&[1, 137, 7, 8][..], &third].concat(),
            _ => Vec::new(),
        };
        (source, destination) = (first.to_vec(), last.to_vec());
        let total = (20 + options.len() + headers.len() + len) as u16;
        let first_byte = 0x45 + (options.len() / 4) as u8;
        let fixed = [first_byte, 0, (total >> 8) as u8, total as u8, 0, 1, 0, 0, 64, next, 0, 0];
        let mut header = [&fixed[..], &first, &outer, &options].concat();
        let field = !fold(sum(&header));
        header[10..12].copy_from_slice(&field.to_be_bytes());
        header
    };
    if let Some((at, has_pseudo_header, what)) = check {
        let pseudo = sum(&source) + sum(&destination) + u64::from(protocol) + len as u64;
        let pseudo = if has_pseudo_header { pseudo } else { 0 };
        set_sum(&mut built, 0, at, pseudo, what, protocol == 17);
        let field = built.bytes[at..at + 2] == fold(pseudo).to_be_bytes();
        names.is_ambiguous |= has_pseudo_header && field && what != Sum::Partial;
    }
    let kind = if is_v6 { Kind::V6 } else { Kind::V4 };
    built.behind(kind, &[header, headers].concat())
}

fn ethernet(names: &mut Names<'_>, built: Built, ether_type: [u8; 2], wrap: Wrap) -> Built {
    let mut header = [names.mac(wrap.names), names.mac(wrap.extra)].concat();
    for tag in [0x81_00_u16, 0x88a8, 0x9100, 0x9200].iter().take(usize::from(wrap.flags % 5)) {
        header.extend(tag.to_be_bytes());
        header.extend([0, 100]);
    }
    header.extend(ether_type);
    built.behind(Kind::Ethernet, &header)
}

fn udp(
    names: &mut Names<'_>,
    built: Built,
    port: u16,
    header: &[u8],
    what: Sum,
    wrap: Wrap,
) -> Built {
    let inner = built.behind(Kind::Ethernet, header);
    let len = (inner.len() + 8) as u16;
    let port = port.to_be_bytes();
    let udp = [0xc0, 0x01, port[0], port[1], (len >> 8) as u8, len as u8, 0, 0];
    let inner = inner.behind(Kind::Ethernet, &udp);
    ip(names, wrap.flags & 1 != 0, 17, inner, Some((6, true, what)), wrap)
}

fn gre(names: &mut Names<'_>, built: Built, protocol: [u8; 2], header: &[u8], wrap: Wrap) -> Built {
    let mut built = built.behind(Kind::Ethernet, header);
    let (has_sum, has_key) = (wrap.flags & 2 != 0, wrap.flags & 4 != 0);
    // ERSPAN tells its version by the sequence number
    let has_sequence = protocol == [0x88, 0xbe] && !header.is_empty();
    let mut gre = vec![
        u8::from(has_sum) << 7 | u8::from(has_key) << 5 | u8::from(has_sequence) << 4,
        0,
        protocol[0],
        protocol[1],
    ];
    for _ in 0..(u8::from(has_sum) + u8::from(has_key) + u8::from(has_sequence)) {
        gre.extend([0; 4]);
    }
    built = built.behind(Kind::Ethernet, &gre);
    if has_sum {
        set_sum(&mut built, 0, 4, 0, Sum::Right, false);
    }
    ip(names, wrap.flags & 1 != 0, 47, built, None, wrap)
}

fn innermost(names: &mut Names<'_>, inner: Inner, what: Sum) -> Built {
    let payload = vec![0xee; usize::from(inner.payload)];
    let wrap = Wrap { kind: 0, names: inner.names, flags: inner.kind & 0xf8, extra: inner.payload };
    let of = |bytes: Vec<u8>| Built { kind: Kind::Ethernet, filled: bytes.clone(), bytes };
    match inner.kind % 6 {
        0 | 1 => {
            // a UDP header, to a port without a tunnel
            let len = payload.len() as u16 + 8;
            let header = [0xc0, 0x01, 0x1f, 0x90, (len >> 8) as u8, len as u8, 0, 0];
            let bytes = [&header[..], &payload].concat();
            ip(names, inner.kind % 6 == 1, 17, of(bytes), Some((6, true, what)), wrap)
        }
        2 | 3 => {
            let ports = [0xc0, 0x01, 0x1f, 0x90, 0, 0, 0, 1, 0, 0, 0, 2];
            // with an address that Multipath TCP adds
            let rest = [0x70, 2, 16, 0, 0, 0, 0, 0, 30, 8, 0x34, 5];
            let bytes = [&ports[..], &rest, &names.v4(inner.payload), &payload].concat();
            ip(names, inner.kind % 6 == 3, 6, of(bytes), Some((16, true, what)), wrap)
        }
        4 => {
            let target = names.v6(inner.payload);
            let mac = names.mac(inner.payload);
            let head = [135, 0, 0, 0, 0, 0, 0, 0];
            let bytes = [&head[..], &target, &[1, 1], &mac].concat();
            let what = if what == Sum::Partial { Sum::Right } else { what };
            ip(names, true, 58, of(bytes), Some((2, true, what)), wrap)
        }
        _ => {
            let is_reverse = inner.payload % 2 == 1;
            let fixed = [0, 1, 8, 0, 6, 4, 0, 1];
            let (mac, ip) = (names.mac(inner.names), names.v4(inner.names));
            let (other_mac, other) = (names.mac(inner.payload), names.v4(inner.payload));
            let arp = [&fixed[..], &mac, &ip, &other_mac, &other].concat();
            let ether_type = if is_reverse { [0x80, 0x35] } else { [0x08, 0x06] };
            ethernet(names, of(arp), ether_type, wrap)
        }
    }
}

/// A frame with everything in it, and the names of what it is made of, from the inside to the
/// outside.
pub(crate) fn nested(
    names: &mut Names<'_>,
    inner: Inner,
    wraps: &[Wrap],
) -> (Vec<u8>, Vec<&'static str>) {
    let is_partial = inner.is_partial;
    let mut built = innermost(names, inner, if is_partial { Sum::Partial } else { Sum::Right });
    let mut path = vec!["innermost"];
    for wrap in wraps {
        // as much as IP's length can say
        if built.len() > 60_000 {
            break;
        }
        let (next, name) = carried(names, built, *wrap, is_partial);
        built = next;
        path.push(name);
    }
    if built.kind != Kind::Ethernet {
        let ether_type = built.ether_type();
        let wrap = Wrap { kind: 0, names: 1, flags: 0, extra: 2 };
        built = ethernet(names, built, ether_type, wrap);
    }
    (built.bytes, path)
}

fn carried(
    names: &mut Names<'_>,
    built: Built,
    wrap: Wrap,
    is_partial: bool,
) -> (Built, &'static str) {
    let is_v6 = wrap.flags & 1 != 0;
    let what = match wrap.flags & 6 {
        2 => Sum::Zero,
        4 if !is_partial => Sum::Wrong(0x1234),
        _ => Sum::Right,
    };
    let ether_type = built.ether_type();
    if built.kind == Kind::Ethernet {
        return match wrap.kind % 13 {
            0 => (udp(names, built, 8472, &[8, 0, 0, 0, 0, 0, 1, 0], what, wrap), "vxlan"),
            1 => (gre(names, built, [0x65, 0x58], &[], wrap), "gretap"),
            2 => (gre(names, built, [0x88, 0xbe], &[], wrap), "erspan 1"),
            3 => (gre(names, built, [0x88, 0xbe], &[0x10; 8], wrap), "erspan 2"),
            4 => {
                let header = [0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, wrap.extra & 1];
                let header = [&header[..], &[0; 8][..usize::from(wrap.extra & 1) * 8]].concat();
                (gre(names, built, [0x22, 0xeb], &header, wrap), "erspan 3")
            }
            5 => (
                ip(names, is_v6, 97, built.behind(Kind::Ethernet, &[0x30, 0]), None, wrap),
                "etherip",
            ),
            6 => {
                let header = [1, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 1, 0, 0];
                (udp(names, built, 6081, &header, what, wrap), "geneve")
            }
            7 => {
                // two labels, a control word
                let labels = [0, 1, 0, 64, 0, 2, 1, 64, 0, 0, 0, 0];
                let built = built.behind(Kind::Ethernet, &labels);
                (ethernet(names, built, [0x88, 0x47], wrap), "mpls ethernet")
            }
            8 => {
                let header = [0x0c, 0, 0, 4, 0, 0, 1, 0, 0, 2, 2, 3, 0, 0, 0, 0];
                (udp(names, built, 4790, &header, what, wrap), "gpe nsh")
            }
            9 => {
                let built = built.behind(Kind::Ethernet, &[0, 0, 0, 1]);
                (ethernet(names, built, [0x88, 0xe7], wrap), "provider backbone")
            }
            10 => (ip(names, is_v6, 143, built, None, wrap), "ethernet in ip"),
            11 => {
                let built = built.behind(Kind::Ethernet, &[0, 0x41, 0, 1, 0, 2, 0, 0, 0, 0]);
                (ethernet(names, built, [0x22, 0xf3], wrap), "trill")
            }
            _ => {
                let built = built.behind(Kind::Ethernet, &[0, 1, 1, 64]);
                (ip(names, is_v6, 137, built, None, wrap), "mpls in ip")
            }
        };
    }
    match wrap.kind % 11 {
        0 => (ethernet(names, built, ether_type, wrap), "ethernet"),
        1 | 2 => {
            let protocol = if built.kind == Kind::V6 { 41 } else { 4 };
            let name = if is_v6 { "in ipv6" } else { "in ipv4" };
            (ip(names, is_v6, protocol, built, None, wrap), name)
        }
        3 => (gre(names, built, ether_type, &[], wrap), "gre"),
        4 => {
            let built = built.behind(Kind::Ethernet, &[0, 1, 0, 64, 0, 2, 1, 64]);
            (ethernet(names, built, [0x88, 0x47], wrap), "mpls")
        }
        5 => {
            let protocol = if built.kind == Kind::V6 { 0x57 } else { 0x21 };
            let len = (built.len() + 2) as u16;
            let header = [0x11, 0, 0, 1, (len >> 8) as u8, len as u8, 0, protocol];
            let built = built.behind(Kind::Ethernet, &header);
            (ethernet(names, built, [0x88, 0x64], wrap), "pppoe")
        }
        6 => (udp(names, built, 8285, &[], what, wrap), "udp"),
        7 => {
            let header = [0, 0, ether_type[0], ether_type[1], 0, 0, 1, 0];
            (udp(names, built, 6081, &header, what, wrap), "geneve ip")
        }
        8 => {
            // GRE version 1 with a sequence number; PPP's number in one byte, so that what follows
            // stands at an odd place
            let protocol = if built.kind == Kind::V6 { 0x57 } else { 0x21 };
            let header = [0x30, 1, 0x88, 0x0b, 0, 1, 0, 1, 0, 0, 0, 1, protocol];
            let built = built.behind(Kind::Ethernet, &header);
            (ip(names, is_v6, 47, built, None, wrap), "pptp")
        }
        9 => {
            let next = if built.kind == Kind::V6 { 2 } else { 1 };
            let header = [0x0c, 0, 0, next, 0, 0, 1, 0];
            (udp(names, built, 4790, &header, what, wrap), "gpe ip")
        }
        // a quote does not say what was left to hardware
        _ if is_partial => (ethernet(names, built, ether_type, wrap), "ethernet"),
        _ => {
            let is_v6 = built.kind == Kind::V6;
            let (kind, protocol) = if is_v6 { (1, 58) } else { (3, 1) };
            let built = built.behind(Kind::Ethernet, &[kind, 1, 0, 0, 0, 0, 0, 0]);
            (ip(names, is_v6, protocol, built, Some((2, is_v6, Sum::Right)), wrap), "quote")
        }
    }
}

/// A packet of an IP protocol that is not inspected.
pub(crate) fn unknown_protocol(names: &mut Names<'_>, protocol: u8) -> Vec<u8> {
    let wrap = Wrap { kind: 0, names: 1, flags: 0, extra: 2 };
    let bytes = vec![0xee; 24];
    let built = Built { kind: Kind::Ethernet, filled: bytes.clone(), bytes };
    let built = ip(names, false, protocol, built, None, wrap);
    let ether_type = built.ether_type();
    ethernet(names, built, ether_type, wrap).bytes
}
