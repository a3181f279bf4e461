//! DNS messages (RFC 1035), of multicast DNS too (RFC 6762).

use super::dns_names::{dns_option_name, dns_type_name};
use super::field::{self, Cut, Printed};
use super::{Line, put};

/// Bytes of the message header.
const HEADER: usize = 12;
/// The class of the internet.
const IN: u16 = 1;
/// In multicast DNS: an answer by unicast is wanted, or older records are to be dropped (RFC 6762
/// sections 5.4, 10.2).
const TOP_BIT: u16 = 0x8000;
const OPT: u16 = 41;
/// Output of a message is ended here: names are compressed, so that a small message can print as a
/// large one.
const MOST_OUTPUT: usize = 32 * 1024;

/// Codes of the header's flags field as they are printed.
const OPERATIONS: [&str; 16] = [
    "",
    " inv_q",
    " stat",
    " op3",
    " notify",
    " update",
    " op6",
    " op7",
    " op8",
    " updateA",
    " updateD",
    " updateDA",
    " updateM",
    " updateMA",
    " zoneInit",
    " zoneRef",
];
const RESPONSES: [&str; 24] = [
    "",
    " FormErr",
    " ServFail",
    " NXDomain",
    " NotImp",
    " Refused",
    " YXDomain",
    " YXRRSet",
    " NXRRSet",
    " NotAuth",
    " NotZone",
    " Resp11",
    " Resp12",
    " Resp13",
    " Resp14",
    " NoChange",
    " BadVers",
    "Resp17",
    " Resp18",
    " Resp19",
    " Resp20",
    "Resp21",
    " Resp22",
    " BadCookie",
];

/// Where a message is read, and what is known of it.
struct Message<'a> {
    bytes: &'a [u8],
    is_multicast: bool,
    /// where its output began
    output_start: usize,
}

/// The sections behind the questions, with the labels that stand before them.
type Sections<'s> = [(&'s str, u16)];

impl Line<'_> {
    /// A DNS message over TCP: its length, then the message.
    pub(super) fn dns_over_tcp(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "DNS";
        if length < 2 {
            self.sized(" [DNS over TCP: length ", length);
            self.text(" < 2]");
            self.invalid();
            return Ok(());
        }
        let said = field::u16(bytes, 0)?;
        if usize::from(said) != length - 2 {
            self.labelled(" [prefix length(", said);
            self.sized(") != length(", length - 2);
            self.text(")]");
            self.invalid();
            return Ok(());
        }
        self.byte(b' ');
        self.dns(field::rest(bytes, 2), length - 2, false)
    }

    /// A DNS message. `length`: on the wire.
    pub(super) fn dns(&mut self, bytes: &[u8], length: usize, is_multicast: bool) -> Printed {
        self.layer = "DNS";
        if length < HEADER {
            self.sized("domain [length ", length);
            self.text(" < 12]");
            self.invalid();
            return Ok(());
        }
        field::slice(bytes, 0, HEADER)?;
        let message = Message { bytes, is_multicast, output_start: self.out.len() };
        let (id, flags) = (field::u16(bytes, 0)?, field::u16(bytes, 2)?);
        self.number(id);
        self.text(OPERATIONS.get(usize::from(flags >> 11 & 15)).copied().unwrap_or(""));
        if flags & 0x8000 != 0 {
            self.dns_response(&message, flags)?;
        } else {
            self.dns_query(&message, flags)?;
        }
        self.sized(" (", length);
        self.byte(b')');
        Ok(())
    }

    fn dns_response(&mut self, message: &Message<'_>, flags: u16) -> Printed {
        let bytes = message.bytes;
        let counts: [u16; 4] = counts(bytes)?;
        let [questions, answers, authorities, additional] = counts;
        let code = flags & 15 | extended_code(bytes, counts).unwrap_or(0);
        match RESPONSES.get(usize::from(code)) {
            Some(response) => self.text(response),
            None => self.labelled(" Resp", code),
        }
        self.text(if flags & 0x0400 != 0 { "*" } else { "" });
        self.text(if flags & 0x0080 != 0 { "" } else { "-" });
        self.text(if flags & 0x0200 != 0 { "|" } else { "" });
        self.text(if flags & 0x0020 != 0 { "$" } else { "" });
        if questions != 1 {
            self.labelled(" [", questions);
            self.text("q]");
        }
        let mut at = HEADER;
        for question in 0..questions {
            if question > 0 {
                self.byte(b',');
            }
            if self.options.verbose > 1 {
                self.text(" q:");
                at = self.dns_question(message, at)?;
            } else {
                at = skip_name(bytes, at)? + 4;
            }
        }
        self.labelled(" ", answers);
        self.labelled("/", authorities);
        self.labelled("/", additional);
        at = self.dns_records(message, at, &[("", answers)])?;
        if self.options.verbose > 1 {
            self.dns_records(message, at, &[(" ns:", authorities), (" ar:", additional)])?;
        }
        Ok(())
    }

    fn dns_query(&mut self, message: &Message<'_>, flags: u16) -> Printed {
        let [questions, answers, authorities, additional] = counts(message.bytes)?;
        self.text(if flags & 0x0100 != 0 { "+" } else { "" });
        self.text(if flags & 0x0010 != 0 { "%" } else { "" });
        if flags & 0x06cf != 0 {
            self.hex(" [b2&3=0x", flags, 1);
            self.byte(b']');
        }
        let inverse = flags >> 11 & 15 == 1;
        let mut count = |count: u16, expected: u16, label: &str| {
            if count != expected {
                self.labelled(" [", count);
                self.text(label);
            }
        };
        if inverse {
            count(questions, 0, "q]");
            count(answers, 1, "a]");
        } else {
            count(answers, 0, "a]");
            count(questions, 1, "q]");
        }
        count(authorities, 0, "n]");
        count(additional, 0, "au]");
        let mut at = HEADER;
        for question in 0..questions {
            if question > 0 && at >= message.bytes.len() {
                return Err(Cut { needed: at + 5, available: message.bytes.len() });
            }
            at = self.dns_question(message, at)?;
        }
        if self.options.verbose > 1 {
            let sections = [("", answers), (" ns:", authorities), (" ar:", additional)];
            self.dns_records(message, at, &sections)?;
        }
        Ok(())
    }

    fn dns_question(&mut self, message: &Message<'_>, at: usize) -> Result<usize, Cut> {
        let end = skip_name(message.bytes, at)?;
        let (kind, class) = (field::u16(message.bytes, end)?, field::u16(message.bytes, end + 2)?);
        self.byte(b' ');
        self.dns_type(kind);
        self.dns_class(if message.is_multicast { class & !TOP_BIT } else { class });
        if message.is_multicast {
            self.text(if class & TOP_BIT != 0 { " (QU)" } else { " (QM)" });
        }
        self.text("? ");
        Ok(self.dns_name(message, at)? + 4)
    }

    fn dns_records(
        &mut self,
        message: &Message<'_>,
        mut at: usize,
        sections: &Sections<'_>,
    ) -> Result<usize, Cut> {
        for &(label, count) in sections {
            for record in 0..count {
                // an empty rest is an error of the message, not of the capture
                if at >= message.bytes.len() {
                    return Err(Cut { needed: at + 11, available: message.bytes.len() });
                }
                self.text(if record == 0 { label } else { "," });
                at = self.dns_record(message, at)?;
                if self.out.len() - message.output_start > MOST_OUTPUT {
                    self.layer = "the rest of DNS, for its output would be too long";
                    return Err(Cut::INVALID);
                }
            }
        }
        Ok(at)
    }

    fn dns_record(&mut self, message: &Message<'_>, at: usize) -> Result<usize, Cut> {
        let bytes = message.bytes;
        let at = if self.verbose() {
            self.byte(b' ');
            self.dns_name(message, at)?
        } else {
            skip_name(bytes, at)?
        };
        let fixed: [u8; 10] = field::array(bytes, at)?;
        let [t1, t2, c1, c2, ttl @ .., l1, l2] = fixed;
        let (kind, class) = (u16::from_be_bytes([t1, t2]), u16::from_be_bytes([c1, c2]));
        let masked = if message.is_multicast { class & !TOP_BIT } else { class };
        if kind != OPT {
            self.dns_class(masked);
        }
        if message.is_multicast && class & TOP_BIT != 0 {
            self.text(" (Cache flush)");
        }
        if kind != OPT && self.options.verbose > 2 {
            self.text(" [");
            self.duration(u32::from_be_bytes(ttl));
            self.byte(b']');
        }
        self.byte(b' ');
        self.dns_type(kind);
        let start = at + 10;
        let len = usize::from(u16::from_be_bytes([l1, l2]));
        field::slice(bytes, start, len)?;
        let end = start + len;
        if kind == OPT {
            self.labelled(" UDPsize=", masked);
            if ttl[2] & 0x80 != 0 {
                self.text(" DO");
            }
            self.dns_options(message, start, end)?;
        } else {
            self.dns_data(message, kind, start, end)?;
        }
        Ok(end)
    }

    fn dns_data(&mut self, message: &Message<'_>, kind: u16, at: usize, end: usize) -> Printed {
        let bytes = message.bytes;
        match kind {
            // A
            1 => {
                let address = field::array(bytes, at)?;
                self.byte(b' ');
                put::ipv4(self.out, address);
            }
            // AAAA
            28 => {
                let address = field::array(bytes, at)?;
                self.byte(b' ');
                put::ipv6(self.out, address);
            }
            // NS, CNAME, PTR, DNAME
            2 | 5 | 12 | 39 => {
                self.byte(b' ');
                self.dns_name(message, at)?;
            }
            // SOA
            6 if self.verbose() => {
                self.byte(b' ');
                let at = self.dns_name(message, at)?;
                self.byte(b' ');
                let at = self.dns_name(message, at)?;
                for number in 0..5 {
                    self.labelled(" ", field::u32(bytes, at + 4 * number)?);
                }
            }
            // MX
            15 => {
                self.byte(b' ');
                let preference = field::u16(bytes, at)?;
                self.dns_name(message, at + 2)?;
                self.labelled(" ", preference);
            }
            // TXT
            16 => {
                let mut at = at;
                while at < end {
                    self.text(" \"");
                    let len = usize::from(field::u8(bytes, at)?);
                    self.harmless(field::slice(bytes, at + 1, len)?);
                    self.byte(b'"');
                    at += 1 + len;
                }
            }
            // SRV
            33 => {
                let [priority, weight] = [field::u16(bytes, at)?, field::u16(bytes, at + 2)?];
                let port = field::u16(bytes, at + 4)?;
                self.byte(b' ');
                self.dns_name(message, at + 6)?;
                self.labelled(":", port);
                self.labelled(" ", priority);
                self.labelled(" ", weight);
            }
            // URI
            256 => {
                self.labelled(" ", field::u16(bytes, at)?);
                self.labelled(" ", field::u16(bytes, at + 2)?);
                self.byte(b' ');
                self.harmless(bytes.get(at + 4..end).unwrap_or(&[]));
            }
            // TSIG
            250 if self.verbose() => {
                self.byte(b' ');
                let mut at = self.dns_name(message, at)? + 6;
                for label in [" fudge=", " maclen=", " origid=", " error=", " otherlen="] {
                    let number = field::u16(bytes, at)?;
                    self.labelled(label, number);
                    at += 2;
                    if label == " maclen=" {
                        at += usize::from(number);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// EDNS options (RFC 6891 section 6.1.2).
    fn dns_options(&mut self, message: &Message<'_>, start: usize, end: usize) -> Printed {
        if start >= end {
            return Ok(());
        }
        self.text(" [");
        let mut at = start;
        while at < end {
            if at > start {
                self.byte(b',');
            }
            let (code, len) = (field::u16(message.bytes, at)?, field::u16(message.bytes, at + 2)?);
            self.named_or(dns_option_name(code), "Opt", code);
            let data = field::slice(message.bytes, at + 4, usize::from(len))?;
            if !data.is_empty() {
                self.byte(b' ');
                self.dns_option(code, data)?;
            }
            at += 4 + usize::from(len);
        }
        self.byte(b']');
        Ok(())
    }

    fn dns_option(&mut self, code: u16, data: &[u8]) -> Printed {
        match (code, data.len()) {
            // client subnet (RFC 7871)
            (8, _) => self.dns_client_subnet(data),
            // cookie (RFC 7873)
            (10, 8 | 16..=40) => {
                let (client, server) = data.split_at_checked(8).unwrap_or((data, &[]));
                put::hex_bytes(self.out, client);
                if !server.is_empty() {
                    self.byte(b' ');
                    put::hex_bytes(self.out, server);
                }
            }
            // keepalive, in units of 100 ms (RFC 7828)
            (11, 2) => {
                let tenths = field::u16(data, 0)?;
                self.number(tenths / 10);
                self.labelled(".", tenths % 10);
                self.text(" sec");
            }
            // expire (RFC 7314)
            (9, 4) => {
                self.number(field::u32(data, 0)?);
                self.text(" sec");
            }
            // padding (RFC 7830)
            (12, len) => {
                self.sized("(", len);
                self.byte(b')');
            }
            (8..=11, _) => self.invalid(),
            _ => put::hex_bytes(self.out, data),
        }
        Ok(())
    }

    fn dns_client_subnet(&mut self, data: &[u8]) {
        let [0, family, source_len, scope_len, ref prefix @ ..] = *data else {
            return self.invalid();
        };
        let bits = match family {
            1 => 32,
            2 => 128,
            _ => return self.invalid(),
        };
        if source_len > bits
            || scope_len > bits
            || usize::from(source_len).div_ceil(8) != prefix.len()
        {
            return self.invalid();
        }
        let mut address = [0; 16];
        for (to, from) in address.iter_mut().zip(prefix) {
            *to = *from;
        }
        match address {
            [a, b, c, d, ..] if family == 1 => put::ipv4(self.out, [a, b, c, d]),
            _ => put::ipv6(self.out, address),
        }
        self.labelled("/", source_len);
        self.labelled("/", scope_len);
    }

    /// A name, maybe compressed; returns where the message goes on behind it.
    fn dns_name(&mut self, message: &Message<'_>, at: usize) -> Result<usize, Cut> {
        let bytes = message.bytes;
        let mut at = at;
        // where a pointer may point to at most: only backwards, so that names end
        let mut limit = at;
        let mut end = None;
        let mut printed = 0;
        loop {
            let len = field::u8(bytes, at)?;
            match len >> 6 {
                0b11 => {
                    let low = field::u8(bytes, at + 1)?;
                    end.get_or_insert(at + 2);
                    let to = usize::from(len & 0x3f) << 8 | usize::from(low);
                    if to >= limit {
                        self.text("<BAD PTR>");
                        return Err(Cut::INVALID);
                    }
                    limit = to;
                    at = to;
                }
                0 if len == 0 => {
                    if printed == 0 {
                        self.byte(b'.');
                    }
                    if printed > MAX_NAME {
                        self.text("<DOMAIN NAME TOO LONG>");
                    }
                    return Ok(end.unwrap_or(at + 1));
                }
                0 => {
                    let label = field::slice(bytes, at + 1, usize::from(len))?;
                    self.harmless(field::at_most(label, MAX_NAME.saturating_sub(printed)));
                    printed += label.len();
                    if printed <= MAX_NAME {
                        self.byte(b'.');
                    }
                    printed += 1;
                    at += 1 + label.len();
                }
                0b01 => {
                    self.labelled("<ELT ", len & 0x3f);
                    self.byte(b'>');
                    return Err(Cut::INVALID);
                }
                _ => {
                    self.text("<BAD LABEL TYPE>");
                    return Err(Cut::INVALID);
                }
            }
        }
    }

    fn dns_type(&mut self, kind: u16) {
        self.named_or(dns_type_name(kind), "Type", kind);
    }

    fn dns_class(&mut self, class: u16) {
        match class {
            IN => {}
            3 => self.text(" CHAOS"),
            4 => self.text(" HS"),
            255 => self.text(" ANY"),
            _ => {
                self.labelled(" (Class ", class);
                self.byte(b')');
            }
        }
    }
}

/// The longest name in bytes (RFC 1035 section 3.1).
const MAX_NAME: usize = 255;

fn counts(bytes: &[u8]) -> Result<[u16; 4], Cut> {
    let [q1, q2, a1, a2, n1, n2, r1, r2] = field::array(bytes, 4)?;
    Ok([[q1, q2], [a1, a2], [n1, n2], [r1, r2]].map(u16::from_be_bytes))
}

/// Behind a name, without following a pointer.
fn skip_name(bytes: &[u8], mut at: usize) -> Result<usize, Cut> {
    loop {
        let len = field::u8(bytes, at)?;
        at += match len >> 6 {
            0b11 => return Ok(at + 2),
            0 if len == 0 => return Ok(at + 1),
            0 => 1 + usize::from(len),
            _ => return Err(Cut::INVALID),
        };
    }
}

/// The upper bits of the response code, which the OPT record holds (RFC 6891 section 6.1.3).
fn extended_code(
    bytes: &[u8],
    [questions, answers, authorities, additional]: [u16; 4],
) -> Option<u16> {
    let mut at = HEADER;
    for _ in 0..questions {
        at = skip_name(bytes, at).ok()? + 4;
    }
    for record in 0..u32::from(answers) + u32::from(authorities) + u32::from(additional) {
        at = skip_name(bytes, at).ok()?;
        if record >= u32::from(answers) + u32::from(authorities)
            && field::u16(bytes, at).ok()? == OPT
        {
            return field::u8(bytes, at + 4).ok().map(|code| u16::from(code) << 4);
        }
        at += 10 + usize::from(field::u16(bytes, at + 8).ok()?);
    }
    None
}
