//! ICMP messages.

use super::checksum;
use super::field::{self, Printed};
use super::ip::Ip;
use super::{Line, put};

impl Line<'_> {
    /// An ICMP message. `length`: on the wire.
    pub(super) fn icmp(&mut self, ip: &Ip<'_>, bytes: &[u8], length: usize) -> Printed {
        self.layer = "ICMP";
        let [kind, code] = field::array(bytes, 0)?;
        let start = self.out.len();
        self.text("ICMP ");
        if let Err(cut) = self.icmp_message(kind, code, bytes) {
            // half a message could mislead
            self.out.truncate(start);
            return Err(cut);
        }
        self.sized(", length ", length);
        if self.verbose() && !ip.fragmented {
            self.icmp_checksum(bytes, length);
        }
        let is_error = matches!(kind, 3 | 4 | 5 | 11 | 12);
        if self.verbose() && is_error && length > 8 {
            self.text("\n\t");
            let quote = field::rest(bytes, 8);
            let quote_len = field::u16(quote, 2)?;
            return self.deeper(|line| line.ipv4(quote, usize::from(quote_len)));
        }
        Ok(())
    }

    fn icmp_checksum(&mut self, bytes: &[u8], length: usize) {
        let (Some(message), Ok(field)) = (bytes.get(..length), field::u16(bytes, 2)) else {
            return;
        };
        let left_over = checksum::left_over(message);
        if left_over != 0 {
            self.hex(" (wrong icmp cksum ", field, 1);
            self.hex(" (->", checksum::expected(field, left_over), 1);
            self.text(")!)");
        }
    }

    fn icmp_message(&mut self, kind: u8, code: u8, bytes: &[u8]) -> Printed {
        match kind {
            0 | 8 => {
                let (id, sequence) = (field::u16(bytes, 4)?, field::u16(bytes, 6)?);
                self.text(if kind == 8 { "echo request" } else { "echo reply" });
                self.labelled(", id ", id);
                self.labelled(", seq ", sequence);
            }
            3 => self.icmp_unreachable(code, bytes)?,
            4 => self.text("source quench"),
            5 => {
                let destination = field::array(bytes, 24)?;
                match code {
                    0 | 1 => self.text("redirect "),
                    2 | 3 => self.text("redirect-tos "),
                    _ => {
                        self.labelled("redirect-#", code);
                        self.byte(b' ');
                    }
                }
                put::ipv4(self.out, destination);
                self.text(match code {
                    0 | 2 => " to net ",
                    1 | 3 => " to host ",
                    _ => " to ",
                });
                put::ipv4(self.out, field::array(bytes, 4)?);
            }
            9 => self.icmp_router_advertisement(bytes)?,
            10 => self.text("router solicitation"),
            11 => {
                field::slice(bytes, 8, 20)?;
                match code {
                    0 => self.text("time exceeded in-transit"),
                    1 => self.text("ip reassembly time exceeded"),
                    _ => self.labelled("time exceeded-#", code),
                }
            }
            12 if code != 0 => self.labelled("parameter problem - code ", code),
            12 => self.labelled("parameter problem - octet ", field::u8(bytes, 4)?),
            13 => {
                let sequence = field::u16(bytes, 6)?;
                self.labelled("time stamp query id ", field::u16(bytes, 4)?);
                self.labelled(" seq ", sequence);
            }
            14 => {
                let transmitted = field::u32(bytes, 16)?;
                self.labelled("time stamp reply id ", field::u16(bytes, 4)?);
                self.labelled(" seq ", field::u16(bytes, 6)?);
                self.text(": org ");
                self.icmp_time(field::u32(bytes, 8)?);
                self.text(", recv ");
                self.icmp_time(field::u32(bytes, 12)?);
                self.text(", xmit ");
                self.icmp_time(transmitted);
            }
            15 => self.text("information request"),
            16 => self.text("information reply"),
            17 => self.text("address mask request"),
            18 => self.hex("address mask is 0x", field::u32(bytes, 8)?, 8),
            _ => self.labelled("type-#", kind),
        }
        Ok(())
    }

    /// Milliseconds since midnight (RFC 792).
    fn icmp_time(&mut self, milliseconds: u32) {
        let seconds = milliseconds / 1000;
        for (part, separator) in
            [(seconds / 3600, b':'), (seconds % 3600 / 60, b':'), (seconds % 60, b'.')]
        {
            put::zero_padded(self.out, part.into(), 2);
            self.byte(separator);
        }
        put::zero_padded(self.out, (milliseconds % 1000).into(), 3);
    }

    fn icmp_unreachable(&mut self, code: u8, bytes: &[u8]) -> Printed {
        let (before, after) = match code {
            0 => ("net ", " unreachable"),
            1 => ("host ", " unreachable"),
            2 => return self.icmp_protocol_unreachable(bytes),
            3 => return self.icmp_port_unreachable(bytes),
            4 => ("", " unreachable - need to frag"),
            5 => ("", " unreachable - source route failed"),
            6 => ("net ", " unreachable - unknown"),
            7 => ("host ", " unreachable - unknown"),
            8 => ("", " unreachable - source host isolated"),
            9 => ("net ", " unreachable - admin prohibited"),
            10 => ("host ", " unreachable - admin prohibited"),
            11 => ("net ", " unreachable - tos prohibited"),
            12 => ("host ", " unreachable - tos prohibited"),
            13 => ("host ", " unreachable - admin prohibited filter"),
            14 => ("host ", " unreachable - host precedence violation"),
            15 => ("host ", " unreachable - precedence cutoff"),
            _ => ("", " unreachable - #"),
        };
        let destination = field::array(bytes, 24)?;
        self.text(before);
        put::ipv4(self.out, destination);
        self.text(after);
        if code > 15 {
            self.number(code);
        }
        if code == 4 {
            let mtu = field::u16(bytes, 6)?;
            if mtu != 0 {
                self.labelled(" (mtu ", mtu);
                self.byte(b')');
            }
        }
        Ok(())
    }

    fn icmp_protocol_unreachable(&mut self, bytes: &[u8]) -> Printed {
        let protocol = field::u8(bytes, 17)?;
        put::ipv4(self.out, field::array(bytes, 24)?);
        self.labelled(" protocol ", protocol);
        self.text(" unreachable");
        Ok(())
    }

    fn icmp_port_unreachable(&mut self, bytes: &[u8]) -> Printed {
        let protocol = field::u8(bytes, 17)?;
        let header_len = usize::from(field::u8(bytes, 8)? & 15) * 4;
        let port = field::u16(bytes, 8 + header_len + 2)?;
        put::ipv4(self.out, field::array(bytes, 24)?);
        match protocol {
            6 => self.labelled(" tcp port ", port),
            17 => self.labelled(" udp port ", port),
            _ => {
                self.labelled(" protocol ", protocol);
                self.labelled(" port ", port);
            }
        }
        self.text(" unreachable");
        Ok(())
    }

    fn icmp_router_advertisement(&mut self, bytes: &[u8]) -> Printed {
        self.text("router advertisement lifetime ");
        let lifetime = u64::from(field::u16(bytes, 6)?);
        if lifetime < 60 {
            self.number(lifetime);
        } else if lifetime < 3600 {
            self.number(lifetime / 60);
            self.byte(b':');
            put::zero_padded(self.out, lifetime % 60, 2);
        } else {
            self.number(lifetime / 3600);
            self.byte(b':');
            put::zero_padded(self.out, lifetime % 3600 / 60, 2);
            self.byte(b':');
            put::zero_padded(self.out, lifetime % 60, 2);
        }
        let [count, size] = field::array(bytes, 4)?;
        self.labelled(" ", count);
        self.byte(b':');
        if size != 2 {
            self.labelled(" [size ", size);
            self.byte(b']');
            return Ok(());
        }
        for at in (8..).step_by(8).take(usize::from(count)) {
            let preference = field::u32(bytes, at + 4)?;
            self.text(" {");
            put::ipv4(self.out, field::array(bytes, at)?);
            self.labelled(" ", preference);
            self.byte(b'}');
        }
        Ok(())
    }
}
