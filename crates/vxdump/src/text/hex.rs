//! Dumps of bytes below a packet's line: `-x`, `-xx`, `-X`, `-XX`, `-A`, `-AA`.
//!
//! Which bytes are dumped is the caller's choice: what stands [behind the link-layer
//! header](behind_link_header) for the single letters, the whole frame for the doubled ones.

use vxlan::{EtherType, Headers, LinkType};

use crate::out::put;

/// Bytes on a line.
const LINE: usize = 16;

/// The bytes behind the link-layer header, padding included.
pub fn behind_link_header<'a>(headers: &Headers<'a>) -> &'a [u8] {
    /// An Ethernet header without tags (IEEE 802.3 clause 3.1.1).
    const ETHERNET_LEN: usize = 14;

    let mut start = headers.network_offset();
    if headers.link_type() == LinkType::ETHERNET {
        let len = ETHERNET_LEN + 4 * headers.vlan_tags().count();
        // a label stack is no part of the link-layer header
        if let Some(&[upper, lower]) = headers.bytes().get(len - 2..len)
            && matches!(
                EtherType(u16::from_be_bytes([upper, lower])),
                EtherType::MPLS | EtherType::MPLS_UPSTREAM
            )
        {
            start = start.min(len);
        }
    }
    headers.bytes().get(start..).unwrap_or_default()
}

/// In hexadecimal (`-x`). Each line begins with a line feed.
pub fn hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    indented(out, "\n\t", bytes);
}

/// In hexadecimal, with `indent` instead of a line feed and a tabulator.
pub(super) fn indented(out: &mut Vec<u8>, indent: &str, bytes: &[u8]) {
    for (at, line) in bytes.chunks(LINE).enumerate() {
        put::text(out, indent);
        put::text(out, "0x");
        put::hexadecimal(out, (at * LINE) as u32, 4);
        put::text(out, ": ");
        for pair in line.chunks(2) {
            out.push(b' ');
            put::hex_bytes(out, pair);
        }
    }
}

/// In hexadecimal and ASCII (`-X`). Each line begins with a line feed.
pub fn hexadecimal_and_ascii(out: &mut Vec<u8>, bytes: &[u8]) {
    for (at, line) in bytes.chunks(LINE).enumerate() {
        put::text(out, "\n\t0x");
        put::hexadecimal(out, (at * LINE) as u32, 4);
        put::text(out, ": ");
        let start = out.len();
        for pair in line.chunks(2) {
            out.push(b' ');
            put::hex_bytes(out, pair);
        }
        // 8 pairs of 4 digits with a blank before each
        out.resize(start + 40, b' ');
        put::text(out, "  ");
        out.extend(line.iter().map(|&byte| if byte.is_ascii_graphic() { byte } else { b'.' }));
    }
}

/// As text (`-A`): what is no printable character or line end becomes a point. Begins with a line
/// feed.
pub fn ascii(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'\n');
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            // Left out as part of a line end; anywhere else the text would overwrite itself.
            // (tcpdump leaves it out before the last byte too.)
            b'\r' if bytes.get(at + 2).is_none() || bytes.get(at + 1) == Some(&b'\n') => {}
            b'\n' | b'\t' | b' '..=b'~' => out.push(byte),
            _ => out.push(b'.'),
        }
    }
}
