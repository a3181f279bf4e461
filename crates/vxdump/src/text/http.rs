//! The first lines of HTTP messages.

use super::field::{self, Printed};
use super::{Line, put};

/// Request methods: those of RFC 9110, `WebDAV` (RFC 4918, 3253) and of some old programs, as
/// tcpdump knows them.
const METHODS: [&[u8]; 38] = [
    b"GET",
    b"PUT",
    b"COPY",
    b"HEAD",
    b"LOCK",
    b"MOVE",
    b"POLL",
    b"POST",
    b"BCOPY",
    b"BMOVE",
    b"MKCOL",
    b"TRACE",
    b"LABEL",
    b"MERGE",
    b"DELETE",
    b"SEARCH",
    b"UNLOCK",
    b"REPORT",
    b"UPDATE",
    b"NOTIFY",
    b"BDELETE",
    b"CONNECT",
    b"OPTIONS",
    b"CHECKIN",
    b"PROPFIND",
    b"CHECKOUT",
    b"CCM_POST",
    b"SUBSCRIBE",
    b"PROPPATCH",
    b"BPROPFIND",
    b"BPROPPATCH",
    b"UNCHECKOUT",
    b"MKACTIVITY",
    b"MKWORKSPACE",
    b"UNSUBSCRIBE",
    b"RPC_CONNECT",
    b"VERSION-CONTROL",
    b"BASELINE-CONTROL",
];
/// The longest word that is looked at.
const LONGEST_WORD: usize = 127;

impl Line<'_> {
    /// The payload of a segment from or to an HTTP port. `length`: on the wire.
    pub(super) fn http(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "HTTP";
        self.text("HTTP");
        if !is_message_start(bytes) {
            return Ok(());
        }
        if !self.verbose() {
            self.text_line(": ", bytes, 0, length)?;
            return Ok(());
        }
        self.sized(", length: ", length);
        let mut at = 0;
        while at < length {
            match self.text_line("\n\t", bytes, at, length)? {
                Some(next) => at = next,
                None => break,
            }
        }
        Ok(())
    }

    /// Prints a line of text and returns where the next one begins; nothing where it is no text.
    fn text_line(
        &mut self,
        prefix: &str,
        bytes: &[u8],
        start: usize,
        length: usize,
    ) -> Result<Option<usize>, field::Cut> {
        let mut at = start;
        let mut next = None;
        while at < length {
            match field::u8(bytes, at)? {
                b'\n' => {
                    next = Some(at + 1);
                    break;
                }
                b'\r' if at + 1 < length && field::u8(bytes, at + 1)? == b'\n' => {
                    next = Some(at + 2);
                    break;
                }
                b' '..=b'~' | b'\t' => at += 1,
                _ => return Ok(None),
            }
        }
        put::text(self.out, prefix);
        self.out.extend_from_slice(bytes.get(start..at).unwrap_or(&[]));
        if next.is_none() {
            self.reason(|out| put::text(out, "truncated: the line goes on in the next segment"));
        }
        Ok(next)
    }
}

/// Does a request line or a status line begin here?
fn is_message_start(bytes: &[u8]) -> bool {
    let Some((first, rest)) = word(bytes) else { return false };
    if METHODS.iter().any(|method| method.eq_ignore_ascii_case(first)) {
        return true;
    }
    matches!(word(rest), Some((&[a, b, c], _)) if [a, b, c].iter().all(u8::is_ascii_digit))
}

/// The first word, and what follows it and the blanks.
fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let looked_at = field::at_most(bytes, LONGEST_WORD + 1);
    // whole chunks first: their bytes are compared side by side
    let is_graphic = |c: &&[u8]| c.iter().fold(true, |all, byte| all & byte.is_ascii_graphic());
    let chunks = looked_at.chunks_exact(16).take_while(is_graphic);
    let behind = field::rest(looked_at, chunks.count() * 16);
    let graphic = behind.iter().take_while(|byte| byte.is_ascii_graphic()).count();
    let len = looked_at.len() - behind.len() + graphic;
    let (word, rest) = bytes.split_at_checked(len)?;
    let ends_well = matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n'));
    if word.is_empty() || len > LONGEST_WORD || !ends_well {
        return None;
    }
    // a tab ends the blanks, for it is no printable character
    let blanks = rest.iter().take_while(|&&byte| byte == b' ').count();
    Some((word, rest.get(blanks..)?))
}
