//! Decisions on fragments of the underlay.

use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;

use crate::ip_protocol::IpProtocol;
use crate::packet::Packet;

/// How long a decision holds, in nanoseconds: as long as a reassembler waits
/// (Linux: `net.ipv4.ipfrag_time`, 30 seconds).
const HOLDS: i64 = 30_000_000_000;
/// How many decisions are kept before the oldest are forgotten: as many as there are values of
/// IPv4's identification. With small decisions they take some 10 MB.
const MOST: usize = 1 << 16;

/// Gives later outer fragments the decision that was made for their first fragment.
///
/// A tunnel packet that is too long for the underlay travels in several fragments. Only the first
/// one has the tunnel header and the inner headers, so only for the first one can be decided
/// whether a packet of this network or that pod is wanted. The later fragments carry no tunnel
/// header, so they inherit the decision made for their first fragment.
///
/// ```
/// use core::convert::Infallible;
/// use vxlan::{LinkType, OuterFragments};
///
/// // two fragments of one IPv4 packet of UDP: equal but for flags and offset
/// let mut first = [0; 28];
/// first[..20].copy_from_slice(&[
///     0x45, 0, 0, 28, 0, 7, 0x20, 0, 64, 17, 0, 0, 172, 18, 0, 3, 172, 18, 0, 4,
/// ]);
/// let mut second = first;
/// second[6..8].copy_from_slice(&[0x00, 0x01]);
///
/// let mut fragments = OuterFragments::default();
/// let mut decide = |frame: &[u8], itself: bool| {
///     let packet = vxlan::decode(frame, LinkType::RAW);
///     fragments.follow(&packet, 0, 0, || Ok::<_, Infallible>(itself)).unwrap()
/// };
/// assert!(decide(&first, true));
/// assert!(decide(&second, false)); // inherited: the closure is not called
/// ```
///
/// A decision holds for 30 seconds of the packets' times. At most 65,536 decisions are kept; then
/// the oldest are forgotten.
#[derive(Debug)]
pub struct OuterFragments<T> {
    decisions: BTreeMap<Datagram, Decision<T>>,
    /// number, time and datagram of each decision, the oldest first
    ages: VecDeque<(u64, i64, Datagram)>,
    /// how many decisions were made so far
    count: u64,
    unfollowed: u64,
}

#[derive(Debug)]
struct Decision<T> {
    /// tells it apart from another decision on the same datagram at the same time
    number: u64,
    time: i64,
    value: T,
}

/// What all fragments of a datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5).
/// The protocol is UDP, as in all tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    /// copies at other capture points have decisions of their own
    point: u64,
    source: IpAddr,
    destination: IpAddr,
    id: u32,
}

impl<T> Default for OuterFragments<T> {
    fn default() -> Self {
        Self { decisions: BTreeMap::new(), ages: VecDeque::new(), count: 0, unfollowed: 0 }
    }
}

impl<T: Clone> OuterFragments<T> {
    /// The decision on a packet: for a later fragment the one on its first fragment, for every
    /// other packet what `decide` says.
    ///
    /// `point` tells apart the interfaces and files in which packets were captured. `now` is the
    /// packet's time in nanoseconds.
    ///
    /// # Errors
    ///
    /// Those of `decide`.
    #[inline]
    pub fn follow<E>(
        &mut self,
        packet: &Packet<'_>,
        point: u64,
        now: i64,
        decide: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(fragment) = packet.outer.fragment() else { return decide() };
        let Some(datagram) = Datagram::of(packet, point, fragment.id) else { return decide() };
        if fragment.is_first() {
            let decision = decide()?;
            self.remember(datagram, now, decision.clone());
            return Ok(decision);
        }
        match self.decisions.get(&datagram) {
            Some(known) if now.saturating_sub(known.time) <= HOLDS => Ok(known.value.clone()),
            _ => {
                self.unfollowed += 1;
                decide()
            }
        }
    }

    #[cold]
    fn remember(&mut self, datagram: Datagram, now: i64, value: T) {
        while let Some(&(number, then, oldest)) = self.ages.front()
            && (now.saturating_sub(then) > HOLDS || self.ages.len() >= MOST)
        {
            self.ages.pop_front();
            // the same identification may have come again since
            if self.decisions.get(&oldest).is_some_and(|latest| latest.number == number) {
                self.decisions.remove(&oldest);
            }
        }
        let number = self.count;
        self.count += 1;
        self.decisions.insert(datagram, Decision { number, time: now, value });
        self.ages.push_back((number, now, datagram));
    }

    /// How many later fragments found no decision, so that `decide` was asked for them: their first
    /// fragment came after them, was not captured, or is too long ago.
    pub fn unfollowed(&self) -> u64 {
        self.unfollowed
    }
}

impl Datagram {
    #[cold]
    fn of(packet: &Packet<'_>, point: u64, id: u32) -> Option<Self> {
        let outer = &packet.outer;
        let (source, destination) = (outer.source()?, outer.destination()?);
        (outer.protocol() == Some(IpProtocol::UDP)).then_some(Self {
            point,
            source,
            destination,
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use core::convert::Infallible;

    use super::*;
    use crate::{Decoder, LinkType};

    /// An IPv4 fragment of UDP with this identification and offset, and nothing in it.
    fn fragment(id: u16, offset: u16) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet[4..6].copy_from_slice(&id.to_be_bytes());
        packet[6..8].copy_from_slice(&(0x2000 | offset).to_be_bytes());
        packet.extend([0; 8]);
        packet
    }

    /// The decision on a fragment, for which `decide` says `itself`.
    fn decided(fragments: &mut OuterFragments<u32>, packet: &[u8], now: i64, itself: u32) -> u32 {
        decided_at(fragments, packet, 0, now, itself)
    }

    /// The same at a capture point.
    fn decided_at(
        fragments: &mut OuterFragments<u32>,
        packet: &[u8],
        point: u64,
        now: i64,
        itself: u32,
    ) -> u32 {
        let packet = Decoder::default().decode(packet, LinkType::RAW);
        let result: Result<u32, Infallible> = fragments.follow(&packet, point, now, || Ok(itself));
        result.unwrap()
    }

    #[test]
    fn later_fragments_follow_the_first_one() {
        let mut fragments = OuterFragments::default();
        assert_eq!(decided(&mut fragments, &fragment(1, 0), 0, 10), 10);
        assert_eq!(decided(&mut fragments, &fragment(2, 0), 1, 20), 20);
        assert_eq!(decided(&mut fragments, &fragment(1, 1), 2, 0), 10);
        assert_eq!(decided(&mut fragments, &fragment(2, 1), HOLDS + 1, 0), 20);
        // too late, and of an unknown datagram
        assert_eq!(fragments.unfollowed(), 0);
        assert_eq!(decided(&mut fragments, &fragment(1, 2), HOLDS + 1, 7), 7);
        assert_eq!(decided(&mut fragments, &fragment(3, 2), 3, 8), 8);
        assert_eq!(fragments.unfollowed(), 2);
        // the identification comes again
        assert_eq!(decided(&mut fragments, &fragment(1, 0), HOLDS + 2, 11), 11);
        assert_eq!(decided(&mut fragments, &fragment(1, 1), HOLDS + 3, 0), 11);
    }

    #[test]
    fn copies_at_other_points_are_decided_on_by_themselves() {
        let mut fragments = OuterFragments::default();
        assert_eq!(decided_at(&mut fragments, &fragment(1, 0), 1, 0, 10), 10);
        assert_eq!(decided_at(&mut fragments, &fragment(1, 0), 2, 0, 20), 20);
        assert_eq!(decided_at(&mut fragments, &fragment(1, 1), 1, 1, 0), 10);
        assert_eq!(decided_at(&mut fragments, &fragment(1, 1), 2, 1, 0), 20);
    }

    #[test]
    fn the_latest_decision_stays_when_one_of_the_same_time_is_forgotten() {
        let mut fragments = OuterFragments::default();
        decided(&mut fragments, &fragment(1, 0), 0, 10);
        for number in 2..MOST as u32 {
            let mut packet = fragment(0, 0);
            packet[16..20].copy_from_slice(&number.to_be_bytes());
            decided(&mut fragments, &packet, 0, number);
        }
        // the first of all is forgotten when the next but one comes
        decided(&mut fragments, &fragment(1, 0), 0, 11);
        decided(&mut fragments, &fragment(2, 0), 0, 12);
        assert_eq!(decided(&mut fragments, &fragment(1, 1), 0, 0), 11);
    }

    #[test]
    fn memory_is_bounded() {
        let mut fragments = OuterFragments::default();
        let mut packet = fragment(0, 0);
        for number in 0..MOST as u32 + 1000 {
            packet[16..20].copy_from_slice(&number.to_be_bytes());
            decided(&mut fragments, &packet, number.into(), number);
        }
        assert_eq!(fragments.decisions.len(), MOST);
        assert_eq!(fragments.ages.len(), MOST);
        let mut later = fragment(0, 1);
        later[16..20].copy_from_slice(&999_u32.to_be_bytes());
        assert_eq!(decided(&mut fragments, &later, 70_000, 5), 5);
        later[16..20].copy_from_slice(&1000_u32.to_be_bytes());
        assert_eq!(decided(&mut fragments, &later, 70_000, 5), 1000);
    }
}
