//! UDP datagrams.

use super::Line;
use super::checksum;
use super::field::{self, Printed};
use super::ip::Ip;

/// Ports whose datagrams are decoded (IANA "Service Name and Transport Protocol Port Number
/// Registry").
pub(super) const DNS: u16 = 53;
pub(super) const MULTICAST_DNS: u16 = 5353;

impl Line<'_> {
    /// A UDP datagram. `length`: header and payload on the wire.
    pub(super) fn udp(&mut self, ip: &Ip<'_>, bytes: &[u8], length: usize) -> Printed {
        self.layer = "UDP";
        let (Ok(source_port), Ok(destination_port)) = (field::u16(bytes, 0), field::u16(bytes, 2))
        else {
            if ip.next == 17 {
                self.addresses(ip);
            }
            return Err(field::Cut { needed: 8, available: bytes.len() });
        };
        self.ends(ip, 17, source_port, destination_port);
        if length < 8 {
            self.sized("truncated-udp ", length);
            return Ok(());
        }
        let Some(header) = bytes.first_chunk::<8>() else {
            return Err(field::Cut { needed: 8, available: bytes.len() });
        };
        let mut said = usize::from(u16::from_be_bytes([header[4], header[5]]));
        if said == 0 && length > 0xffff {
            said = length;
        }
        if said < 8 {
            self.sized("truncated-udplength ", said);
            return Ok(());
        }
        let payload_said = said - 8;
        let payload_len = payload_said.min(length - 8);
        let payload = field::at_most(field::rest(bytes, 8), payload_len);
        // for IPv6 it is mandatory, so tcpdump checks it already with `-v`
        if self.options.verbose > u8::from(ip.version == 4) && !ip.fragmented {
            self.udp_checksum(ip, bytes, payload_len + 8);
        }
        if !self.options.quiet {
            let is_port = |port| source_port == port || destination_port == port;
            if is_port(DNS) {
                return self.dns(payload, payload_len, false);
            }
            if is_port(MULTICAST_DNS) {
                return self.dns(payload, payload_len, true);
            }
        }
        if payload_said > payload_len && !ip.fragmented {
            self.sized("UDP, bad length ", payload_said);
            self.sized(" > ", payload_len);
        } else {
            self.sized("UDP, length ", payload_said);
        }
        Ok(())
    }

    fn udp_checksum(&mut self, ip: &Ip<'_>, bytes: &[u8], length: usize) {
        let Ok(field) = field::u16(bytes, 6) else { return };
        // for IPv6 a checksum is mandatory: 0 is a wrong one
        if field == 0 && ip.version == 4 {
            return self.text("[no cksum] ");
        }
        let Some(datagram) = bytes.get(..length) else { return };
        let left_over = checksum::left_over_with_pseudo_header(ip, 17, datagram);
        if left_over == 0 {
            self.text("[udp sum ok] ");
        } else {
            self.hex("[bad udp cksum 0x", field, 4);
            self.hex(" -> 0x", checksum::expected(field, left_over), 4);
            self.text("!] ");
        }
    }
}
