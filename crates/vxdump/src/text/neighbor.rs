//! Neighbour discovery (RFC 4861): router advertisements and options.

use super::Line;
use super::field::{self, Cut, Printed};

impl Line<'_> {
    /// The fixed part of a router advertisement.
    pub(super) fn router_advertisement(&mut self, bytes: &[u8]) -> Printed {
        let [hop_limit, flags] = field::array(bytes, 4)?;
        self.labelled("\n\thop limit ", hop_limit);
        self.text(", Flags [");
        let names = [
            (0x80, "managed"),
            (0x40, "other stateful"),
            (0x20, "home agent"),
            // draft-ietf-6man-ipv6only-flag
            (0x02, "ipv6 only"),
        ];
        self.flags(flags, &names, ", ");
        self.text("], pref ");
        self.text(preference(flags));
        self.labelled(", router lifetime ", field::u16(bytes, 6)?);
        self.labelled("s, reachable time ", field::u32(bytes, 8)?);
        self.labelled("ms, retrans timer ", field::u32(bytes, 12)?);
        self.text("ms");
        Ok(())
    }

    /// The options of a message from `at` on; printed with `-v` only.
    pub(super) fn neighbor_options(&mut self, bytes: &[u8], at: usize, length: usize) -> Printed {
        if !self.verbose() {
            return Ok(());
        }
        let mut at = at;
        while at < bytes.len() && at < length {
            let [kind, units] = field::array(bytes, at)?;
            let len = usize::from(units) * 8;
            if len == 0 {
                return Err(Cut::INVALID);
            }
            let option = field::slice(bytes, at, len)?;
            self.text("\n\t  ");
            self.text(option_name(kind));
            self.labelled(" option (", kind);
            self.sized("), length ", len);
            self.labelled(" (", units);
            self.text("): ");
            let is_known = self.neighbor_option(kind, option)?;
            let data = field::rest(option, 2);
            if self.options.verbose > 1 {
                self.unknown_data("\n\t    ", data);
            } else if !is_known {
                // tcpdump ends with the first unknown one
                self.unknown_data("\n\t  ", data);
                return Ok(());
            }
            at += len;
        }
        Ok(())
    }

    fn neighbor_option(&mut self, kind: u8, option: &[u8]) -> Result<bool, Cut> {
        match kind {
            1 | 2 => crate::out::put::hardware_address(self.out, field::rest(option, 2)),
            3 => {
                let [len, flags] = field::array(option, 2)?;
                self.ipv6_field("", option, 16)?;
                self.labelled("/", len);
                self.text(if option.len() == 32 { "" } else { "badlen" });
                self.text(", Flags [");
                self.flags(flags, &[(0x80, "onlink"), (0x40, "auto"), (0x20, "router")], ", ");
                self.text("], valid time ");
                self.lifetime(field::u32(option, 4)?);
                self.text(", pref. time ");
                self.lifetime(field::u32(option, 8)?);
            }
            4 => {
                // the whole option, header included
                self.unknown_data("\n\t    ", option);
            }
            5 => {
                self.labelled(" ", field::u32(option, 4)?);
                self.text(if option.len() == 8 { "" } else { "bad option length" });
            }
            7 => {
                self.labelled(" ", field::u32(option, 4)?);
                self.text("ms");
            }
            8 => {
                self.labelled(" preference ", field::u16(option, 4)?);
                self.labelled(", lifetime ", field::u16(option, 6)?);
            }
            24 => {
                let [len, flags] = field::array(option, 2)?;
                let mut prefix = [0; 16];
                for (to, from) in prefix.iter_mut().zip(field::rest(option, 8)) {
                    *to = *from;
                }
                if option.len() > 24 {
                    return Err(Cut::INVALID);
                }
                self.byte(b' ');
                crate::out::put::ipv6(self.out, prefix);
                self.labelled("/", len);
                self.text(", pref=");
                self.text(preference(flags));
                self.text(", lifetime=");
                self.lifetime(field::u32(option, 4)?);
            }
            25 => {
                self.labelled(" lifetime ", field::u32(option, 4)?);
                self.text("s,");
                for address in field::rest(option, 8).chunks_exact(16) {
                    self.ipv6_field(" addr: ", address, 0)?;
                }
            }
            31 => {
                self.labelled(" lifetime ", field::u32(option, 4)?);
                self.text("s, domain(s):");
                self.search_list(field::rest(option, 8))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Domain names one behind the other, not compressed (RFC 8106 section 5.2).
    fn search_list(&mut self, names: &[u8]) -> Printed {
        let mut at = 0;
        while at < names.len() && field::u8(names, at)? != 0 {
            self.byte(b' ');
            loop {
                let len = usize::from(field::u8(names, at)?);
                if len > 63 {
                    return Err(Cut::INVALID);
                }
                let label = field::slice(names, at + 1, len)?;
                at += 1 + len;
                if len == 0 {
                    break;
                }
                self.harmless(label);
                self.byte(b'.');
            }
        }
        Ok(())
    }

    fn lifetime(&mut self, seconds: u32) {
        if seconds == u32::MAX {
            self.text("infinity");
        } else {
            self.number(seconds);
            self.byte(b's');
        }
    }
}

/// Router preference (RFC 4191 section 2.1).
fn preference(flags: u8) -> &'static str {
    match flags >> 3 & 3 {
        0 => "medium",
        1 => "high",
        2 => "rsv",
        _ => "low",
    }
}

fn option_name(kind: u8) -> &'static str {
    match kind {
        1 => "source link-address",
        2 => "destination link-address",
        3 => "prefix info",
        4 => "redirected header",
        5 => "mtu",
        7 => "advertisement interval",
        8 => "homeagent information",
        24 => "route info",
        25 => "rdnss",
        31 => "dnssl",
        _ => "unknown",
    }
}
