//! IPv6 headers and extension headers.

use super::Line;
use super::field::{self, Printed};
use super::ip::{Ip, protocol_name};

impl Line<'_> {
    /// An IPv6 packet. `bytes` may go on behind it; `length`: on the wire, of what the layer around
    /// it has.
    pub(super) fn ipv6(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "IPv6";
        let fixed: [u8; 40] = field::array(bytes, 0)?;
        if !self.options.link_header {
            self.text("IP6 ");
        }
        if fixed[0] >> 4 != 6 {
            self.labelled("version error: ", fixed[0] >> 4);
            self.text(" != 6");
            return Ok(());
        }
        if length < 40 {
            self.sized("truncated-ip6 ", length);
            return Ok(());
        }
        let payload_field = u16::from_be_bytes([fixed[4], fixed[5]]);
        // 0: nothing, or more than the field can say (a jumbogram, BIG TCP): the length of the
        // layer around holds
        let is_jumbo = payload_field == 0 && (length > 0xffff || fixed[6] == 0);
        let total = if is_jumbo { length } else { usize::from(payload_field) + 40 };
        if length < total {
            self.sized("truncated-ip6 - ", total - length);
            self.text(" bytes missing!");
        }
        let bytes = field::at_most(bytes, total);
        let next = fixed[6];
        if self.verbose() {
            self.ipv6_verbose(&fixed, payload_field);
        }
        let ip = Ip {
            header: bytes,
            source: field::slice(bytes, 8, 16)?,
            destination: field::slice(bytes, 24, 16)?,
            next,
            fragmented: false,
            payload_field: Some(payload_field),
            version: 6,
        };
        if !matches!(next, 6 | 17 | 132) {
            self.addresses(&ip);
        }
        self.ipv6_chain(ip, bytes, total)
    }

    fn ipv6_verbose(&mut self, fixed: &[u8; 40], payload_field: u16) {
        let class_and_label = u32::from_be_bytes([fixed[0], fixed[1], fixed[2], fixed[3]]);
        self.byte(b'(');
        if class_and_label & 0x0ff0_0000 != 0 {
            self.hex("class 0x", class_and_label >> 20 & 0xff, 2);
            self.text(", ");
        }
        if class_and_label & 0x000f_ffff != 0 {
            self.hex("flowlabel 0x", class_and_label & 0x000f_ffff, 5);
            self.text(", ");
        }
        self.labelled("hlim ", fixed[7]);
        self.text(", next-header ");
        self.text(protocol_name(fixed[6]));
        self.labelled(" (", fixed[6]);
        self.labelled(") payload length: ", payload_field);
        self.text(") ");
    }

    /// Extension headers, then what the packet carries.
    fn ipv6_chain(&mut self, mut ip: Ip<'_>, bytes: &[u8], total: usize) -> Printed {
        let (mut protocol, mut at, mut total) = (ip.next, 40, total);
        // nothing at all behind the fixed header is the transport's matter
        while at < bytes.len() || at == 40 {
            let (rest, length) = (field::rest(bytes, at), total.saturating_sub(at));
            let len = match protocol {
                0 => {
                    let options = self.ipv6_options("HBH ", rest)?;
                    if let Some(jumbo) = options.jumbo.filter(|_| ip.payload_field == Some(0)) {
                        let said = jumbo as usize + 40;
                        if total < said {
                            self.sized("truncated-ip6 - ", said - total);
                            self.text(" bytes missing!");
                        }
                        total = said;
                    }
                    options.len
                }
                60 => self.ipv6_options("DSTOPT ", rest)?.len,
                44 => match self.ipv6_fragment(rest, length)? {
                    Some(len) => {
                        ip.fragmented = true;
                        len
                    }
                    None => return Ok(()),
                },
                43 => match self.ipv6_routing(rest)? {
                    Some(len) => len,
                    None => return Ok(()),
                },
                _ => return self.carried(&ip, protocol, rest, length),
            };
            protocol = field::u8(rest, 0)?;
            at += len;
        }
        Ok(())
    }
}
