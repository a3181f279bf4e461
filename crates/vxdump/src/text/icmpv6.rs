//! ICMPv6 messages.

use super::checksum;
use super::field::{self, Cut, Printed};
use super::ip::Ip;
use super::{Line, put};

/// Message types (IANA "ICMPv6 Parameters") whose options are printed with `-v`.
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

impl Line<'_> {
    /// An ICMPv6 message. `length`: on the wire.
    pub(super) fn icmpv6(&mut self, ip: &Ip<'_>, bytes: &[u8], length: usize) -> Printed {
        self.layer = "ICMPv6";
        if length == 0 {
            self.text("ICMP6, length 0");
            self.invalid();
            return Ok(());
        }
        if self.verbose() && !ip.fragmented {
            self.icmpv6_checksum(ip, bytes, length);
        }
        let kind = field::u8(bytes, 0)?;
        self.text("ICMP6, ");
        if let Some(name) = icmpv6_type_name(kind) {
            self.text(name);
        } else {
            self.labelled("unknown icmp6 type (", kind);
            self.byte(b')');
        }
        if self.verbose() && matches!(kind, ROUTER_SOLICITATION..=REDIRECT | 145 | 147) {
            self.sized(", length ", length);
        }
        let code = field::u8(bytes, 1)?;
        if self.icmpv6_body(kind, code, bytes, length)? && !self.verbose() {
            self.sized(", length ", length);
        }
        Ok(())
    }

    fn icmpv6_checksum(&mut self, ip: &Ip<'_>, bytes: &[u8], length: usize) {
        let (Some(message), Ok(field)) = (bytes.get(..length), field::u16(bytes, 2)) else {
            return;
        };
        let left_over = checksum::left_over_with_pseudo_header(ip, 58, message);
        if left_over == 0 {
            self.text("[icmp6 sum ok] ");
        } else {
            self.hex("[bad icmp6 cksum 0x", field, 4);
            self.hex(" -> 0x", checksum::expected(field, left_over), 4);
            self.text("!] ");
        }
    }

    /// What follows the type's name; `false` where the length was printed, or is not.
    fn icmpv6_body(
        &mut self,
        kind: u8,
        code: u8,
        bytes: &[u8],
        length: usize,
    ) -> Result<bool, Cut> {
        match kind {
            1 => return self.icmpv6_unreachable(code, bytes, length),
            2 => self.labelled(", mtu ", field::u32(bytes, 4)?),
            3 => match code {
                0 => self.ipv6_field(" for ", bytes, 32)?,
                1 => self.text(" (reassembly)"),
                _ => {
                    self.labelled(", unknown code (", code);
                    self.byte(b')');
                }
            },
            4 => {
                field::slice(bytes, 32, 16)?;
                let what = match code {
                    0 => ", erroneous - octet ",
                    1 => ", next header - octet ",
                    2 => ", option - octet ",
                    3 => ", incomplete header chain - octet ",
                    _ => {
                        self.labelled(", code-#", code);
                        return Ok(true);
                    }
                };
                self.labelled(what, field::u32(bytes, 4)?);
            }
            128 | 129 => {
                let sequence = field::u16(bytes, 6)?;
                self.labelled(", id ", field::u16(bytes, 4)?);
                self.labelled(", seq ", sequence);
            }
            130 if length == 24 => self.mld(bytes)?,
            130 if length >= 28 => self.mld_v2_query(bytes, length)?,
            130 => {
                self.sized(" unknown-version (len ", length);
                self.text(") ");
            }
            131 | 132 => self.mld(bytes)?,
            143 => self.mld_v2_report(bytes, length)?,
            ROUTER_SOLICITATION => self.neighbor_options(bytes, 8, length)?,
            ROUTER_ADVERTISEMENT => {
                if self.verbose() {
                    self.router_advertisement(bytes)?;
                }
                self.neighbor_options(bytes, 16, length)?;
            }
            NEIGHBOR_SOLICITATION => {
                self.ipv6_field(", who has ", bytes, 8)?;
                self.neighbor_options(bytes, 24, length)?;
            }
            NEIGHBOR_ADVERTISEMENT => {
                self.ipv6_field(", tgt is ", bytes, 8)?;
                if self.verbose() {
                    self.text(", Flags [");
                    let names =
                        [(1 << 31, "router"), (1 << 30, "solicited"), (1 << 29, "override")];
                    self.flags(field::u32(bytes, 4)?, &names, ", ");
                    self.byte(b']');
                }
                self.neighbor_options(bytes, 24, length)?;
            }
            REDIRECT => {
                self.ipv6_field(", ", bytes, 24)?;
                self.ipv6_field(" to ", bytes, 8)?;
                self.neighbor_options(bytes, 40, length)?;
            }
            144 | 146 => self.hex(", id 0x", field::u16(bytes, 4)?, 4),
            // these have names, and no more is printed of them
            138..=142 | 145 | 147 | 155 => {}
            _ => {
                self.sized(", length ", length);
                if self.options.verbose <= 1 {
                    self.unknown_data("\n\t", field::at_most(bytes, length));
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn icmpv6_unreachable(&mut self, code: u8, bytes: &[u8], length: usize) -> Result<bool, Cut> {
        self.text(", ");
        match code {
            0 => self.ipv6_field("unreachable route ", bytes, 32)?,
            1 => self.ipv6_field(" unreachable prohibited ", bytes, 32)?,
            2 => {
                self.ipv6_field("beyond scope ", bytes, 32)?;
                self.ipv6_field(", source address ", bytes, 16)?;
            }
            3 => self.ipv6_field("unreachable address ", bytes, 32)?,
            4 => {
                self.text("unreachable port");
                let (protocol, port) = quoted_port(bytes)?;
                self.ipv6_field(", ", bytes, 32)?;
                self.labelled(if protocol == 6 { " tcp port " } else { " udp port " }, port);
            }
            _ => {
                self.labelled("unknown unreach code (", code);
                self.byte(b')');
                if self.options.verbose <= 1 {
                    self.unknown_data("\n\t", field::at_most(bytes, length));
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// An IPv6 address behind text.
    pub(super) fn ipv6_field(&mut self, label: &str, bytes: &[u8], at: usize) -> Printed {
        let address = field::array(bytes, at)?;
        self.text(label);
        put::ipv6(self.out, address);
        Ok(())
    }

    /// Bytes that nothing is known of, in hexadecimal, with an offset before each line.
    pub(super) fn unknown_data(&mut self, indent: &str, bytes: &[u8]) {
        super::hex::indented(self.out, indent, bytes);
    }
}

/// The protocol and the destination port of the packet that an error quotes.
fn quoted_port(bytes: &[u8]) -> Result<(u8, u16), Cut> {
    let (mut protocol, mut at) = (field::u8(bytes, 14)?, 48);
    loop {
        at += match protocol {
            6 | 17 => return Ok((protocol, field::u16(bytes, at + 2)?)),
            0 | 43 | 60 => {
                let len = usize::from(field::u8(bytes, at + 1)?);
                protocol = field::u8(bytes, at)?;
                (len + 1) * 8
            }
            44 if field::u16(bytes, at + 2)? & 0xfff8 == 0 => {
                protocol = field::u8(bytes, at)?;
                8
            }
            51 => {
                let len = usize::from(field::u8(bytes, at + 1)?);
                protocol = field::u8(bytes, at)?;
                (len + 2) * 4
            }
            _ => return Err(Cut::INVALID),
        };
    }
}

/// Names of message types (IANA "ICMPv6 Parameters").
fn icmpv6_type_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "destination unreachable",
        2 => "packet too big",
        3 => "time exceeded in-transit",
        4 => "parameter problem",
        128 => "echo request",
        129 => "echo reply",
        130 => "multicast listener query",
        131 => "multicast listener report",
        132 => "multicast listener done",
        ROUTER_SOLICITATION => "router solicitation",
        ROUTER_ADVERTISEMENT => "router advertisement",
        NEIGHBOR_SOLICITATION => "neighbor solicitation",
        NEIGHBOR_ADVERTISEMENT => "neighbor advertisement",
        REDIRECT => "redirect",
        138 => "router renumbering",
        139 => "who-are-you request",
        140 => "who-are-you reply",
        141 => "inverse neighbor solicitation",
        142 => "inverse neighbor advertisement",
        143 => "multicast listener report v2",
        144 => "ha discovery request",
        145 => "ha discovery reply",
        146 => "mobile router solicitation",
        147 => "mobile router advertisement",
        155 => "RPL",
        201 => "mtrace message",
        200 => "mtrace response",
        _ => return None,
    })
}
