//! The option of Multipath TCP (RFC 8684, version 0: RFC 6824).

use super::field::{self, Cut, Printed};
use super::{Line, put};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

impl Line<'_> {
    /// The option's data, without kind and length; `flags` are those of the TCP header. `false`
    /// where it makes no sense.
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
            2 => self.mptcp_sequence(data, flags),
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
                self.labelled(" fail seq ", long(data, 2)?);
                Ok(true)
            }
            7 if len == 12 => {
                self.hex_long(" fast-close key 0x", long(data, 2)?);
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
            self.hex_long(" {0x", long(data, 2)?);
            if len >= 20 {
                self.hex_long(",0x", long(data, 10)?);
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
                self.hex_long(" hmac 0x", long(data, 2)?);
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
    fn mptcp_sequence(&mut self, data: &[u8], tcp_flags: u8) -> Result<bool, Cut> {
        self.text(" dss");
        let flags = field::u8(data, 1)?;
        let ack_len = if flags & 2 != 0 { 8 } else { 4 };
        // the mapping: data sequence number, subflow sequence number, length, and maybe a checksum
        let mapping_len = if flags & 8 != 0 { 14 } else { 10 };
        let len = 2
            + if flags & 1 != 0 { ack_len } else { 0 }
            + if flags & 4 != 0 { mapping_len } else { 0 };
        let has_checksum = flags & 4 != 0 && data.len() == len + 2;
        if tcp_flags & SYN != 0 || !(data.len() == len || has_checksum) {
            return Ok(false);
        }
        if flags & 0x10 != 0 {
            self.text(" fin");
        }
        let mut at = 2;
        if flags & 1 != 0 {
            self.mptcp_number(" ack ", data, &mut at, flags & 2 != 0)?;
        }
        if flags & 4 != 0 {
            self.mptcp_number(" seq ", data, &mut at, flags & 8 != 0)?;
            self.labelled(" subseq ", field::u32(data, at)?);
            self.labelled(" len ", field::u16(data, at + 4)?);
            if has_checksum {
                self.hex(" csum 0x", field::u16(data, at + 6)?, 1);
            }
        }
        Ok(true)
    }

    /// A number of 4 or 8 bytes.
    fn mptcp_number(&mut self, label: &str, data: &[u8], at: &mut usize, is_long: bool) -> Printed {
        let number = if is_long { long(data, *at)? } else { field::u32(data, *at)?.into() };
        self.labelled(label, number);
        *at += if is_long { 8 } else { 4 };
        Ok(())
    }

    fn mptcp_add_address(&mut self, data: &[u8]) -> Result<bool, Cut> {
        self.text(" add-addr");
        let [first, id] = field::array(data, 0)?;
        let len = data.len() + 2;
        let address_len = match len {
            8 | 10 | 16 | 18 => 4,
            20 | 22 | 28 | 30 => 16,
            _ => return Ok(false),
        };
        // version 0 says which IP, version 1 whether it is an echo
        self.text(match first & 15 {
            0 => " v1",
            1 => " v1-echo",
            4 => " v0-ip4",
            6 => " v0-ip6",
            _ => " [bad version/echo]",
        });
        self.labelled(" id ", id);
        self.byte(b' ');
        self.address(field::slice(data, 2, address_len)?);
        // a port, a message authentication code, or both
        let mut at = 2 + address_len;
        if matches!(data.len() - at, 2 | 10) {
            self.labelled(":", field::u16(data, at)?);
            at += 2;
        }
        if data.len() - at == 8 {
            self.hex_long(" hmac 0x", long(data, at)?);
        }
        Ok(true)
    }
}

/// The 64-bit number at `at`.
fn long(bytes: &[u8], at: usize) -> Result<u64, Cut> {
    field::array(bytes, at).map(u64::from_be_bytes)
}
