//! TCP segments.

use super::Line;
use super::checksum;
use super::field::{self, Printed};
use super::ip::Ip;
use super::sequence::Relative;
use super::udp::{DNS, MULTICAST_DNS};

/// Flag bits in the order in which their letters are printed (RFC 9293 section 3.1).
const FLAGS: [(u8, u8); 8] = [
    (FIN, b'F'),
    (SYN, b'S'),
    (RST, b'R'),
    (0x08, b'P'),
    (ACK, b'.'),
    (URG, b'U'),
    (0x40, b'E'),
    (0x80, b'W'),
];
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;
/// The option of selective acknowledgements (RFC 2018 section 3).
const SACK: u8 = 5;

impl Line<'_> {
    /// A TCP segment. `length`: header and payload on the wire.
    pub(super) fn tcp(&mut self, ip: &Ip<'_>, bytes: &[u8], length: usize) -> Printed {
        self.layer = "TCP";
        let (Ok(source_port), Ok(destination_port)) = (field::u16(bytes, 0), field::u16(bytes, 2))
        else {
            if ip.next == 6 {
                self.addresses(ip);
            }
            return Err(field::Cut { needed: 20, available: bytes.len() });
        };
        self.ends(ip, 6, source_port, destination_port);
        let Some(fixed) = bytes.first_chunk::<20>() else {
            return Err(field::Cut { needed: 20, available: bytes.len() });
        };
        let header_len = usize::from(fixed[12] >> 4) * 4;
        if header_len < 20 {
            self.sized(" tcp ", length.saturating_sub(header_len));
            self.sized(" [bad hdr length ", header_len);
            self.text(" - too short, < 20]");
            return Ok(());
        }
        if self.options.quiet {
            self.sized("tcp ", length.saturating_sub(header_len));
            if header_len > length {
                self.tcp_header_too_long(header_len, length);
            }
            return Ok(());
        }
        let flags = fixed[13];
        self.text("Flags [");
        let before = self.out.len();
        for (bit, letter) in FLAGS {
            if flags & bit != 0 {
                self.out.push(letter);
            }
        }
        if self.out.len() == before {
            self.text("none");
        }
        self.byte(b']');
        let mut numbers = Relative {
            sequence: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            acknowledgement: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            base: 0,
        };
        let is_relative = !self.options.absolute_sequence && flags & ACK != 0;
        if let Some(ends) = ip.ends().filter(|_| is_relative) {
            numbers = self.sequences.relative(
                ends,
                (source_port, destination_port),
                self.vni,
                flags & SYN != 0,
                (numbers.sequence, numbers.acknowledgement),
            );
        }
        if header_len > length {
            self.tcp_header_too_long(header_len, length);
            return Ok(());
        }
        if self.verbose() && !ip.fragmented {
            self.tcp_checksum(ip, bytes, length);
        }
        let payload_len = length - header_len;
        if self.options.verbose > 1 || payload_len > 0 || flags & (SYN | FIN | RST) != 0 {
            self.labelled(", seq ", numbers.sequence);
            if payload_len > 0 {
                self.labelled(":", numbers.sequence.wrapping_add(payload_len as u32));
            }
        }
        if flags & ACK != 0 {
            self.labelled(", ack ", numbers.acknowledgement);
        }
        self.labelled(", win ", u16::from_be_bytes([fixed[14], fixed[15]]));
        if flags & URG != 0 {
            self.labelled(", urg ", u16::from_be_bytes([fixed[18], fixed[19]]));
        }
        if header_len > 20 && !self.tcp_options(bytes, header_len, flags, numbers.base)? {
            return Ok(());
        }
        self.sized(", length ", payload_len);
        if payload_len == 0 {
            return Ok(());
        }
        let is_port = |port| source_port == port || destination_port == port;
        let payload = field::rest(bytes, header_len);
        if flags & RST != 0 && self.verbose() {
            self.reset_data(payload, payload_len);
            Ok(())
        } else if is_port(80) || is_port(8080) {
            self.text(": ");
            self.http(payload, payload_len)
        } else if is_port(DNS) || is_port(MULTICAST_DNS) {
            self.dns_over_tcp(payload, payload_len)
        } else {
            Ok(())
        }
    }

    /// What the sender of a reset had to say (RFC 9293 section 3.5.2).
    fn reset_data(&mut self, payload: &[u8], length: usize) {
        /// More is only counted.
        const MOST: usize = 30;
        self.text(if payload.len() < length { " [!RST" } else { " [RST" });
        if length > MOST {
            self.byte(b'+');
        }
        self.byte(b' ');
        self.harmless(field::at_most(payload, length.min(MOST)));
        self.byte(b']');
    }

    fn tcp_header_too_long(&mut self, header_len: usize, length: usize) {
        self.sized(" [bad hdr length ", header_len);
        self.sized(" - too long, > ", length);
        self.byte(b']');
    }

    fn tcp_checksum(&mut self, ip: &Ip<'_>, bytes: &[u8], length: usize) {
        let (Some(segment), Ok(field)) = (bytes.get(..length), field::u16(bytes, 16)) else {
            return;
        };
        self.hex(", cksum 0x", field, 4);
        let left_over = checksum::left_over_with_pseudo_header(ip, 6, segment);
        if left_over == 0 {
            self.text(" (correct)");
        } else {
            self.hex(" (incorrect -> 0x", checksum::expected(field, left_over), 4);
            self.byte(b')');
        }
    }

    /// The options in brackets; `false` where one is broken: nothing is printed behind it.
    fn tcp_options(
        &mut self,
        bytes: &[u8],
        header_len: usize,
        flags: u8,
        base: u32,
    ) -> Result<bool, field::Cut> {
        self.text(", options [");
        let bytes = field::at_most(bytes, header_len);
        let mut at = 20;
        while at < header_len {
            if at > 20 {
                self.byte(b',');
            }
            let kind = field::u8(bytes, at)?;
            let len = match kind {
                0 | 1 => 1,
                _ => usize::from(field::u8(bytes, at + 1)?),
            };
            if len == 0 || len > header_len - at || (len == 1 && kind > 1) {
                return Ok(self.tcp_bad_option(at == 20));
            }
            let name = tcp_option_name(kind);
            self.named_or(name, "unknown-", kind);
            let data_len = len.saturating_sub(2);
            // what is not there of a known option is not there in the header
            let needed = match kind {
                2 | 20 | 28 => 2,
                3 => 1,
                6 | 7 | 11 | 12 | 13 => 4,
                8 => 8,
                19 => 16,
                0 | 1 | 4 => 0,
                _ => data_len,
            };
            let start = at + len.min(2);
            if start + needed > header_len {
                return Ok(self.tcp_bad_option(at == 20));
            }
            if kind == SACK {
                // as many blocks as were captured
                self.tcp_sack(field::rest(bytes, start), needed, base)?;
                at += len;
                continue;
            }
            let data = field::slice(bytes, start, needed)?;
            if !self.tcp_option(kind, data, flags)? {
                return Ok(self.tcp_bad_option(at == 20));
            }
            if needed + len.min(2) != len {
                self.sized("[len ", len);
                self.byte(b']');
            }
            at += needed + len.min(2);
            if kind == 0 {
                break;
            }
        }
        self.byte(b']');
        Ok(true)
    }

    fn tcp_bad_option(&mut self, is_first: bool) -> bool {
        self.text(if is_first { "[bad opt]" } else { "[bad opt]]" });
        false
    }

    /// Selective acknowledgements: blocks of `len` bytes in all, as far as they were captured.
    fn tcp_sack(&mut self, blocks: &[u8], len: usize, base: u32) -> Printed {
        if !len.is_multiple_of(8) {
            self.text(" invalid sack");
            return Ok(());
        }
        self.sized(" ", len / 8);
        self.byte(b' ');
        for at in (0..len).step_by(8) {
            let [left, right] = [field::u32(blocks, at)?, field::u32(blocks, at + 4)?];
            self.labelled("{", left.wrapping_sub(base));
            self.labelled(":", right.wrapping_sub(base));
            self.byte(b'}');
        }
        Ok(())
    }

    /// The data of one option; `false` where it makes no sense.
    fn tcp_option(&mut self, kind: u8, data: &[u8], flags: u8) -> Result<bool, field::Cut> {
        match kind {
            0 | 1 | 4 => {}
            2 => self.labelled(" ", field::u16(data, 0)?),
            3 => self.labelled(" ", field::u8(data, 0)?),
            6 | 7 | 11 | 12 | 13 => self.labelled(" ", field::u32(data, 0)?),
            8 => {
                self.labelled(" val ", field::u32(data, 0)?);
                self.labelled(" ecr ", field::u32(data, 4)?);
            }
            // TCP MD5 signature (RFC 2385)
            19 => {
                self.text(" shared secret not supplied with -M, can't check - ");
                crate::out::put::hex_bytes(self.out, data);
            }
            // SCPS capabilities
            20 => {
                let [capabilities, connection] = field::array(data, 0)?;
                self.hex(" cap ", capabilities, 2);
                self.labelled(" id ", connection);
            }
            // user timeout (RFC 5482): the first bit says minutes; tcpdump takes the last one, and
            // so is this
            28 => {
                let timeout = field::u16(data, 0)?;
                self.hex(" 0x", timeout, 1);
                let seconds = u32::from(timeout >> 1);
                self.labelled(" ", if timeout & 1 == 0 { seconds } else { seconds * 60 });
            }
            // authentication (RFC 5925)
            29 => match data {
                [key, next_key, mac @ ..] => {
                    self.labelled(" keyid ", *key);
                    self.labelled(" rnextkeyid ", *next_key);
                    if !mac.is_empty() {
                        self.text(" mac 0x");
                        crate::out::put::hex_bytes(self.out, mac);
                    }
                }
                _ => self.invalid(),
            },
            // what is not there of it is not there in the option
            30 => return Ok(self.mptcp(data, flags).unwrap_or(false)),
            34 => {
                self.byte(b' ');
                self.tcp_fast_open(data, " ");
            }
            // shared by experiments, the first two bytes tell which (RFC 6994)
            254 => match data {
                [0xf9, 0x89, cookie @ ..] => {
                    self.text("-tfo");
                    self.tcp_fast_open(cookie, " ");
                }
                [a, b, ..] => {
                    self.byte(b'-');
                    crate::out::put::hex_bytes(self.out, &[*a, *b]);
                }
                _ => return Ok(false),
            },
            _ => {
                if !data.is_empty() {
                    self.text(" 0x");
                    crate::out::put::hex_bytes(self.out, data);
                }
            }
        }
        Ok(true)
    }
}

impl Line<'_> {
    /// A fast open cookie (RFC 7413 section 4.1.1).
    fn tcp_fast_open(&mut self, cookie: &[u8], blank: &str) {
        if cookie.is_empty() {
            self.text(blank);
            self.text("cookiereq");
        } else if !cookie.len().is_multiple_of(2) || !(4..=16).contains(&cookie.len()) {
            self.invalid();
        } else {
            self.text(blank);
            self.text("cookie ");
            crate::out::put::hex_bytes(self.out, cookie);
        }
    }
}

/// Names of TCP options (IANA "TCP Option Kind Numbers").
fn tcp_option_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "eol",
        1 => "nop",
        2 => "mss",
        3 => "wscale",
        4 => "sackOK",
        5 => "sack",
        6 => "echo",
        7 => "echoreply",
        8 => "TS",
        11 => "cc",
        12 => "ccnew",
        // tcpdump has no name for it
        13 => "",
        19 => "md5",
        20 => "scps",
        28 => "uto",
        29 => "tcp-ao",
        30 => "mptcp",
        34 => "tfo",
        254 => "exp",
        _ => return None,
    })
}
