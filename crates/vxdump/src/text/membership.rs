//! Multicast membership: IGMP (RFC 2236, 3376) and MLD (RFC 2710, 3810).

use super::checksum;
use super::field::{self, Printed};
use super::{Line, put};

impl Line<'_> {
    /// An IGMP message. `length`: on the wire.
    pub(super) fn igmp(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "IGMP";
        if self.options.quiet {
            self.text("igmp");
            return Ok(());
        }
        let kind = field::u8(bytes, 0)?;
        match kind {
            0x11 if length >= 12 => self.igmp_v3_query(bytes, length)?,
            0x11 => {
                self.text("igmp query");
                match field::u8(bytes, 1)? {
                    0 => self.text(" v1"),
                    // the time that RFC 2236 section 8.3 recommends
                    100 => self.text(" v2"),
                    time => {
                        self.labelled(" v2 [max resp time ", time);
                        self.byte(b']');
                    }
                }
                let group: [u8; 4] = field::array(bytes, 4)?;
                if group != [0; 4] {
                    self.text(" [gaddr ");
                    put::ipv4(self.out, group);
                    self.byte(b']');
                }
                self.igmp_odd_length(length);
            }
            0x12 => {
                self.igmp_group("igmp v1 report ", bytes)?;
                self.igmp_odd_length(length);
            }
            0x16 => self.igmp_group("igmp v2 report ", bytes)?,
            0x17 => self.igmp_group("igmp leave ", bytes)?,
            0x22 => self.igmp_v3_report(bytes, length)?,
            0x13 => self.text("igmp dvmrp"),
            0x14 => self.text("igmp pimv1"),
            _ => self.labelled("igmp-", kind),
        }
        let message = bytes.get(..length).filter(|_| self.verbose() && length >= 4);
        if message.is_some_and(|message| checksum::left_over(message) != 0) {
            self.hex(" bad igmp cksum ", field::u16(bytes, 2)?, 1);
            self.byte(b'!');
        }
        Ok(())
    }

    fn igmp_odd_length(&mut self, length: usize) {
        if length != 8 {
            self.sized(" [len ", length);
            self.byte(b']');
        }
    }

    fn igmp_group(&mut self, label: &str, bytes: &[u8]) -> Printed {
        let group = field::array(bytes, 4)?;
        self.text(label);
        put::ipv4(self.out, group);
        Ok(())
    }

    fn igmp_v3_query(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.text("igmp query v3");
        if length & 3 != 0 {
            self.invalid_length(length);
            return Ok(());
        }
        let code = field::u8(bytes, 1)?;
        if code != 100 {
            // in units of 0.1 s (RFC 3376 section 4.1.1)
            let time = exponential(code.into(), 7);
            self.text(" [max resp time ");
            if time < 600 {
                self.number(time / 10);
                self.labelled(".", time % 10);
                self.byte(b's');
            } else {
                self.duration(time / 10);
            }
            self.byte(b']');
        }
        let group: [u8; 4] = field::array(bytes, 4)?;
        if group == [0; 4] {
            return Ok(());
        }
        self.text(" [gaddr ");
        put::ipv4(self.out, group);
        let count = field::u16(bytes, 10)?;
        self.query_sources(bytes, 12, 4, count, length)
    }

    /// The sources of a query, and the closing bracket.
    fn query_sources(
        &mut self,
        bytes: &[u8],
        at: usize,
        size: usize,
        count: u16,
        length: usize,
    ) -> Printed {
        if count > 0 {
            if length < at + usize::from(count) * size {
                self.text(" [invalid number of sources]");
            } else if self.options.verbose > 1 {
                self.sources(bytes, at, size, count)?;
            } else {
                self.labelled(", ", count);
                self.text(" source(s)");
            }
        }
        self.byte(b']');
        Ok(())
    }

    fn sources(&mut self, bytes: &[u8], at: usize, size: usize, count: u16) -> Printed {
        self.text(" {");
        for source in 0..usize::from(count) {
            let address = field::slice(bytes, at + source * size, size)?;
            self.byte(b' ');
            self.address(address);
        }
        self.text(" }");
        Ok(())
    }

    fn igmp_v3_report(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.text("igmp v3 report");
        if length < 16 || length & 3 != 0 {
            self.invalid_length(length);
            return Ok(());
        }
        self.group_records(bytes, 4, length)
    }

    fn invalid_length(&mut self, length: usize) {
        self.sized(" [invalid len ", length);
        self.byte(b']');
    }

    /// The records of an IGMP report of version 3, or of MLD version 2; `size`: of an address.
    fn group_records(&mut self, bytes: &[u8], size: usize, length: usize) -> Printed {
        let count = field::u16(bytes, 6)?;
        self.labelled(", ", count);
        self.text(" group record(s)");
        if !self.verbose() {
            return Ok(());
        }
        let mut at = 8;
        for _ in 0..count {
            if length < at + 4 + size {
                self.text(" [invalid number of groups]");
                return Ok(());
            }
            let group = field::slice(bytes, at + 4, size)?;
            self.text(" [gaddr ");
            self.address(group);
            let kind = field::u8(bytes, at)?;
            self.byte(b' ');
            match kind {
                1 => self.text("is_in"),
                2 => self.text("is_ex"),
                3 => self.text("to_in"),
                4 => self.text("to_ex"),
                5 => self.text("allow"),
                6 => self.text("block"),
                _ => {
                    self.labelled(if size == 4 { " [v3-report-#" } else { " [v2-report-#" }, kind);
                    self.byte(b']');
                }
            }
            let sources = field::u16(bytes, at + 2)?;
            let sources_len = usize::from(sources) * size;
            if length < at + 4 + size + sources_len {
                self.labelled(" [invalid number of sources ", sources);
                self.byte(b']');
                return Ok(());
            }
            if self.options.verbose == 1 {
                self.labelled(", ", sources);
                self.text(" source(s)");
            } else {
                self.sources(bytes, at + 4 + size, size, sources)?;
            }
            at += 4 + size + sources_len;
            self.byte(b']');
        }
        Ok(())
    }

    /// An MLD message of version 1.
    pub(super) fn mld(&mut self, bytes: &[u8]) -> Printed {
        if bytes.len() < 24 {
            return Ok(());
        }
        self.labelled("max resp delay: ", field::u16(bytes, 4)?);
        self.ipv6_field(" addr: ", bytes, 8)
    }

    /// An MLD query of version 2.
    pub(super) fn mld_v2_query(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.text(" v2");
        let delay = exponential(field::u16(bytes, 4)?.into(), 15);
        if self.verbose() {
            self.labelled(" [max resp delay=", delay);
            self.byte(b']');
        }
        self.ipv6_field(" [gaddr ", bytes, 8)?;
        if self.verbose() {
            let [flags, interval] = field::array(bytes, 24)?;
            if flags & 8 != 0 {
                self.text(" sflag");
            }
            if flags & 7 != 0 {
                self.labelled(" robustness=", flags & 7);
            }
            self.labelled(" qqi=", exponential(interval.into(), 7));
        }
        let count = field::u16(bytes, 26)?;
        self.query_sources(bytes, 28, 16, count, length)
    }

    /// An MLD report of version 2.
    pub(super) fn mld_v2_report(&mut self, bytes: &[u8], length: usize) -> Printed {
        if length < 8 {
            self.invalid_length(length);
            return Ok(());
        }
        self.group_records(bytes, 16, length)
    }
}

/// A code of `bits` bits and one more that says whether it is a floating-point number (RFC 3376
/// section 4.1.1, RFC 3810 section 5.1.3).
fn exponential(code: u32, bits: u32) -> u32 {
    if code < 1 << bits {
        return code;
    }
    let mantissa_bits = bits - 3;
    let mantissa = code & ((1 << mantissa_bits) - 1) | 1 << mantissa_bits;
    mantissa << ((code >> mantissa_bits & 7) + 3)
}
