//! How a connection went, in the words of Zeek's `conn_state`.

use core::fmt;

use vxlan::TcpFlags;

/// How a connection went, as in the column `conn_state` of Zeek's `conn.log` (Zeek:
/// scripts/base/protocols/conn/main.zeek).
///
/// UDP is `S0` with packets of the opener only and `SF` with packets of both ends; all other
/// protocols are `OTH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConnState {
    /// An attempt to connect, no answer.
    S0,
    /// Established, not ended.
    S1,
    /// Established and ended normally.
    SF,
    /// The attempt was rejected: a reset answered the SYN.
    Rej,
    /// Established; the opener has closed, the other end has not.
    S2,
    /// Established; the other end has closed, the opener has not.
    S3,
    /// Established; the opener aborted with a reset.
    Rsto,
    /// The other end aborted with a reset.
    Rstr,
    /// A SYN and then a reset of the opener; the other end's SYN-ACK was not seen.
    RstoS0,
    /// A SYN-ACK and then a reset of the other end; the opener's SYN was not seen.
    Rstrh,
    /// A SYN and then a FIN of the opener; no SYN-ACK was seen.
    Sh,
    /// A SYN-ACK and then a FIN of the other end; no SYN was seen.
    Shr,
    /// No SYN was seen, or the protocol has no connections.
    Oth,
}

impl ConnState {
    /// Zeek's name: `SF`, `RSTOS0`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::S0 => "S0",
            Self::S1 => "S1",
            Self::SF => "SF",
            Self::Rej => "REJ",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::Rsto => "RSTO",
            Self::Rstr => "RSTR",
            Self::RstoS0 => "RSTOS0",
            Self::Rstrh => "RSTRH",
            Self::Sh => "SH",
            Self::Shr => "SHR",
            Self::Oth => "OTH",
        }
    }
}

impl fmt::Display for ConnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one end of a connection has done (Zeek: `TCPSessionAdapter.cc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Endpoint {
    /// Nothing was seen of it.
    Inactive,
    SynSent,
    SynAckSent,
    /// Packets in midstream.
    Partial,
    Established,
    Closed,
    Reset,
}

/// Both ends of a connection, the opener first, and what the state's names need besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    now: [Endpoint; 2],
    /// states before the present ones
    before: [Endpoint; 2],
    /// the end has sent payload
    data: [bool; 2],
    /// the opener has sent an ACK in its state `SynSent`
    opener_acked: bool,
}

/// [`Endpoints`] in the 16 bits that an entry has for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedEndpoints(u16);

impl Endpoint {
    const fn of(bits: u16) -> Self {
        match bits & 7 {
            0 => Self::Inactive,
            1 => Self::SynSent,
            2 => Self::SynAckSent,
            3 => Self::Partial,
            4 => Self::Established,
            5 => Self::Closed,
            _ => Self::Reset,
        }
    }
}

impl PackedEndpoints {
    /// Would a segment without SYN, FIN and RST change nothing?
    #[inline]
    pub(crate) const fn is_settled(self, from_opener: bool, len: u32) -> bool {
        let me = !from_opener as u16;
        // `Partial`, `Established`, `Closed` and `Reset` stand behind the others
        (self.0 >> (3 * me)) & 7 >= Endpoint::Partial as u16
            && (len == 0 || (self.0 >> (12 + me)) & 1 == 1)
    }
}

impl From<Endpoints> for PackedEndpoints {
    #[inline]
    fn from(ends: Endpoints) -> Self {
        let states = [ends.now[0], ends.now[1], ends.before[0], ends.before[1]];
        let states = states.iter().rev().fold(0, |bits, &state| bits << 3 | state as u16);
        let data = u16::from(ends.data[0]) << 12 | u16::from(ends.data[1]) << 13;
        Self(states | data | u16::from(ends.opener_acked) << 14)
    }
}

impl From<PackedEndpoints> for Endpoints {
    #[inline]
    fn from(PackedEndpoints(bits): PackedEndpoints) -> Self {
        Self {
            now: [Endpoint::of(bits), Endpoint::of(bits >> 3)],
            before: [Endpoint::of(bits >> 6), Endpoint::of(bits >> 9)],
            data: [bits & 1 << 12 != 0, bits & 1 << 13 != 0],
            opener_acked: bits & 1 << 14 != 0,
        }
    }
}

impl Endpoints {
    pub(crate) const fn new() -> Self {
        Self {
            now: [Endpoint::Inactive; 2],
            before: [Endpoint::Inactive; 2],
            data: [false; 2],
            opener_acked: false,
        }
    }

    /// The roles turn out to be the other way round.
    pub(crate) fn flip(&mut self) {
        self.now.swap(0, 1);
        self.before.swap(0, 1);
        self.data.swap(0, 1);
    }

    /// Both ends have closed, or one has reset.
    pub(crate) fn is_over(self) -> bool {
        self.now == [Endpoint::Closed; 2] || self.now.contains(&Endpoint::Reset)
    }

    /// One end sent a segment with `len` bytes of payload.
    pub(crate) fn step(&mut self, from_opener: bool, flags: TcpFlags, len: u32) {
        let me = usize::from(!from_opener);
        let peer = 1 - me;
        let has = |flag| flags.has(flag);
        let (syn, ack) = (has(TcpFlags::SYN), has(TcpFlags::ACK));
        let (fin, rst) = (has(TcpFlags::FIN), has(TcpFlags::RST));
        self.data[me] |= len > 0;
        match self.now[me] {
            Endpoint::Inactive => {
                if syn {
                    if from_opener {
                        self.set(me, if ack { Endpoint::SynAckSent } else { Endpoint::SynSent });
                    } else {
                        if self.now[peer] == Endpoint::SynSent {
                            self.set(peer, Endpoint::Established);
                        }
                        self.set(me, Endpoint::Established);
                    }
                }
                if fin {
                    self.set(me, Endpoint::Closed);
                }
                if rst {
                    self.set(me, Endpoint::Reset);
                }
                if self.now[me] == Endpoint::Inactive {
                    if !from_opener && len == 0 && self.now[peer] == Endpoint::SynSent {
                        // some stacks acknowledge a SYN before they answer it
                    } else if ack && self.now[peer] == Endpoint::Established {
                        // only the SYN was missed
                        self.set(me, Endpoint::Established);
                    } else {
                        self.set(me, Endpoint::Partial);
                    }
                }
            }
            Endpoint::SynSent | Endpoint::SynAckSent => {
                self.opener_acked |= from_opener && ack && !rst;
                if rst {
                    self.set(me, Endpoint::Reset);
                } else if fin {
                    self.set(me, Endpoint::Closed);
                }
            }
            Endpoint::Established | Endpoint::Partial => {
                let late_syn = syn && !ack && self.now[peer] == Endpoint::Inactive;
                if late_syn && self.now[me] == Endpoint::Partial {
                    self.set(me, Endpoint::SynSent);
                }
                if rst {
                    self.set(me, Endpoint::Reset);
                } else if fin {
                    self.set(me, Endpoint::Closed);
                    if self.now[peer] == Endpoint::Reset && self.before[peer] == Endpoint::Closed {
                        // a FIN followed by a reset, and now our FIN: a normal end
                        self.set(peer, Endpoint::Closed);
                    }
                }
            }
            Endpoint::Closed => {
                if rst && self.now[peer] != Endpoint::Closed {
                    self.set(me, Endpoint::Reset);
                }
            }
            Endpoint::Reset => {}
        }
    }

    fn set(&mut self, end: usize, state: Endpoint) {
        self.before[end] = self.now[end];
        self.now[end] = state;
    }

    /// The name of it all.
    pub(crate) fn conn_state(self) -> ConnState {
        use Endpoint::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};

        let [opener, other] = self.now;
        let absent = |end| matches!(end, Inactive | Partial);
        match (opener, other) {
            (SynSent | SynAckSent, Reset) => ConnState::Rej,
            (Reset, Reset) if self.data == [false; 2] => ConnState::Rej,
            (Inactive | Partial, Reset) => ConnState::Rstrh,
            (_, Reset) => ConnState::Rstr,
            (Reset, other) if absent(other) => {
                if self.before[0] == SynSent && !self.opener_acked {
                    ConnState::RstoS0
                } else {
                    ConnState::Oth
                }
            }
            (Reset, _) => ConnState::Rsto,
            (Closed, Closed) => ConnState::SF,
            (Closed, other) => {
                if absent(other) {
                    ConnState::Sh
                } else {
                    ConnState::S2
                }
            }
            (opener, Closed) => {
                if absent(opener) {
                    ConnState::Shr
                } else {
                    ConnState::S3
                }
            }
            (SynSent, Inactive) => ConnState::S0,
            (Established, Established) => ConnState::S1,
            _ => ConnState::Oth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a connection: upper case is the opener, lower case the other end; s SYN, h SYN-ACK, a
    /// ACK, d data, f FIN, r reset. The letters of Zeek's `history`.
    fn play(history: &str) -> ConnState {
        let mut ends = PackedEndpoints::from(Endpoints::new());
        for letter in history.chars() {
            let (flags, len) = match letter.to_ascii_lowercase() {
                's' => (TcpFlags::SYN, 0),
                'h' => (TcpFlags::SYN | TcpFlags::ACK, 0),
                'a' => (TcpFlags::ACK, 0),
                'd' => (TcpFlags::ACK | TcpFlags::PSH, 10),
                'f' => (TcpFlags::FIN | TcpFlags::ACK, 0),
                'r' => (TcpFlags::RST, 0),
                'q' => (TcpFlags::RST | TcpFlags::ACK, 0),
                other => panic!("{other}"),
            };
            let mut state = Endpoints::from(ends);
            state.step(letter.is_ascii_uppercase(), TcpFlags(flags), len);
            ends = state.into();
        }
        Endpoints::from(ends).conn_state()
    }

    #[test]
    fn every_state_by_its_shortest_ways() {
        for (history, name) in [
            ("S", "S0"),
            ("SSS", "S0"),
            ("Sa", "S0"),
            ("Sh", "S1"),
            ("ShA", "S1"),
            ("ShADd", "S1"),
            ("ShADFaf", "SF"),
            ("ShADdfFa", "SF"),
            ("ShADdfFR", "SF"),
            ("ShADadFRf", "SF"),
            ("Sr", "REJ"),
            ("Sq", "REJ"),
            ("ShADF", "S2"),
            ("ShADFa", "S2"),
            ("ShADf", "S3"),
            ("ShADR", "RSTO"),
            ("ShADdfR", "RSTO"),
            ("ShADr", "RSTR"),
            ("ShADFr", "RSTR"),
            ("SR", "RSTOS0"),
            ("SSR", "RSTOS0"),
            ("SQ", "RSTOS0"),
            ("SAR", "OTH"),
            ("hr", "RSTRH"),
            ("hf", "SHR"),
            ("SF", "SH"),
            ("D", "OTH"),
            ("Dd", "OTH"),
            ("DdA", "OTH"),
            ("hA", "S1"),
            ("R", "OTH"),
        ] {
            assert_eq!(play(history).name(), name, "{history}");
        }
    }
}
