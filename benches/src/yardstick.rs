//! The yardstick: the least that decoding an overlay frame can cost. A walk at fixed offsets, with
//! the checks that keep it from reading what is not there or is something else; no tags, no IP
//! options, no extension headers, no other tunnel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a program wants to know of a frame: whose packet it is, and who carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Network identifier.
    pub vni: u32,
    /// Outer addresses, the sender's first.
    pub vteps: (IpAddr, IpAddr),
    /// Inner source address.
    pub source: IpAddr,
    /// Inner destination address.
    pub destination: IpAddr,
    /// Inner protocol: TCP or UDP.
    pub protocol: u8,
    /// Inner ports, source first.
    pub ports: (u16, u16),
    /// Bytes of inner TCP or UDP payload.
    pub payload_len: usize,
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The IP payload, its protocol and the addresses behind an Ethernet header.
#[inline]
fn ip(frame: &[u8]) -> Option<(&[u8], u8, IpAddr, IpAddr)> {
    match be16(frame, 12)? {
        0x0800 => {
            let header: &[u8; 20] = frame.get(14..)?.first_chunk()?;
            let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
            if header[0] != 0x45 || (header[6] & 0x3f, header[7]) != (0, 0) {
                return None;
            }
            let source = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
            let destination = Ipv4Addr::new(header[16], header[17], header[18], header[19]);
            Some((frame.get(34..14 + total)?, header[9], source.into(), destination.into()))
        }
        0x86dd => {
            let header: &[u8; 40] = frame.get(14..)?.first_chunk()?;
            let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
            if header[0] >> 4 != 6 {
                return None;
            }
            let source: [u8; 16] = *header[8..].first_chunk()?;
            let destination: [u8; 16] = *header[24..].first_chunk()?;
            let (source, destination) = (Ipv6Addr::from(source), Ipv6Addr::from(destination));
            Some((frame.get(54..54 + len)?, header[6], source.into(), destination.into()))
        }
        _ => None,
    }
}

/// Decodes Ethernet, IP, UDP, VXLAN, Ethernet, IP, TCP or UDP.
#[inline]
pub fn decode(frame: &[u8]) -> Option<Facts> {
    let (udp, 17, from, to) = ip(frame)? else { return None };
    let header: &[u8; 16] = udp.first_chunk()?;
    let port = u16::from_be_bytes([header[2], header[3]]);
    let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if (port != 8472 && port != 4789) || header[8] & 0x08 == 0 {
        return None;
    }
    let vni = u32::from_be_bytes([0, header[12], header[13], header[14]]);
    let (transport, protocol, source, destination) = ip(udp.get(16..len)?)?;
    let ports = (be16(transport, 0)?, be16(transport, 2)?);
    let payload_len = match protocol {
        6 => {
            let header_len = usize::from(transport.get(12)? >> 4) * 4;
            if header_len < 20 {
                return None;
            }
            transport.len().checked_sub(header_len)?
        }
        17 => usize::from(be16(transport, 4)?).checked_sub(8)?,
        _ => return None,
    };
    Some(Facts { vni, vteps: (from, to), source, destination, protocol, ports, payload_len })
}
