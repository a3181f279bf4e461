//! The option of Multipath TCP (RFC 8684, version 0: RFC 6824).

use super::field::{self, Cut};
use super::{Line, put};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

impl Line<'_> {
    /// The option's data, without kind and length; `flags` are those of the TCP header. `false` where it makes no sense.
    pub(super) fn mptcp(&mut self, data: &[u8], flags: u8) -> Result<bool, Cut> {
        let len = data.len() + 2;
        if data.is_empty() {
            return Ok(false);
        }
        self.sized(" ", len);
        let first = field::u8(data, 0)?;
        match first >> 4 {
            0 => self.mptcp_capable(data, flags),
            1 => self.mptcp_join(data, flags),
            2 => self.mptcp_sequence(data),
            3 => self.mptcp_add_address(data),
            4 => {
                self.text(" rem-addr id");
                for id in field::rest(data, 1) {
                    self.labelled(" ", *id);
                }
                Ok(len >= 4)
            }
            5 if matches!(len, 3 | 4) => {
                self.text(if first & 1 != 0 { " prio backup" } else { " prio non-backup" });
                if let Some(id) = data.get(1) {
                    self.labelled(" id ", *id);
                }
                Ok(true)
            }
            6 if len == 12 => {
                self.labelled(" fail seq ", u64::from_be_bytes(field::array(data, 2)?));
                Ok(true)
            }
            7 if len == 12 => {
                self.text(" fast-close key 0x");
                put::hex_bytes(self.out, field::rest(data, 2));
                Ok(true)
            }
            5..=7 => Ok(false),
            _ => {
                self.text(" unknown");
                Ok(true)
            }
        }
    }

    fn mptcp_capable(&mut self, data: &[u8], flags: u8) -> Result<bool, Cut> {
        self.text(" capable");
        let len = data.len() + 2;
        let [version, capable_flags] = field::array(data, 0)?;
        let version = version & 15;
        let fits = if flags & SYN != 0 {
            len == 12 || (len == 4 && version == 1)
        } else {
            len == 20 || (len == 22 && version == 1)
        };
        if !fits {
            return Ok(false);
        }
        self.labelled(" v", version);
        if capable_flags & 0x80 != 0 {
            self.text(" csum");
        }
        if len >= 12 {
            self.text(" {0x");
            put::hex_bytes(self.out, field::slice(data, 2, 8)?);
            if len >= 20 {
                self.text(",0x");
                put::hex_bytes(self.out, field::slice(data, 10, 8)?);
            }
            self.byte(b'}');
        }
        Ok(true)
    }

    fn mptcp_join(&mut self, data: &[u8], flags: u8) -> Result<bool, Cut> {
        self.text(" join");
        let len = data.len() + 2;
        let fits = match len {
            12 => flags & SYN != 0,
            16 => flags & (SYN | ACK) == SYN | ACK,
            24 => flags & ACK != 0,
            _ => false,
        };
        if !fits {
            return Ok(false);
        }
        if len != 24 {
            let [first, id] = field::array(data, 0)?;
            self.text(if first & 1 != 0 { " backup" } else { "" });
            self.labelled(" id ", id);
        }
        match len {
            12 => {
                self.hex(" token 0x", field::u32(data, 2)?, 1);
                self.hex(" nonce 0x", field::u32(data, 6)?, 1);
            }
            16 => {
                self.text(" hmac 0x");
                put::hex_bytes(self.out, field::slice(data, 2, 8)?);
                self.hex(" nonce 0x", field::u32(data, 10)?, 1);
            }
            _ => {
                self.text(" hmac 0x");
                put::hex_bytes(self.out, field::rest(data, 2));
            }
        }
        Ok(true)
    }

    /// Data sequence signal.
    fn mptcp_sequence(&mut self, data: &[u8]) -> Result<bool, Cut> {
        self.text(" dss");
        let flags = field::u8(data, 1)?;
        if flags & 0x10 != 0 {
            self.text(" fin");
        }
        let mut at = 2;
        if flags & 1 != 0 && !self.mptcp_number(" ack ", data, &mut at, flags & 2 != 0) {
            return Ok(false);
        }
        if flags & 4 != 0 {
            if !self.mptcp_number(" seq ", data, &mut at, flags & 8 != 0) {
                return Ok(false);
            }
            let (Ok(subflow), Ok(length)) = (field::u32(data, at), field::u16(data, at + 4)) else {
                return Ok(false);
            };
            self.labelled(" subseq ", subflow);
            self.labelled(" len ", length);
            at += 6;
            if let Ok(checksum) = field::u16(data, at) {
                self.hex(" csum 0x", checksum, 1);
                at += 2;
            }
        }
        Ok(at == data.len())
    }

    /// A number of 4 or 8 bytes; `false` where it is not there.
    fn mptcp_number(&mut self, label: &str, data: &[u8], at: &mut usize, is_long: bool) -> bool {
        let number = if is_long {
            field::array(data, *at).map(u64::from_be_bytes)
        } else {
            field::u32(data, *at).map(u64::from)
        };
        let Ok(number) = number else { return false };
        self.labelled(label, number);
        *at += if is_long { 8 } else { 4 };
        true
    }

    fn mptcp_add_address(&mut self, data: &[u8]) -> Result<bool, Cut> {
        self.text(" add-addr");
        let [first, id] = field::array(data, 0)?;
        let len = data.len() + 2;
        // version 0 says which IP, version 1 whether it is an echo; else a message authentication code is at the end
        let (label, mac_len) = match first & 15 {
            4 if matches!(len, 8 | 10) => (" v0-ip4", 0),
            6 if matches!(len, 20 | 22) => (" v0-ip6", 0),
            1 if matches!(len, 8 | 10 | 20 | 22) => (" v1-echo", 0),
            0 if matches!(len, 16 | 18 | 28 | 30) => (" v1", 8),
            _ => return Ok(false),
        };
        self.text(label);
        self.labelled(" id ", id);
        self.byte(b' ');
        let address_len = if len - mac_len >= 20 { 16 } else { 4 };
        self.address(field::slice(data, 2, address_len)?);
        let at = 2 + address_len;
        if len - 2 - at - mac_len == 2 {
            self.labelled(":", field::u16(data, at)?);
        }
        if mac_len > 0 {
            self.text(" hmac 0x");
            put::hex_bytes(self.out, field::rest(data, data.len() - mac_len));
        }
        Ok(true)
    }
}
