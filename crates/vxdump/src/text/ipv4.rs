//! IPv4 headers.

use super::checksum;
use super::field::{self, Printed};
use super::ip::{Ip, protocol_name};
use super::{Line, put};

/// IP options (IANA "IP Option Numbers").
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;

/// The last hop of a source route among the options of `header`.
pub(super) fn source_route_end(header: &[u8]) -> Option<&[u8]> {
    let len = usize::from(header.first()? & 15) * 4;
    let mut options = header.get(20..len)?;
    while let [kind, rest @ ..] = options {
        let len = match *kind {
            END_OF_OPTIONS => return None,
            NO_OPERATION => 1,
            _ => usize::from(*rest.first()?),
        };
        if len == 0 {
            return None;
        }
        let (option, rest) = options.split_at_checked(len)?;
        if matches!(*kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE) && len >= 7 {
            return option.get(len - 4..);
        }
        options = rest;
    }
    None
}

impl Line<'_> {
    /// An IPv4 packet. `bytes` may go on behind it; `length`: on the wire, of what the layer around
    /// it has.
    pub(super) fn ipv4(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "IPv4";
        let version = field::u8(bytes, 0)? >> 4;
        if version != 4 {
            if version == 6 {
                self.text("IP6, wrong link-layer encapsulation");
            } else {
                self.labelled("IP", version);
            }
            self.invalid();
            return Ok(());
        }
        if !self.options.link_header {
            self.text("IP ");
        }
        let fixed: [u8; 20] = field::array(bytes, 0)?;
        if length < 20 {
            self.sized("truncated-ip ", length);
            return Ok(());
        }
        let header_len = usize::from(fixed[0] & 15) * 4;
        if header_len < 20 {
            self.sized("bad-hlen ", header_len);
            return Ok(());
        }
        let total_field = u16::from_be_bytes([fixed[2], fixed[3]]);
        let mut total = usize::from(total_field);
        if length < total {
            self.sized("truncated-ip - ", total - length);
            self.text(" bytes missing! ");
        }
        if total < header_len {
            if total > 0 {
                self.sized("bad-len ", total);
                return Ok(());
            }
            // left to the network card, or more than the field can say
            total = length;
        }
        let bytes = field::at_most(bytes, total);
        let flags = u16::from_be_bytes([fixed[6], fixed[7]]);
        let protocol = fixed[9];
        if self.options.verbose > 0 {
            self.ipv4_verbose(&fixed, bytes, header_len, flags)?;
        }
        let ip = Ip {
            header: bytes,
            source: field::slice(bytes, 12, 4)?,
            destination: field::slice(bytes, 16, 4)?,
            next: protocol,
            fragmented: flags & 0x2000 != 0,
            payload_field: None,
            version: 4,
        };
        if flags & 0x1fff != 0 {
            self.address(ip.source);
            self.text(" > ");
            self.address(ip.destination);
            self.labelled(": ip-proto-", protocol);
            return Ok(());
        }
        // TCP, UDP and SCTP print addresses with ports
        if !matches!(protocol, 6 | 17 | 132) {
            self.addresses(&ip);
        }
        let carried = bytes
            .get(header_len..)
            .ok_or(field::Cut { needed: header_len, available: bytes.len() })?;
        self.carried(&ip, protocol, carried, total - header_len)
    }

    /// The header in full, and the line end behind it.
    fn ipv4_verbose(
        &mut self,
        fixed: &[u8; 20],
        bytes: &[u8],
        header_len: usize,
        flags: u16,
    ) -> Printed {
        self.hex("(tos 0x", fixed[1], 1);
        self.text(match fixed[1] & 3 {
            1 => ",ECT(1)",
            2 => ",ECT(0)",
            3 => ",CE",
            _ => "",
        });
        if fixed[8] > 0 {
            self.labelled(", ttl ", fixed[8]);
        }
        self.labelled(", id ", u16::from_be_bytes([fixed[4], fixed[5]]));
        self.labelled(", offset ", u32::from(flags & 0x1fff) * 8);
        self.text(", flags [");
        self.flags(flags, &[(0x2000, "+"), (0x4000, "DF"), (0x8000, "rsvd")], ", ");
        self.text("], proto ");
        self.text(protocol_name(fixed[9]));
        self.labelled(" (", fixed[9]);
        self.labelled("), length ", u16::from_be_bytes([fixed[2], fixed[3]]));
        let mut cut = None;
        if header_len > 20 {
            self.text(", options (");
            let options = field::at_most(field::rest(bytes, 20), header_len - 20);
            cut = self.ipv4_options(options, header_len - 20).err();
            if cut.is_some() {
                self.text(" [truncated-option]");
            }
            self.byte(b')');
        }
        if let Some(header) = bytes.get(..header_len) {
            let left_over = checksum::left_over(header);
            if left_over != 0 {
                let field = u16::from_be_bytes([fixed[10], fixed[11]]);
                self.hex(", bad cksum ", field, 1);
                self.hex(" (->", checksum::expected(field, left_over), 1);
                self.text(")!");
            }
        }
        self.text(")\n    ");
        let Some(cut) = cut else { return Ok(()) };
        self.address(field::slice(bytes, 12, 4)?);
        self.text(" > ");
        self.address(field::slice(bytes, 16, 4)?);
        self.text(": ");
        Err(cut)
    }

    /// The names of the bits that are set, or `none`.
    pub(super) fn flags(&mut self, flags: impl Into<u32>, names: &[(u32, &str)], separator: &str) {
        let flags = flags.into();
        let mut any = false;
        for (bit, name) in names {
            if flags & bit != 0 {
                if any {
                    self.text(separator);
                }
                self.text(name);
                any = true;
            }
        }
        if !any {
            self.text("none");
        }
    }

    fn ipv4_options(&mut self, options: &[u8], length: usize) -> Printed {
        let mut at = 0;
        while at < length {
            if at > 0 {
                self.byte(b',');
            }
            let kind = field::u8(options, at)?;
            let name = match kind {
                END_OF_OPTIONS => Some("EOL"),
                NO_OPERATION => Some("NOP"),
                TIMESTAMP => Some("timestamp"),
                130 => Some("security"),
                RECORD_ROUTE => Some("RR"),
                STRICT_SOURCE_ROUTE => Some("SSRR"),
                LOOSE_SOURCE_ROUTE => Some("LSRR"),
                ROUTER_ALERT => Some("RA"),
                82 => Some("traceroute"),
                _ => None,
            };
            self.named_or(name, "unknown ", kind);
            let len = match kind {
                END_OF_OPTIONS | NO_OPERATION => 1,
                _ => usize::from(field::u8(options, at + 1)?),
            };
            if len == 0 || len > length - at || (len < 2 && kind > NO_OPERATION) {
                self.sized(" [bad length ", len);
                self.byte(b']');
                return Ok(());
            }
            let option = field::slice(options, at, len)?;
            match kind {
                END_OF_OPTIONS => return Ok(()),
                TIMESTAMP => self.ipv4_timestamps(option)?,
                RECORD_ROUTE | LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => {
                    self.ipv4_route(option)?;
                }
                ROUTER_ALERT if len < 4 => {
                    self.sized(" [bad length ", len);
                    self.byte(b']');
                }
                ROUTER_ALERT => {
                    let value = field::u16(option, 2)?;
                    if value != 0 {
                        self.labelled(" value ", value);
                    }
                }
                _ => {}
            }
            at += len;
        }
        Ok(())
    }

    /// Hops of a recorded or a source route.
    fn ipv4_route(&mut self, option: &[u8]) -> Printed {
        let len = option.len();
        if len < 3 {
            self.sized(" [bad length ", len);
            self.byte(b']');
            return Ok(());
        }
        if (len + 1) & 3 != 0 {
            self.sized(" [bad length ", len);
            self.byte(b']');
        }
        let field = field::u8(option, 2)?;
        let pointer = usize::from(field.wrapping_sub(1));
        if pointer < 3 || (pointer + 1) & 3 != 0 || pointer > len + 1 {
            self.labelled(" [bad ptr ", field);
            self.byte(b']');
        }
        for at in (3..len).step_by(4) {
            let hop = field::array(option, at)?;
            self.byte(b' ');
            put::ipv4(self.out, hop);
            if pointer > at {
                self.byte(b',');
            }
        }
        Ok(())
    }

    fn ipv4_timestamps(&mut self, option: &[u8]) -> Printed {
        let len = option.len();
        if len < 4 {
            self.sized("[bad length ", len);
            self.byte(b']');
            return Ok(());
        }
        self.text(" TS{");
        let flags = field::u8(option, 3)?;
        let hop_len = if matches!(flags & 15, 0) { 4 } else { 8 };
        if !(len - 4).is_multiple_of(hop_len) {
            self.sized("[bad length ", len);
            self.byte(b']');
        }
        let field = field::u8(option, 2)?;
        let pointer = usize::from(field.wrapping_sub(1));
        if pointer < 4 || !(pointer - 4).is_multiple_of(hop_len) || pointer > len + 1 {
            self.labelled("[bad ptr ", field);
            self.byte(b']');
        }
        let mut at = 0;
        let kind = match flags & 15 {
            0 => Some("TSONLY"),
            1 => Some("TS+ADDR"),
            3 => Some("PRESPEC"),
            _ => None,
        };
        if let Some(kind) = kind {
            self.text(kind);
            at = 4;
            while at < len {
                let time = field::u32(option, at + hop_len - 4)?;
                self.labelled(if at == pointer { " ^ " } else { " " }, time);
                self.byte(b'@');
                if hop_len == 8 {
                    put::ipv4(self.out, field::array(option, at)?);
                }
                at += hop_len;
            }
        } else {
            self.labelled("[bad ts type ", flags & 15);
            self.byte(b']');
        }
        if pointer == at {
            self.text(" ^ ");
        }
        if flags >> 4 == 0 {
            self.byte(b'}');
        } else {
            self.labelled(" [", flags >> 4);
            self.text(" hops not recorded]} ");
        }
        Ok(())
    }
}
