//! ARP and RARP packets.

use super::field::{self, Printed};
use super::link::ether_type_name;
use super::{Line, put};

/// `EtherTypes` whose addresses are IPv4 ones: IPv4, and the trailer encapsulation of RFC 893.
const IPV4: u16 = 0x0800;
const TRAILER: u16 = 0x1000;

impl Line<'_> {
    /// An ARP packet. `length`: on the wire, with padding.
    pub(super) fn arp(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "ARP";
        let fixed: [u8; 8] = field::array(bytes, 0)?;
        let [h1, h2, p1, p2, hardware_len, protocol_len, o1, o2] = fixed;
        let (hardware, protocol) = (u16::from_be_bytes([h1, h2]), u16::from_be_bytes([p1, p2]));
        let (h, p) = (usize::from(hardware_len), usize::from(protocol_len));
        let addresses = field::slice(bytes, 0, 8 + 2 * (h + p))?;
        let sender = field::slice(addresses, 8, h)?;
        let sender_ip = field::slice(addresses, 8 + h, p)?;
        let target = field::slice(addresses, 8 + h + p, h)?;
        let target_ip = field::slice(addresses, 8 + h + p + h, p)?;
        if !self.options.link_header {
            self.text("ARP, ");
        }
        let is_ipv4 = matches!(protocol, IPV4 | TRAILER);
        if !is_ipv4 || protocol_len != 4 || hardware_len == 0 || self.verbose() {
            if let Some(name) = hardware_name(hardware) {
                self.text(name);
            } else {
                self.labelled("Unknown Hardware (", hardware);
                self.byte(b')');
            }
            self.labelled(" (len ", hardware_len);
            self.text("), ");
            if let Some(name) = ether_type_name(protocol) {
                self.text(name);
            } else {
                self.hex("Unknown Protocol (0x", protocol, 4);
                self.byte(b')');
            }
            self.labelled(" (len ", protocol_len);
            self.byte(b')');
            if !self.verbose() {
                self.sized(", length ", length);
                return Ok(());
            }
            self.text(", ");
        }
        let operation = u16::from_be_bytes([o1, o2]);
        match operation {
            1 => {
                self.text("Request who-has ");
                self.arp_protocol_address(target_ip, is_ipv4);
                if target.iter().any(|&byte| byte != 0) {
                    self.text(" (");
                    self.arp_hardware_address(target);
                    self.byte(b')');
                }
                self.text(" tell ");
                self.arp_protocol_address(sender_ip, is_ipv4);
            }
            2 => {
                self.text("Reply ");
                self.arp_protocol_address(sender_ip, is_ipv4);
                self.text(" is-at ");
                self.arp_hardware_address(sender);
            }
            3 | 8 => {
                self.text(if operation == 3 {
                    "Reverse Request who-is "
                } else {
                    "Inverse Request who-is "
                });
                self.arp_hardware_address(target);
                self.text(" tell ");
                self.arp_hardware_address(sender);
            }
            4 => {
                self.text("Reverse Reply ");
                self.arp_hardware_address(target);
                self.text(" at ");
                self.arp_protocol_address(target_ip, is_ipv4);
            }
            9 => {
                self.text("Inverse Reply ");
                self.arp_hardware_address(sender);
                self.text(" at ");
                self.arp_protocol_address(sender_ip, is_ipv4);
            }
            10 => self.text("NACK Reply"),
            _ => {
                self.labelled("Unknown (", operation);
                self.byte(b')');
            }
        }
        // of the others tcpdump dumps the bytes, which would be more than one line a packet
        if matches!(operation, 1..=4 | 8 | 9) {
            self.sized(", length ", length);
        }
        Ok(())
    }

    fn arp_protocol_address(&mut self, address: &[u8], is_ipv4: bool) {
        match address.try_into() {
            _ if !is_ipv4 => self.text("<wrong proto type>"),
            Ok(address) => put::ipv4(self.out, address),
            Err(_) => self.text("<wrong len>"),
        }
    }

    fn arp_hardware_address(&mut self, address: &[u8]) {
        if address.is_empty() {
            return self.text("<empty>");
        }
        put::hardware_address(self.out, address);
    }
}

/// Names of hardware types (IANA "ARP Parameters").
fn hardware_name(hardware: u16) -> Option<&'static str> {
    Some(match hardware {
        1 => "Ethernet",
        6 => "TokenRing",
        7 => "ArcNet",
        15 => "FrameRelay",
        23 => "Strip",
        24 => "IEEE 1394",
        19 => "ATM",
        32 => "InfiniBand",
        _ => return None,
    })
}
