//! What IPv4 and IPv6 have in common: the addresses before the ports, and which protocol follows.

use super::field::{self, Printed};
use super::sequence::Ends;
use super::{Line, put};

/// The IP header that carries a transport packet.
pub(super) struct Ip<'a> {
    /// the whole header as captured, and what follows
    pub(super) header: &'a [u8],
    pub(super) source: &'a [u8],
    pub(super) destination: &'a [u8],
    /// the protocol field of the fixed header: for IPv6 maybe an extension header
    pub(super) next: u8,
    /// a fragment, though the first
    pub(super) fragmented: bool,
    /// IPv6: the payload length field
    pub(super) payload_field: Option<u16>,
    pub(super) version: u8,
}

impl Ip<'_> {
    /// Source and destination.
    pub(super) fn ends(&self) -> Option<Ends> {
        Some(match self.version {
            4 => Ends::V4(self.source.try_into().ok()?, self.destination.try_into().ok()?),
            _ => Ends::V6(self.source.try_into().ok()?, self.destination.try_into().ok()?),
        })
    }

    /// The destination that counts in the pseudo header: the last hop of a source route (RFC 8200
    /// section 8.1).
    pub(super) fn final_destination(&self) -> &[u8] {
        let last_hop = match self.version {
            4 => super::ipv4::source_route_end(self.header),
            _ => super::ipv6_extensions::routing_end(self.header),
        };
        last_hop.unwrap_or(self.destination)
    }
}

/// Names of IP protocols, as `-v` prints them.
pub(super) fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        0 => "Options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPIP",
        6 => "TCP",
        8 => "EGP",
        9 => "IGRP",
        17 => "UDP",
        33 => "DCCP",
        41 => "IPv6",
        43 => "Routing",
        44 => "Fragment",
        46 => "RSVP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        55 => "Mobile IP",
        58 => "ICMPv6",
        62 => "Mobility (old)",
        88 => "EIGRP",
        89 => "OSPF",
        103 => "PIM",
        108 => "Compressed IP",
        112 => "VRRP",
        113 => "PGM",
        132 => "SCTP",
        135 => "Mobility",
        _ => "unknown",
    }
}

impl Line<'_> {
    /// IP behind a link layer that does not say which version.
    pub(super) fn ip_of_any_version(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "IP";
        match field::u8(bytes, 0)? >> 4 {
            4 => self.ipv4(bytes, length),
            6 => self.ipv6(bytes, length),
            version => {
                self.labelled("unknown ip ", version);
                Ok(())
            }
        }
    }

    #[inline]
    pub(super) fn address(&mut self, address: &[u8]) {
        if let Some(address) = address.first_chunk::<16>() {
            put::ipv6(self.out, *address);
        } else if let Some(address) = address.first_chunk::<4>() {
            put::ipv4(self.out, *address);
        }
    }

    /// `a > b: `
    pub(super) fn addresses(&mut self, ip: &Ip<'_>) {
        self.address(ip.source);
        self.text(" > ");
        self.address(ip.destination);
        self.text(": ");
    }

    /// `a.1 > b.2: `, or without the addresses where other headers stand before the ports: they
    /// were printed then.
    #[inline]
    pub(super) fn ends(
        &mut self,
        ip: &Ip<'_>,
        protocol: u8,
        source_port: u16,
        destination_port: u16,
    ) {
        if ip.next == protocol {
            self.address(ip.source);
            self.byte(b'.');
            self.number(source_port);
            self.text(" > ");
            self.address(ip.destination);
            self.byte(b'.');
            self.number(destination_port);
        } else {
            self.number(source_port);
            self.text(" > ");
            self.number(destination_port);
        }
        self.text(": ");
    }

    /// What an IP packet carries. `length`: on the wire.
    pub(super) fn carried(
        &mut self,
        ip: &Ip<'_>,
        protocol: u8,
        bytes: &[u8],
        length: usize,
    ) -> Printed {
        match (protocol, ip.version) {
            (6, _) => self.tcp(ip, bytes, length),
            (17, _) => self.udp(ip, bytes, length),
            (1, 4) => self.icmp(ip, bytes, length),
            (58, 6) => self.icmpv6(ip, bytes, length),
            (2, 4) => self.igmp(bytes, length),
            (1 | 2 | 58, _) => {
                self.text("[");
                self.text(protocol_name(protocol));
                self.text(if protocol == 58 { " requires IPv6]" } else { " requires IPv4]" });
                self.invalid();
                Ok(())
            }
            (108, _) => {
                self.layer = "IPComp";
                self.hex("IPComp(cpi=0x", field::u16(bytes, 2)?, 4);
                self.byte(b')');
                Ok(())
            }
            (132, _) => self.sctp(ip, bytes, length),
            (47, _) => self.gre(bytes, length),
            (50, _) => self.esp(bytes, length),
            (51, _) => {
                let (next, len) = self.authentication(bytes)?;
                let (rest, rest_len) = (field::rest(bytes, len), length.saturating_sub(len));
                self.deeper(|line| line.carried(ip, next, rest, rest_len))
            }
            (4, _) => self.deeper(|line| line.ipv4(bytes, length)),
            (41, _) => self.deeper(|line| line.ipv6(bytes, length)),
            (59, _) => {
                self.text("no next header");
                Ok(())
            }
            _ => {
                self.labelled(" ip-proto-", protocol);
                self.sized(" ", length);
                Ok(())
            }
        }
    }
}
