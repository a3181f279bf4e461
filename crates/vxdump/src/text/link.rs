//! Link-layer headers: Ethernet with its tags, Linux cooked, BSD loopback, and none.

use vxlan::{Headers, LinkShape};

use super::field::{self, Printed};
use super::{Line, put};

/// `EtherTypes` and the names that tcpdump gives them.
pub(super) fn ether_type_name(ether_type: u16) -> Option<&'static str> {
    Some(match ether_type {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x8035 => "Reverse ARP",
        0x86dd => "IPv6",
        0x8100 => "802.1Q",
        0x88a8 => "802.1Q-QinQ",
        0x9100 => "802.1Q-9100",
        0x9200 => "802.1Q-9200",
        0x8847 => "MPLS unicast",
        0x8848 => "MPLS multicast",
        0x0200 => "PUP",
        0x0600 => "NS",
        0x0500 => "Sprite",
        0x1000 => "Trail",
        0x6001 => "MOP DL",
        0x6002 => "MOP RC",
        0x6003 => "DN",
        0x6004 => "LAT",
        0x6007 => "SCA",
        0x6558 => "TEB",
        0x8038 => "Lanbridge",
        0x803c => "DEC DNS",
        0x803e => "DEC DTS",
        0x805b => "VEXP",
        0x805c => "VPROD",
        0x809b => "Appletalk",
        0x80f3 => "Appletalk ARP",
        0x8137 => "IPX",
        0x880b => "PPP",
        0x8808 => "MPCP",
        0x8809 => "Slow Protocols",
        0x8863 => "PPPoE D",
        0x8864 => "PPPoE S",
        0x888e => "EAPOL",
        0x8899 => "RRCP",
        0x886f => "MS NLB heartbeat",
        0x8870 => "Jumbo",
        0x894f => "NSH",
        0x9000 => "Loopback",
        0x00fe => "OSI",
        0x8902 => "CFM",
        0x893a => "IEEE1905.1",
        0x88cc => "LLDP",
        0x88ca => "TIPC",
        0x0707 => "GeoNet (old)",
        0x8947 => "GeoNet",
        0x04e0 => "CALM FAST",
        0x88a2 => "AoE",
        0xdada => "MEDSA",
        _ => return None,
    })
}

/// Type fields up to this are lengths (IEEE 802.3 clause 3.2.6).
const MAX_LENGTH: u16 = 1500;

impl Line<'_> {
    /// Prints a level from its link-layer header on. `length`: on the wire.
    pub(super) fn level(&mut self, headers: &Headers<'_>, bytes: &[u8], length: usize) -> Printed {
        match headers.link_type().shape() {
            LinkShape::Ethernet => self.ethernet(bytes, length),
            LinkShape::Sll => self.cooked_v1(bytes, length),
            LinkShape::Sll2 => self.cooked_v2(bytes, length),
            LinkShape::Ip | LinkShape::Ipv4 | LinkShape::Ipv6 => self.bare(headers, bytes, length),
            LinkShape::Loopback => self.loopback(bytes, length),
            _ => self.behind_link_header(headers, bytes, length),
        }
    }

    /// What the decoder found behind a link-layer header that has no form of its own here.
    fn behind_link_header(
        &mut self,
        headers: &Headers<'_>,
        bytes: &[u8],
        length: usize,
    ) -> Printed {
        let Some(ether_type) = headers.ether_type() else { return Ok(()) };
        let at = headers.network_offset();
        if !self.by_ether_type(ether_type.0, field::rest(bytes, at), length.saturating_sub(at))? {
            self.undecoded();
        }
        Ok(())
    }

    /// No link-layer header: IP, or what a tunnel header named.
    fn bare(&mut self, headers: &Headers<'_>, bytes: &[u8], length: usize) -> Printed {
        let named = headers.ether_type().map(|ether_type| ether_type.0);
        if self.options.link_header {
            self.text("ip: ");
        }
        match named {
            None | Some(0x0800 | 0x86dd) => self.ip_of_any_version(bytes, length),
            Some(ether_type) => {
                if !self.by_ether_type(ether_type, bytes, length)? {
                    self.ether_type_and_length(ether_type, length);
                    self.undecoded();
                }
                Ok(())
            }
        }
    }

    /// An Ethernet frame. `length`: on the wire.
    pub(super) fn ethernet(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "Ethernet";
        let header: [u8; 14] = field::array(bytes, 0)?;
        if self.options.link_header {
            self.ethernet_header(&header, u16::from_be_bytes([header[12], header[13]]), length);
        }
        let addresses = Some([field::array(&header, 6)?, field::array(&header, 0)?]);
        let mut ether_type = u16::from_be_bytes([header[12], header[13]]);
        let mut at = 14;
        loop {
            let (rest, rest_len) = (field::rest(bytes, at), length.saturating_sub(at));
            match ether_type {
                0..=MAX_LENGTH => {
                    return self.llc(rest, rest_len.min(usize::from(ether_type)), addresses);
                }
                0x8870 => return self.llc(rest, rest_len, addresses),
                0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                    self.layer = "a VLAN tag";
                    let control = field::u16(rest, 0)?;
                    let next = field::u16(rest, 2)?;
                    if self.options.link_header {
                        self.vlan(control, next);
                    }
                    ether_type = next;
                    at += 4;
                }
                _ => {
                    if !self.by_ether_type(ether_type, rest, rest_len)? {
                        if !self.options.link_header {
                            self.ethernet_header(&header, ether_type, length);
                        }
                        self.undecoded();
                    }
                    return Ok(());
                }
            }
        }
    }

    fn ethernet_header(&mut self, header: &[u8; 14], ether_type: u16, length: usize) {
        let (destination, rest) = header.split_at(6);
        let (source, _) = rest.split_at(6);
        put::hardware_address(self.out, source);
        self.text(" > ");
        put::hardware_address(self.out, destination);
        if ether_type <= MAX_LENGTH {
            self.text(", 802.3");
            self.labelled(", length ", ether_type);
            self.text(": ");
        } else {
            self.text(", ");
            self.ether_type_and_length(ether_type, length);
        }
    }

    fn ether_type_and_length(&mut self, ether_type: u16, length: usize) {
        self.brief_ether_type(ether_type);
        self.sized(", length ", length);
        self.text(": ");
    }

    fn brief_ether_type(&mut self, ether_type: u16) {
        if !self.options.quiet {
            self.text("ethertype ");
            return self.ether_type(ether_type);
        }
        if let Some(name) = ether_type_name(ether_type) {
            self.text(name);
        } else {
            self.hex("Unknown Ethertype (0x", ether_type, 4);
            self.byte(b')');
        }
    }

    /// Ends the line of a packet of an unknown type. Here tcpdump dumps the bytes, which would be
    /// more than one line a packet; `-X` does that.
    fn undecoded(&mut self) {
        while self.out.last() == Some(&b' ') {
            self.out.pop();
        }
    }

    pub(super) fn ether_type(&mut self, ether_type: u16) {
        self.text(ether_type_name(ether_type).unwrap_or("Unknown"));
        self.hex(" (0x", ether_type, 4);
        self.byte(b')');
    }

    fn vlan(&mut self, control: u16, next: u16) {
        self.labelled("vlan ", control & 0x0fff);
        self.labelled(", p ", control >> 13);
        if control & 0x1000 != 0 {
            self.text(", DEI");
        }
        self.text(", ");
        if next > MAX_LENGTH {
            self.brief_ether_type(next);
            self.text(", ");
        } else {
            self.text("802.3");
        }
    }

    /// Prints what an `EtherType` names; `false` where nothing is known of it.
    pub(super) fn by_ether_type(
        &mut self,
        ether_type: u16,
        bytes: &[u8],
        length: usize,
    ) -> Result<bool, field::Cut> {
        match ether_type {
            0x0800 => self.ipv4(bytes, length)?,
            0x86dd => self.ipv6(bytes, length)?,
            0x0806 | 0x8035 => self.arp(bytes, length)?,
            0x8847 | 0x8848 => self.mpls(bytes, length)?,
            0x88cc => self.sized("LLDP, length ", length),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn mpls(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "MPLS";
        self.text("MPLS");
        let mut at = 0;
        let mut label;
        loop {
            let entry = field::u32(bytes, at)?;
            label = entry >> 12;
            self.text(if self.verbose() && at > 0 { "\n\t" } else { " " });
            self.labelled("(label ", label);
            let reserved = match label {
                0 => Some(" (IPv4 explicit NULL)"),
                1 => Some(" (router alert)"),
                2 => Some(" (IPv6 explicit NULL)"),
                3 => Some(" (implicit NULL)"),
                4..16 => Some(" (rsvd)"),
                _ => None,
            };
            if let Some(reserved) = reserved.filter(|_| self.verbose()) {
                self.text(reserved);
            }
            self.labelled(", tc ", entry >> 9 & 7);
            let is_last = entry & 0x100 != 0;
            if is_last {
                self.text(", [S]");
            }
            self.labelled(", ttl ", entry & 0xff);
            self.byte(b')');
            at += 4;
            if is_last {
                break;
            }
        }
        let (rest, rest_len) = (field::rest(bytes, at), length.saturating_sub(at));
        // nothing says what follows: reserved labels, and else the version (RFC 3032 section 2.1,
        // RFC 4928)
        let version = match (label, rest.first()) {
            (0 | 3, _) | (4.., Some(0x45..=0x4f)) => 4,
            (2, _) | (4.., Some(0x60..=0x6f)) => 6,
            _ => return Ok(()),
        };
        self.text(if self.verbose() { "\n\t" } else { " " });
        self.deeper(|line| match version {
            4 => line.ipv4(rest, rest_len),
            _ => line.ipv6(rest, rest_len),
        })
    }

    /// BSD loopback.
    fn loopback(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "the loopback header";
        // In the byte order of the capturing host, which the file may not tell: all families are
        // below 65,536.
        let family = u32::from_le_bytes(field::array(bytes, 0)?);
        let family = if family > 0xffff { family.swap_bytes() } else { family };
        let name = match family {
            2 => Some("IPv4"),
            // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS
            10 | 24 | 28 | 30 => Some("IPv6"),
            _ => None,
        };
        if self.options.link_header || name.is_none() {
            if self.options.quiet {
                self.named_or(name, "Unknown AF ", family);
            } else {
                self.text("AF ");
                self.text(name.unwrap_or("Unknown"));
                self.labelled(" (", family);
                self.byte(b')');
            }
            self.sized(", length ", length);
            self.text(": ");
        }
        let (rest, rest_len) = (field::rest(bytes, 4), length.saturating_sub(4));
        match name {
            Some("IPv4") => self.ipv4(rest, rest_len),
            Some(_) => self.ipv6(rest, rest_len),
            None => {
                self.undecoded();
                Ok(())
            }
        }
    }

    /// Linux cooked header, version 1.
    fn cooked_v1(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "the Linux cooked header";
        let header: [u8; 16] = field::array(bytes, 0)?;
        let ether_type = u16::from_be_bytes([header[14], header[15]]);
        if self.options.link_header {
            let packet_type = cooked_type(u16::from_be_bytes([header[0], header[1]]));
            for _ in packet_type.len()..3 {
                self.byte(b' ');
            }
            self.text(packet_type);
            self.byte(b' ');
            let address_len = usize::from(u16::from_be_bytes([header[4], header[5]]));
            self.cooked_address(field::at_most(field::rest(&header, 6), 8), address_len);
            self.cooked_protocol(ether_type, length);
        }
        self.cooked_rest(ether_type, bytes, 16, length)
    }

    /// Linux cooked header, version 2: the interface and the direction are printed even without the
    /// link header.
    fn cooked_v2(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "the Linux cooked header";
        let header: [u8; 20] = field::array(bytes, 0)?;
        let ether_type = u16::from_be_bytes([header[0], header[1]]);
        let interface = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        if !self.devices_told {
            let name = self.interfaces.iter().find(|(index, _)| *index == interface);
            let name = name.map(|(_, name)| name.as_str());
            device_and_direction(self.out, name, u16::from(header[10]));
        }
        if self.options.link_header {
            self.labelled("ifindex ", interface);
            self.byte(b' ');
            self.cooked_address(field::rest(&header, 12), usize::from(header[11]));
            self.cooked_protocol(ether_type, length);
        }
        self.cooked_rest(ether_type, bytes, 20, length)
    }

    fn cooked_address(&mut self, address: &[u8], len: usize) {
        // as tcpdump: of other lengths it prints none
        if let Some(address) = address.get(..len).filter(|address| address.len() == 6) {
            put::hardware_address(self.out, address);
            self.byte(b' ');
        }
    }

    fn cooked_protocol(&mut self, ether_type: u16, length: usize) {
        if ether_type > MAX_LENGTH {
            self.ether_type_and_length(ether_type, length);
            return;
        }
        match ether_type {
            1 | 4 => self.text("802.3"),
            _ => {
                self.hex("ethertype Unknown (0x", ether_type, 4);
                self.byte(b')');
            }
        }
        self.sized(", length ", length);
        self.text(": ");
    }

    fn cooked_rest(
        &mut self,
        ether_type: u16,
        bytes: &[u8],
        header_len: usize,
        length: usize,
    ) -> Printed {
        let mut at = header_len;
        let mut ether_type = ether_type;
        loop {
            let (rest, rest_len) = (field::rest(bytes, at), length.saturating_sub(at));
            match ether_type {
                4 => return self.llc(rest, rest_len, None),
                0x8100 | 0x88a8 | 0x9100 => {
                    self.layer = "a VLAN tag";
                    let control = field::u16(rest, 0)?;
                    let next = field::u16(rest, 2)?;
                    if self.options.link_header {
                        self.vlan(control, next);
                    }
                    if next <= MAX_LENGTH {
                        return self.llc(field::rest(rest, 4), rest_len.saturating_sub(4), None);
                    }
                    ether_type = next;
                    at += 4;
                }
                _ => {
                    if ether_type <= MAX_LENGTH
                        || !self.by_ether_type(ether_type, rest, rest_len)?
                    {
                        if !self.options.link_header {
                            self.cooked_protocol(ether_type, length);
                        }
                        self.undecoded();
                    }
                    return Ok(());
                }
            }
        }
    }
}

/// What stands before a packet with a Linux cooked header of version 2: its device, and which way
/// it went.
pub(crate) fn device_and_direction(out: &mut Vec<u8>, device: Option<&str>, packet_type: u16) {
    for (text, width) in [(device.unwrap_or("?"), 5), (cooked_type(packet_type), 3)] {
        put::text(out, text);
        out.resize(out.len() + width - text.len().min(width) + 1, b' ');
    }
}

/// Names of the packet types of Linux cooked headers (`linux/if_packet.h`).
fn cooked_type(packet_type: u16) -> &'static str {
    match packet_type {
        0 => "In",
        1 => "B",
        2 => "M",
        3 => "P",
        4 => "Out",
        _ => "?",
    }
}
