//! TCP sequence analysis: what was sent again, what came late, what only asked whether anybody is
//! there.

use vxlan::TcpFlags;

use crate::digest::{Digest, Tcp};
use crate::repeats::SOON as SOON_NANOS;

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    /// bytes of payload on the wire
    pub(crate) len: u32,
    pub(crate) window: u16,
    pub(crate) flags: TcpFlags,
    pub(crate) ip_id: u16,
    pub(crate) ttl: u8,
    /// microseconds since some moment, wrapping
    pub(crate) when: u32,
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// New, or a bare acknowledgement.
    Fresh,
    Retransmission,
    OutOfOrder,
    KeepAlive,
    ZeroWindowProbe,
    /// The same packet captured once more.
    Copy,
}

/// What is remembered of the segments of one direction, at the capture point where it was first
/// seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Direction {
    /// behind the highest sequence number seen
    pub(crate) next: u32,
    /// highest acknowledgement number sent
    pub(crate) ack: u32,
    /// when `next` last grew
    when: u32,
    /// of the segment that was sent last
    ip_id: u16,
    window: u16,
    /// all flags that were seen
    pub(crate) flags: TcpFlags,
    /// of the segment by which `next` last grew
    ttl: u8,
    bits: u8,
}

/// `next` is known.
const SEQ_KNOWN: u8 = 1;
/// `ip_id` is known.
const ID_KNOWN: u8 = 1 << 1;
/// IP identifications grew in small steps at least once …
const ID_STEPS: u8 = 1 << 2;
/// … and once did not.
const ID_BROKEN: u8 = 1 << 3;
/// Bytes before `next` were never seen.
const HOLE: u8 = 1 << 4;
/// `ack` and `window` are known.
const ACK_KNOWN: u8 = 1 << 5;
/// Two bits that count duplicate acknowledgements, up to 3.
const DUPLICATES: u32 = 6;

/// The largest step of IP identifications that counts as one sender's counter. Linux
/// (`ip_select_ident_segs`) counts one a segment of a super-packet, of which 64 KiB hold 45 at the
/// usual size; packets that were not captured leave gaps.
const MAX_ID_STEP: u16 = 1024;

/// How long after its packet a copy comes, in microseconds.
const SOON: u32 = (SOON_NANOS / 1_000) as u32;

/// Control flags that make a segment neither a keep-alive nor a probe.
const CONTROL: u16 = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;

impl Direction {
    const fn has(self, bit: u8) -> bool {
        self.bits & bit != 0
    }

    pub(crate) const fn is_known(self) -> bool {
        self.has(SEQ_KNOWN)
    }

    pub(crate) const fn ack_known(self) -> bool {
        self.has(ACK_KNOWN)
    }

    /// Takes a segment in; `peer` is the other direction. Within `reorder()` microseconds of newer
    /// segments an older one is taken to be late rather than sent again, where nothing better
    /// tells.
    #[inline]
    pub(crate) fn take(
        &mut self,
        segment: &Segment,
        peer: &Self,
        reorder: impl FnOnce() -> u32,
    ) -> Verdict {
        let control = segment.flags.0 & CONTROL;
        let verdict = if control & TcpFlags::RST != 0 {
            // resets carry any sequence number
            return Verdict::Fresh;
        } else if !self.has(SEQ_KNOWN) {
            self.bits |= SEQ_KNOWN;
            self.next = segment.seq;
            self.advance(segment);
            Verdict::Fresh
        } else {
            let ahead = distance(self.next, segment.seq);
            if ahead == 0
                && segment.len == 1
                && control == 0
                && peer.has(ACK_KNOWN)
                && peer.window == 0
            {
                self.learn_id(segment);
                Verdict::ZeroWindowProbe
            } else if ahead >= 0 {
                if ahead > 0 {
                    self.bits |= HOLE;
                }
                self.advance(segment);
                Verdict::Fresh
            } else {
                self.old(segment, ahead, peer, reorder)
            }
        };
        if segment.flags.has(TcpFlags::ACK) {
            self.acknowledge(segment);
        }
        verdict
    }

    /// Takes a segment in if it has new bytes, or is a bare acknowledgement, and nothing about it
    /// asks for judgement. What comes is what [`Self::take`] does; `false` for all else, and then
    /// nothing has changed.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a call would hand the segment over in memory
    pub(crate) fn take_usual(&mut self, segment: &Segment) -> bool {
        let ahead = distance(self.next, segment.seq);
        // one byte may be a zero-window probe
        let usual = self.has(SEQ_KNOWN)
            && ahead >= 0
            && segment.len != 1
            && segment.window != 0
            && segment.flags.0 & (CONTROL | TcpFlags::ACK) == TcpFlags::ACK;
        if usual {
            if ahead > 0 {
                self.bits |= HOLE;
            }
            self.advance(segment);
            self.acknowledge(segment);
        }
        usual
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `take_usual`
    fn advance(&mut self, segment: &Segment) {
        self.next = segment.end();
        self.when = segment.when;
        self.ttl = segment.ttl;
        self.learn_id(segment);
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `take_usual`
    fn learn_id(&mut self, segment: &Segment) {
        // Linux answers a SYN with identification 0 before it has a counter
        if segment.flags.has(TcpFlags::SYN | TcpFlags::ACK) {
            return;
        }
        if self.has(ID_KNOWN) {
            match segment.ip_id.wrapping_sub(self.ip_id) {
                0 if segment.ip_id != 0 => {}
                1..=MAX_ID_STEP => self.bits |= ID_STEPS,
                _ => self.bits |= ID_BROKEN,
            }
        }
        self.bits |= ID_KNOWN;
        self.ip_id = segment.ip_id;
    }

    /// A segment that begins before `next`.
    #[cold]
    fn old(
        &mut self,
        segment: &Segment,
        ahead: i32,
        peer: &Self,
        reorder: impl FnOnce() -> u32,
    ) -> Verdict {
        let control = segment.flags.0 & CONTROL;
        if ahead == -1 && segment.len <= 1 && control == 0 {
            return Verdict::KeepAlive;
        }
        let end = segment.end();
        if end == segment.seq {
            return Verdict::Fresh;
        }
        let grows = distance(self.next, end) > 0;
        let verdict = self.judge(segment, peer, reorder());
        if grows {
            self.advance(segment);
        }
        verdict
    }

    fn judge(&mut self, segment: &Segment, peer: &Self, reorder: u32) -> Verdict {
        let step = segment.ip_id.wrapping_sub(self.ip_id).cast_signed();
        // files merged from several hosts' have times that go back
        let since = segment.when.wrapping_sub(self.when).cast_signed().unsigned_abs();
        // What is sent again may have the identification that it had (RFC 1122 section 3.2.1.5),
        // but not so soon. With another TTL it is from another place, perhaps with another clock.
        let is_late = since >= SOON && segment.ttl == self.ttl;
        if self.has(ID_STEPS) && !self.has(ID_BROKEN) && segment.ip_id != 0 {
            // The sender numbers its packets: what it sends again has a number of its own, what is
            // late or captured twice has an older one. This also tells the parts of a super-packet
            // seen beside it.
            return if step > 0 {
                self.ip_id = segment.ip_id;
                Verdict::Retransmission
            } else if is_late {
                Verdict::Retransmission
            } else if self.has(HOLE) && step < 0 {
                Verdict::OutOfOrder
            } else {
                Verdict::Copy
            };
        }
        let same_id = self.has(ID_KNOWN) && segment.ip_id != 0 && step == 0;
        // a SYN waits a second (RFC 6298 section 2); those of Linux that answer have identification
        // 0
        let is_syn = segment.flags.has(TcpFlags::SYN);
        if segment.ttl != self.ttl || !is_late && (same_id || is_syn) {
            return Verdict::Copy;
        }
        // As Wireshark judges (packet-tcp.c, tcp_analyze_sequence_number): acknowledged already, or
        // asked for by duplicate acknowledgements, it was sent again; otherwise the time decides.
        let end = segment.end();
        let acknowledged = peer.has(ACK_KNOWN) && distance(peer.ack, end) <= 0;
        let asked_for = peer.bits >> DUPLICATES >= 2 && segment.seq == peer.ack;
        let soon = segment.when.wrapping_sub(self.when) < reorder;
        if !acknowledged && !asked_for && soon && end != self.next {
            Verdict::OutOfOrder
        } else {
            Verdict::Retransmission
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `take_usual`
    fn acknowledge(&mut self, segment: &Segment) {
        if !self.has(ACK_KNOWN) {
            self.bits |= ACK_KNOWN;
            self.ack = segment.ack;
        } else if segment.ack == self.ack {
            let bare = segment.len == 0 && segment.flags.0 & CONTROL == 0;
            if bare && segment.window == self.window && self.bits >> DUPLICATES < 3 {
                self.bits += 1 << DUPLICATES;
            }
        } else if distance(self.ack, segment.ack) > 0 {
            self.ack = segment.ack;
            self.bits &= (1 << DUPLICATES) - 1;
        }
        self.window = segment.window;
    }
}

/// How far `to` is ahead of `from`, in the sequence space that wraps (RFC 9293 section 3.4).
#[inline]
const fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

impl Segment {
    /// The segment of a packet with this TCP header.
    #[inline]
    pub(crate) fn of<A>(digest: &Digest<A>, Tcp { seq, ack, len, window, flags }: Tcp) -> Self {
        let (flags, when) = (TcpFlags(flags), (digest.time / 1_000).cast_unsigned() as u32);
        Self { seq, ack, len, window, flags, ip_id: digest.ip_id, ttl: digest.ttl, when }
    }

    /// The sequence number behind it; SYN and FIN count (RFC 9293 section 3.4).
    #[inline]
    fn end(&self) -> u32 {
        let flags = self.flags.0;
        let control = u32::from(flags & TcpFlags::SYN != 0) + u32::from(flags & TcpFlags::FIN != 0);
        self.seq.wrapping_add(self.len).wrapping_add(control)
    }

    /// Does it close the window?
    #[inline]
    pub(crate) fn is_zero_window(&self) -> bool {
        self.window == 0 && self.flags.0 & CONTROL == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACK: TcpFlags = TcpFlags(TcpFlags::ACK);

    /// A data segment of 100 bytes with the identification of its turn.
    fn data(seq: u32, ip_id: u16, when: u32) -> Segment {
        Segment { seq, ack: 1, len: 100, window: 500, flags: ACK, ip_id, ttl: 64, when }
    }

    fn take_all(segments: &[Segment]) -> Vec<Verdict> {
        let (mut me, peer) = (Direction::default(), Direction::default());
        segments.iter().map(|segment| me.take(segment, &peer, || 3000)).collect()
    }

    #[test]
    fn numbered_packets_tell_late_from_sent_again() {
        use Verdict::{Copy, Fresh, OutOfOrder, Retransmission};
        // both fill the same hole, at the same time
        assert_eq!(
            take_all(&[data(0, 10, 0), data(100, 11, 1), data(300, 13, 2), data(200, 14, 3)]),
            [Fresh, Fresh, Fresh, Retransmission]
        );
        assert_eq!(
            take_all(&[data(0, 10, 0), data(100, 11, 1), data(300, 13, 2), data(200, 12, 3)]),
            [Fresh, Fresh, Fresh, OutOfOrder]
        );
        // no hole: seen before
        assert_eq!(
            take_all(&[data(0, 10, 0), data(100, 11, 1), data(100, 11, 2), data(0, 10, 3)]),
            [Fresh, Fresh, Copy, Copy]
        );
        // a super-packet of two numbers, and its second half beside it
        let whole = Segment { len: 200, ..data(100, 11, 1) };
        assert_eq!(
            take_all(&[data(0, 10, 0), whole, data(300, 13, 2), data(200, 12, 2)]),
            [Fresh, Fresh, Fresh, Copy]
        );
    }

    #[test]
    fn without_numbers_time_decides() {
        use Verdict::{Copy, Fresh, OutOfOrder, Retransmission};
        assert_eq!(
            take_all(&[data(0, 0, 0), data(200, 0, 10), data(100, 0, 20)]),
            [Fresh, Fresh, OutOfOrder]
        );
        assert_eq!(
            take_all(&[data(0, 0, 0), data(200, 0, 10), data(100, 0, 9000)]),
            [Fresh, Fresh, Retransmission]
        );
        let routed = Segment { ttl: 63, ..data(100, 0, 2) };
        assert_eq!(take_all(&[data(0, 0, 0), data(100, 0, 1), routed]), [Fresh, Fresh, Copy]);
    }

    #[test]
    fn copies_come_soon() {
        use Verdict::{Copy, Fresh, OutOfOrder, Retransmission};
        let late = SOON + 1;
        // sent again with its identification unchanged (RFC 1122 section 3.2.1.5), where others
        // count up and where none do
        assert_eq!(
            take_all(&[data(0, 10, 0), data(100, 11, 1), data(100, 11, SOON), data(0, 10, late)]),
            [Fresh, Fresh, Copy, Retransmission]
        );
        assert_eq!(
            take_all(&[data(0, 10, 0), data(0, 10, 50), data(0, 10, late)]),
            [Fresh, Copy, Retransmission]
        );
        // the one before was lost ahead of the capture point
        let hole = [data(0, 10, 0), data(100, 11, 1), data(300, 13, 2)];
        assert_eq!(
            take_all(&[hole[0], hole[1], hole[2], data(200, 12, SOON)]),
            [Fresh, Fresh, Fresh, OutOfOrder]
        );
        assert_eq!(
            take_all(&[hole[0], hole[1], hole[2], data(200, 12, SOON + 2)]),
            [Fresh, Fresh, Fresh, Retransmission]
        );
        // another host's, whose clock may be another
        let routed = Segment { ttl: 63, ..data(100, 11, 9 * SOON) };
        assert_eq!(take_all(&[data(0, 10, 0), data(100, 11, 1), routed]), [Fresh, Fresh, Copy]);
        // times that go back
        assert_eq!(take_all(&[data(0, 10, 50), data(0, 10, 10)]), [Fresh, Copy]);
    }

    #[test]
    fn synchronised_again_is_not_seen_again() {
        use Verdict::{Copy, Fresh, Retransmission};
        let syn =
            |flags, ip_id, when| Segment { len: 0, flags: TcpFlags(flags), ..data(0, ip_id, when) };
        for flags in [TcpFlags::SYN, TcpFlags::SYN | TcpFlags::ACK] {
            for ip_id in [0, 7] {
                assert_eq!(
                    take_all(&[
                        syn(flags, ip_id, 0),
                        syn(flags, ip_id, 40),
                        syn(flags, ip_id, 1_000_000)
                    ]),
                    [Fresh, Copy, Retransmission]
                );
            }
        }
    }

    #[test]
    fn keep_alives_and_probes_are_no_retransmissions() {
        let mut me = Direction::default();
        let mut peer = Direction::default();
        assert_eq!(me.take(&data(0, 1, 0), &peer, || 3000), Verdict::Fresh);
        for len in [0, 1] {
            let keep_alive = Segment { len, ..data(99, 2, 1_000_000) };
            assert_eq!(me.take(&keep_alive, &peer, || 3000), Verdict::KeepAlive);
        }
        let closed = Segment { len: 0, window: 0, ack: 100, ..data(1, 1, 2) };
        assert!(closed.is_zero_window());
        peer.take(&closed, &me, || 3000);
        let probe = Segment { len: 1, ..data(100, 3, 3_000_000) };
        for _ in 0..3 {
            assert_eq!(me.take(&probe, &peer, || 3000), Verdict::ZeroWindowProbe);
        }
        assert_eq!(me.take(&data(100, 6, 4_000_000), &peer, || 3000), Verdict::Fresh);
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut me = Direction::default();
        let peer = Direction::default();
        let start = u32::MAX - 49;
        assert_eq!(me.take(&data(start, 1, 0), &peer, || 3000), Verdict::Fresh);
        assert_eq!(me.take(&data(50, 2, 1), &peer, || 3000), Verdict::Fresh);
        assert_eq!(me.take(&data(start, 3, 2), &peer, || 3000), Verdict::Retransmission);
    }
}
