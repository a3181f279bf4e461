//! Packets as text, in the form of tcpdump 4.99.
//!
//! [`Printer`] prints what tcpdump prints after the time stamp, [`time::Clock`] the time stamp,
//! [`hex`] the dumps below. Addresses and ports are always numbers, as with `-nn`. Where a packet
//! cannot be decoded further, the reason stands in brackets, in place of tcpdump's `[|tcp]`.

mod arp;
mod carrier;
mod checksum;
mod dns;
mod dns_names;
mod field;
pub mod hex;
mod http;
mod icmp;
mod icmpv6;
mod ip;
mod ipv4;
mod ipv6;
mod ipv6_extensions;
mod link;
mod llc;
mod membership;
mod mptcp;
mod neighbor;
mod sctp;
mod sequence;
mod tcp;
pub mod time;
mod udp;

pub(crate) use link::device_and_direction;

use vxlan::{Cause, Decoder, Headers, Layer};

use crate::out::put;
use field::{Cut, Printed};
use sequence::Sequences;

/// How packets are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The link-layer header too (`-e`).
    pub link_header: bool,
    /// 0 to 3: nothing, `-v`, `-vv`, `-vvv`.
    pub verbose: u8,
    /// Less of each protocol (`-q`).
    pub quiet: bool,
    /// TCP sequence numbers as they stand, not relative to the connection's first ones (`-S`).
    pub absolute_sequence: bool,
}

/// Prints packets, and remembers the first sequence numbers of TCP connections.
pub struct Printer {
    options: Options,
    sequences: Sequences,
    interfaces: Vec<(u32, String)>,
    /// Devices stand before the packets already.
    devices_told: bool,
}

impl Printer {
    /// Prints with `options`.
    pub fn new(options: Options) -> Self {
        Self { options, sequences: Sequences::new(), interfaces: Vec::new(), devices_told: false }
    }

    /// Names for the interface indexes in Linux cooked headers of version 2; without a name `?` is
    /// printed.
    pub fn interface_names(&mut self, names: Vec<(u32, String)>) {
        self.interfaces = names;
    }

    /// Leaves out the device and the direction of Linux cooked headers of version 2: the caller
    /// tells them.
    pub fn devices_are_told(&mut self) {
        self.devices_told = true;
    }

    /// Prints one level of a packet: no time stamp before it, no line end behind it; with `verbose`
    /// it may be several lines.
    ///
    /// `decoder` is the one that decoded `headers`. `vni` is the tunnel that carries this level, if
    /// one does: the same TCP connection in two tunnels is two connections. `link_len` is the
    /// length of this level on the wire in bytes, its link-layer header included.
    pub fn packet(
        &mut self,
        out: &mut Vec<u8>,
        headers: &Headers<'_>,
        decoder: &Decoder,
        vni: Option<u32>,
        link_len: u32,
    ) {
        // a TCP line with all its options has about 200 bytes
        out.reserve(256);
        let bytes = headers.bytes();
        let mut line = Line {
            out,
            options: self.options,
            sequences: &mut self.sequences,
            interfaces: &self.interfaces,
            devices_told: self.devices_told,
            vni,
            layer: "the link layer",
            is_cut: link_len as usize > bytes.len(),
            left: MOST_LEVELS,
        };
        let result = line.level(headers, bytes, (link_len as usize).max(bytes.len()));
        line.end(result, headers, decoder);
    }
}

/// Packets within a packet (IP in IP, GRE, quotes of ICMP errors) that are printed: bounds the work
/// and the stack on hostile frames.
const MOST_LEVELS: u8 = 8;

/// One packet on its way into the output.
struct Line<'p> {
    out: &'p mut Vec<u8>,
    options: Options,
    sequences: &'p mut Sequences,
    interfaces: &'p [(u32, String)],
    devices_told: bool,
    vni: Option<u32>,
    /// what is being printed, for the reason in brackets
    layer: &'static str,
    /// the capture kept less than there was
    is_cut: bool,
    /// levels that may still be entered
    left: u8,
}

impl Line<'_> {
    #[inline]
    fn text(&mut self, text: &str) {
        put::text(self.out, text);
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    #[inline]
    fn number(&mut self, number: impl Into<u64>) {
        put::decimal(self.out, number.into());
    }

    /// Text, then a number: the most common pair.
    #[inline]
    fn labelled(&mut self, label: &str, number: impl Into<u64>) {
        put::text(self.out, label);
        put::decimal(self.out, number.into());
    }

    /// Text, then a length.
    #[inline]
    fn sized(&mut self, label: &str, length: usize) {
        self.labelled(label, length as u64);
    }

    fn hex(&mut self, label: &str, number: impl Into<u32>, width: u32) {
        put::text(self.out, label);
        put::hexadecimal(self.out, number.into(), width);
    }

    /// A number of 64 bits in hexadecimal, without leading zeros.
    fn hex_long(&mut self, label: &str, number: u64) {
        let [upper, lower] = [(number >> 32) as u32, number as u32];
        if upper == 0 {
            self.hex(label, lower, 1);
        } else {
            self.hex(label, upper, 1);
            self.hex("", lower, 8);
        }
    }

    fn named_or(&mut self, name: Option<&str>, label: &str, number: impl Into<u64>) {
        match name {
            Some(name) => self.text(name),
            None => self.labelled(label, number),
        }
    }

    /// Seconds as `1w2d3h4m5s`.
    fn duration(&mut self, seconds: u32) {
        if seconds == 0 {
            return self.text("0s");
        }
        let mut rest = seconds;
        for (unit, letter) in [
            (31_536_000, b'y'),
            (604_800, b'w'),
            (86_400, b'd'),
            (3600, b'h'),
            (60, b'm'),
            (1, b's'),
        ] {
            if rest >= unit {
                self.number(rest / unit);
                self.byte(letter);
                rest %= unit;
            }
        }
    }

    fn verbose(&self) -> bool {
        self.options.verbose > 0
    }

    fn invalid(&mut self) {
        self.text(" (invalid)");
    }

    /// Enters a packet within the packet.
    fn deeper(&mut self, print: impl FnOnce(&mut Self) -> Printed) -> Printed {
        if self.left == 0 {
            self.text("[not decoded: too many packets in one another]");
            return Ok(());
        }
        self.left -= 1;
        print(self)
    }

    /// The reason in brackets, where there is one.
    fn end(&mut self, result: Printed, headers: &Headers<'_>, decoder: &Decoder) {
        if result.is_ok() && self.verbose() {
            self.quoted_tunnel(headers, decoder);
        }
        match (result, headers.stop()) {
            (Err(cut), stop) => match stop.filter(|stop| stop.cause == Cause::Truncated) {
                Some(stop) => self.reason(|out| put::text(out, &stop.to_string())),
                None => self.cut(cut),
            },
            // The packet itself is well as far as it is printed, but not the tunnel that may be in
            // it; or nothing was. Of the other layers all is told.
            (Ok(()), Some(stop))
                if matches!(
                    stop.layer,
                    Layer::Vxlan | Layer::VxlanGpe | Layer::Geneve | Layer::Nsh | Layer::Link
                ) || stop.cause == Cause::TooDeep
                    // (extension headers are printed however many they are)
                    || stop.cause == Cause::TooMany && stop.layer != Layer::Ipv6Extension =>
            {
                self.reason(|out| put::text(out, &stop.to_string()));
            }
            (Ok(()), _) => {}
        }
    }

    /// An ICMP error of the network between the nodes may quote a tunnel packet: with `-v`, the
    /// packet in the tunnel too.
    fn quoted_tunnel(&mut self, headers: &Headers<'_>, decoder: &Decoder) {
        let Some(quoted) = decoder.decode_quote(headers).filter(|quoted| quoted.tunnel.is_some())
        else {
            return;
        };
        self.text("\n\t");
        if let Some(vni) = quoted.tunnel.and_then(vxlan::Tunnel::vni) {
            self.labelled("vni ", vni.number());
            self.byte(b' ');
        }
        let (inner, bytes) = (&quoted.inner, quoted.inner.bytes());
        let absolute = std::mem::replace(&mut self.options.absolute_sequence, true);
        if let Err(cut) = self.level(inner, bytes, bytes.len()) {
            self.cut(cut);
        }
        self.options.absolute_sequence = absolute;
    }

    #[cold]
    fn cut(&mut self, cut: Cut) {
        let (layer, is_cut) = (self.layer, self.is_cut);
        self.reason(|out| {
            if cut == Cut::INVALID {
                put::text(out, "invalid: ");
                return put::text(out, layer);
            }
            put::text(out, "truncated: ");
            put::text(out, layer);
            put::text(out, " needs ");
            put::decimal(out, cut.needed as u64);
            put::text(out, " bytes, ");
            put::decimal(out, cut.available as u64);
            put::text(out, if is_cut { " captured" } else { " in the frame" });
        });
    }

    #[cold]
    fn reason(&mut self, print: impl FnOnce(&mut Vec<u8>)) {
        if !self.out.last().is_none_or(u8::is_ascii_whitespace) {
            self.out.push(b' ');
        }
        self.out.push(b'[');
        print(self.out);
        self.out.push(b']');
    }
}
