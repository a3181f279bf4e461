//! IEEE 802.2 LLC frames and what they carry: IP, SNAP, spanning tree (IEEE 802.1D).

use super::field::{self, Printed};
use super::{Line, put};

/// Control field of unnumbered information.
const UNNUMBERED_INFORMATION: u16 = 3;
const SPANNING_TREE: u8 = 0x42;
const SNAP: u8 = 0xaa;
const IP: u8 = 0x06;

impl Line<'_> {
    /// An LLC frame; `mac` is the source and the destination address of an Ethernet header.
    /// `length`: on the wire.
    pub(super) fn llc(
        &mut self,
        bytes: &[u8],
        length: usize,
        mac: Option<[[u8; 6]; 2]>,
    ) -> Printed {
        self.layer = "LLC";
        let [destination, source] = field::array(bytes, 0)?;
        let first = field::u8(bytes, 2)?;
        // unnumbered frames have one byte of control, others two, the lower one first
        let is_unnumbered = first & 3 == 3;
        let (control, header_len) = if is_unnumbered {
            (u16::from(first), 3)
        } else {
            (u16::from_le_bytes([first, field::u8(bytes, 3)?]), 4)
        };
        let (from, to) = (source & 0xfe, destination & 0xfe);
        if self.options.link_header {
            self.access_point("LLC, dsap ", to);
            self.text(if destination & 1 == 0 { " Individual" } else { " Group" });
            self.access_point(", ssap ", from);
            self.text(if source & 1 == 0 { " Command" } else { " Response" });
            self.hex(", ctrl 0x", control, if is_unnumbered { 2 } else { 4 });
            self.text(": ");
        }
        let (rest, rest_len) = (field::rest(bytes, header_len), length.saturating_sub(header_len));
        if control == UNNUMBERED_INFORMATION && destination == source {
            match destination {
                IP => return self.ipv4(rest, rest_len),
                SPANNING_TREE => return self.spanning_tree(rest, rest_len),
                SNAP => return self.snap(rest, rest_len, mac),
                _ => {}
            }
        }
        if !self.options.link_header {
            if let Some([source_mac, destination_mac]) = mac {
                self.macs(source_mac, destination_mac, (from != to).then_some((from, to)));
            }
            if from == to {
                self.text(access_point_name(from));
                self.byte(b' ');
            }
        }
        let is_response = source & 1 != 0;
        if is_unnumbered {
            self.text("Unnumbered, ");
            match unnumbered_name(first & !0x10) {
                Some(name) => self.text(name),
                None => self.hex("", first & !0x10, 2),
            }
            self.text(", Flags [");
            self.text(final_name(is_response, first & 0x10 != 0));
        } else {
            let receive = control >> 9;
            if control & 3 == 1 {
                self.text("Supervisory, ");
                self.text(match control >> 2 & 3 {
                    0 => "Receiver Ready",
                    1 => "Receiver not Ready",
                    2 => "Reject",
                    _ => "?",
                });
            } else {
                self.labelled("Information, send seq ", control >> 1 & 0x7f);
            }
            self.labelled(", rcv seq ", receive);
            self.text(", Flags [");
            self.text(final_name(is_response, control & 0x100 != 0));
        }
        self.sized("], length ", length);
        Ok(())
    }

    fn macs(&mut self, source: [u8; 6], destination: [u8; 6], points: Option<(u8, u8)>) {
        put::mac(self.out, source);
        if let Some((from, _)) = points {
            self.byte(b' ');
            self.text(access_point_name(from));
        }
        self.text(" > ");
        put::mac(self.out, destination);
        self.byte(b' ');
        if let Some((_, to)) = points {
            self.text(access_point_name(to));
            self.byte(b' ');
        }
    }

    fn snap(&mut self, bytes: &[u8], length: usize, mac: Option<[[u8; 6]; 2]>) -> Printed {
        let [a, b, c, high, low] = field::array(bytes, 0)?;
        let organisation = u32::from_be_bytes([0, a, b, c]);
        let kind = u16::from_be_bytes([high, low]);
        let (rest, rest_len) = (field::rest(bytes, 5), length.saturating_sub(5));
        // 0: RFC 1042; 0xf8: IEEE 802.1H
        let is_ethernet = matches!(organisation, 0 | 0xf8);
        if self.options.link_header {
            self.text("oui ");
            self.text(match organisation {
                0 => "Ethernet",
                0xf8 => "Cisco bridged",
                0x0c => "Cisco",
                0x80c2 => "RFC2684",
                0x12_0f => "IEEE 802.3 Private",
                _ => "Unknown",
            });
            self.hex(" (0x", organisation, 6);
            self.text("), ");
            self.snap_type(is_ethernet, kind);
            self.sized(", length ", rest_len);
            self.text(": ");
        }
        if is_ethernet && self.by_ether_type(kind, rest, rest_len)? {
            return Ok(());
        }
        if !self.options.link_header {
            if let Some([source, destination]) = mac {
                self.macs(source, destination, None);
            }
            self.text("SNAP, ");
            if !is_ethernet {
                self.hex("oui Unknown (0x", organisation, 6);
                self.text("), ");
            }
            self.snap_type(is_ethernet, kind);
            self.sized(", length ", rest_len);
            self.byte(b':');
        }
        Ok(())
    }

    fn snap_type(&mut self, is_ethernet: bool, kind: u16) {
        if is_ethernet {
            self.text("ethertype ");
            self.ether_type(kind);
        } else {
            self.hex("pid Unknown (0x", kind, 4);
            self.byte(b')');
        }
    }

    fn access_point(&mut self, label: &str, point: u8) {
        self.text(label);
        self.text(access_point_name(point));
        self.hex(" (0x", point, 2);
        self.byte(b')');
    }

    /// A bridge protocol data unit. `length`: on the wire.
    fn spanning_tree(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "STP";
        let [_, _, version, kind] = field::array(bytes, 0)?;
        self.text("STP ");
        match version {
            0 => self.text("802.1d"),
            2 => self.text("802.1w"),
            3 => self.text("802.1s"),
            4 => self.text("802.1aq"),
            _ => {
                self.hex("Unknown STP protocol (0x", version, 2);
                self.byte(b')');
                return Ok(());
            }
        }
        match kind {
            0 => self.text(", Config"),
            2 => self.text(", Rapid STP"),
            0x80 => {
                self.text(", Topology Change");
                return Ok(());
            }
            _ => {
                self.hex(", Unknown BPDU Type (0x", kind, 2);
                self.byte(b')');
                return Ok(());
            }
        }
        self.text(if version > 2 { ", CIST Flags [" } else { ", Flags [" });
        let flags = field::u8(bytes, 4)?;
        let names = [
            (0x01, "Topology change"),
            (0x02, "Proposal"),
            (0x10, "Learn"),
            (0x20, "Forward"),
            (0x40, "Agreement"),
            (0x80, "Topology change ACK"),
        ];
        self.flags(flags, &names, ", ");
        self.byte(b']');
        if version > 2 {
            self.sized(", length ", length);
            return Ok(());
        }
        self.text(", bridge-id ");
        self.bridge(field::slice(bytes, 17, 8)?);
        self.hex(".", field::u16(bytes, 25)?, 4);
        self.sized(", length ", length);
        if !self.verbose() {
            return Ok(());
        }
        for (label, at) in [
            ("\n\tmessage-age ", 27),
            ("s, max-age ", 29),
            ("s, hello-time ", 31),
            ("s, forwarding-delay ", 33),
        ] {
            // in units of 1/256 s
            let time = u64::from(field::u16(bytes, at)?);
            self.labelled(label, time / 256);
            self.byte(b'.');
            put::zero_padded(self.out, time % 256 * 100 / 256, 2);
        }
        self.text("s\n\troot-id ");
        self.bridge(field::slice(bytes, 5, 8)?);
        self.labelled(", root-pathcost ", field::u32(bytes, 13)?);
        if kind == 2 {
            self.text(match flags >> 2 & 3 {
                0 => ", port-role Unknown",
                1 => ", port-role Alternate",
                2 => ", port-role Root",
                _ => ", port-role Designated",
            });
        }
        Ok(())
    }

    /// A bridge's priority and its MAC address.
    fn bridge(&mut self, identifier: &[u8]) {
        if let Some((priority, address)) = identifier.split_at_checked(2) {
            put::hex_bytes(self.out, priority);
            self.byte(b'.');
            put::hardware_address(self.out, address);
        }
    }
}

fn final_name(is_response: bool, is_final: bool) -> &'static str {
    match (is_response, is_final) {
        (false, false) => "Command",
        (true, false) => "Response",
        (false, true) => "Poll",
        (true, true) => "Final",
    }
}

fn unnumbered_name(control: u8) -> Option<&'static str> {
    Some(match control {
        0x03 => "ui",
        0x0f => "dm",
        0x43 => "disc",
        0x63 => "ua",
        0x6f => "sabme",
        0x87 => "frmr",
        0xaf => "xid",
        0xe3 => "test",
        _ => return None,
    })
}

/// Names of service access points.
fn access_point_name(point: u8) -> &'static str {
    match point {
        0x00 => "Null",
        0x02 => "802.1B I",
        0x03 => "802.1B G",
        0x04 => "SNA",
        0x06 => "IP",
        0x0e => "ProWay NM",
        0x42 => "STP",
        0x4e => "RS511",
        0x7e => "ISO8208",
        0x8e => "ProWay",
        0xaa => "SNAP",
        0xe0 => "IPX",
        0xf0 => "NetBeui",
        0xfe => "OSI",
        0xff => "Global",
        _ => "Unknown",
    }
}
