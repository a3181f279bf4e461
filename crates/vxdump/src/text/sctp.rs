//! SCTP packets (RFC 9260).

use super::field::{self, Cut, Printed};
use super::ip::Ip;
use super::{Line, put};

/// Bytes of the common header.
const HEADER: usize = 12;
/// Bytes of a chunk's type, flags and length.
const CHUNK_HEADER: usize = 4;

impl Line<'_> {
    /// An SCTP packet. `length`: on the wire.
    pub(super) fn sctp(&mut self, ip: &Ip<'_>, bytes: &[u8], length: usize) -> Printed {
        self.layer = "SCTP";
        if length < HEADER {
            self.sized("truncated-sctp - ", HEADER - length);
            self.text(" bytes missing!");
            return Ok(());
        }
        let ports = (field::u16(bytes, 0), field::u16(bytes, 2));
        let (Ok(source_port), Ok(destination_port), Ok(_)) =
            (ports.0, ports.1, field::slice(bytes, 0, HEADER))
        else {
            return Err(Cut { needed: HEADER, available: bytes.len() });
        };
        self.address(ip.source);
        self.labelled(".", source_port);
        self.text(" > ");
        self.address(ip.destination);
        self.labelled(".", destination_port);
        self.text(": sctp");
        let mut at = HEADER;
        let mut number = 0u32;
        while at < length {
            number += 1;
            let separator = match number {
                _ if self.options.verbose > 1 => "\n\t",
                1 => " (",
                _ => ", (",
            };
            if length - at < CHUNK_HEADER {
                self.labelled(separator, number);
                self.text(") [chunk descriptor cut off at end of packet]");
                return Ok(());
            }
            let [kind, flags, l1, l2] = field::array(bytes, at)?;
            let said = usize::from(u16::from_be_bytes([l1, l2]));
            if said < CHUNK_HEADER {
                self.labelled(separator, number);
                self.sized(") [Bad chunk length ", said);
                self.text(", < size of chunk descriptor]");
                return Ok(());
            }
            let chunk = field::slice(bytes, at, said)?;
            self.labelled(separator, number);
            self.text(") [");
            match chunk_name(kind) {
                Some(name) => self.text(name),
                None => self.hex("Unknown chunk type: 0x", kind, 1),
            }
            self.text("] ");
            if !self.sctp_chunk(kind, flags, chunk)? {
                self.sized("bogus chunk length ", said);
                self.byte(b']');
                return Ok(());
            }
            at += said.next_multiple_of(4);
        }
        Ok(())
    }

    /// What is told of a chunk; `false` where it is too short for its type.
    fn sctp_chunk(&mut self, kind: u8, flags: u8, chunk: &[u8]) -> Result<bool, Cut> {
        match kind {
            0 => return self.sctp_data(flags, chunk),
            1 | 2 => {
                if chunk.len() < 20 {
                    return Ok(false);
                }
                self.labelled("[init tag: ", field::u32(chunk, 4)?);
                self.labelled("] [rwnd: ", field::u32(chunk, 8)?);
                self.labelled("] [OS: ", field::u16(chunk, 12)?);
                self.labelled("] [MIS: ", field::u16(chunk, 14)?);
                self.labelled("] [init TSN: ", field::u32(chunk, 16)?);
                self.text("] ");
            }
            3 => return self.sctp_sack(chunk),
            _ => {}
        }
        Ok(true)
    }

    fn sctp_data(&mut self, flags: u8, chunk: &[u8]) -> Result<bool, Cut> {
        for (bit, letter) in [(4, "(U)"), (2, "(B)"), (1, "(E)")] {
            if flags & bit != 0 {
                self.text(letter);
            }
        }
        if flags & 7 != 0 {
            self.byte(b' ');
        }
        if chunk.len() < 16 {
            return Ok(false);
        }
        let protocol = field::u32(chunk, 12)?;
        self.labelled("[TSN: ", field::u32(chunk, 4)?);
        self.labelled("] [SID: ", field::u16(chunk, 8)?);
        self.labelled("] [SSEQ ", field::u16(chunk, 10)?);
        match payload_protocol(protocol) {
            Some(name) => {
                self.text("] [PPID ");
                self.text(name);
            }
            None => self.hex("] [PPID 0x", protocol, 1),
        }
        self.text("] ");
        if chunk.len() == 16 {
            return Ok(false);
        }
        if self.options.verbose > 1 {
            self.text("[Payload:");
            super::hex::hexadecimal(self.out, field::rest(chunk, 16));
            self.byte(b']');
        }
        Ok(true)
    }

    fn sctp_sack(&mut self, chunk: &[u8]) -> Result<bool, Cut> {
        if chunk.len() < 16 {
            return Ok(false);
        }
        let cumulative = field::u32(chunk, 4)?;
        let (gaps, duplicates) = (field::u16(chunk, 12)?, field::u16(chunk, 14)?);
        self.labelled("[cum ack ", cumulative);
        self.labelled("] [a_rwnd ", field::u32(chunk, 8)?);
        self.labelled("] [#gap acks ", gaps);
        self.labelled("] [#dup tsns ", duplicates);
        self.text("] ");
        let mut blocks = field::rest(chunk, 16).chunks(4);
        for (number, block) in (1u32..).zip(blocks.by_ref().take(gaps.into())) {
            let (Ok(start), Ok(end)) = (field::u16(block, 0), field::u16(block, 2)) else {
                return Ok(false);
            };
            self.labelled("\n\t\t[gap ack block #", number);
            self.labelled(": start = ", cumulative.wrapping_add(start.into()));
            self.labelled(", end = ", cumulative.wrapping_add(end.into()));
            self.text("] ");
        }
        for (number, duplicate) in (1u32..).zip(blocks.take(duplicates.into())) {
            let Ok(duplicate) = field::u32(duplicate, 0) else { return Ok(false) };
            self.labelled("\n\t\t[dup TSN #", number);
            self.labelled(": ", duplicate);
            self.text("] ");
        }
        Ok(true)
    }

    /// Text from the network, made harmless.
    pub(super) fn harmless(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            put::harmless(self.out, byte);
        }
    }
}

/// Names of chunk types (IANA "SCTP Chunk Types").
fn chunk_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "DATA",
        1 => "INIT",
        2 => "INIT ACK",
        3 => "SACK",
        4 => "HB REQ",
        5 => "HB ACK",
        6 => "ABORT",
        7 => "SHUTDOWN",
        8 => "SHUTDOWN ACK",
        9 => "OP ERR",
        10 => "COOKIE ECHO",
        11 => "COOKIE ACK",
        12 => "ECN ECHO",
        13 => "ECN CWR",
        14 => "SHUTDOWN COMPLETE",
        0xa2 => "REL CTRL ACK",
        0xa3 => "REL CTRL",
        0xc0 => "FOR CUM TSN",
        _ => return None,
    })
}

/// Names of payload protocols (IANA "SCTP Payload Protocol Identifiers").
fn payload_protocol(identifier: u32) -> Option<&'static str> {
    Some(match identifier {
        1 => "ISDN Q.921",
        2 => "M2UA",
        3 => "M3UA",
        4 => "SUA",
        5 => "M2PA",
        6 => "V5.2",
        7 => "H.248",
        8 => "BICC",
        9 => "TALI",
        10 => "DUA",
        11 => "ASAP",
        12 => "ENRP",
        13 => "H.323",
        14 => "Q.IPC",
        15 => "SIMCO",
        16 => "DDPSC",
        17 => "DDPSSC",
        18 => "S1AP",
        19 => "RUA",
        20 => "HNBAP",
        21 => "ForCES HP",
        22 => "ForCES MP",
        23 => "ForCES LP",
        24 => "SBc-AP",
        25 => "NBAP",
        27 => "X2AP",
        _ => return None,
    })
}
