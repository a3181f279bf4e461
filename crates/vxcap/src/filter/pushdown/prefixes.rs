//! Code that tests whether an address is in a set of prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::assembler::{Assembler, Label, NEXT};
use crate::filter::instruction::Op;

/// An address prefix: the addresses whose first `length` bits are those of `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// A prefix of `length` bits. `None` for more bits than the address has. Bits after the prefix
    /// are cleared.
    ///
    /// ```
    /// use vxcap::filter::pushdown::Prefix;
    ///
    /// let pods = Prefix::new("10.244.1.0".parse()?, 24).unwrap();
    /// assert!(pods.contains("10.244.1.7".parse()?));
    /// assert!(Prefix::new("10.244.1.0".parse()?, 33).is_none());
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if length <= 32 => {
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask4(length)))
            }
            IpAddr::V6(v6) if length <= 128 => {
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask6(length)))
            }
            _ => return None,
        };
        Some(Self { address, length })
    }

    /// Whether the prefix contains the address.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(prefix), IpAddr::V4(address)) => {
                address.to_bits() & mask4(self.length) == prefix.to_bits()
            }
            (IpAddr::V6(prefix), IpAddr::V6(address)) => {
                address.to_bits() & mask6(self.length) == prefix.to_bits()
            }
            _ => false,
        }
    }
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        Self { address, length: if address.is_ipv4() { 32 } else { 128 } }
    }
}

fn mask4(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}

fn mask6(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

/// The limit of ranges of IPv4 addresses. Each takes about two instructions for the source and two
/// for the destination.
const MOST_RANGES: usize = 256;
/// The limit of prefixes of IPv6 addresses. Each takes up to ten instructions for the source and
/// ten for the destination.
const MOST_V6: usize = 48;

/// A set of prefixes, prepared for the tests. It contains all addresses of the prefixes. If there
/// are very many prefixes, it also contains others.
#[derive(Debug)]
pub(super) struct PrefixSet {
    /// Ranges, each with its first and last address. They are in order, and do not touch each
    /// other.
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u8)>,
}

/// The place of a field.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// At this offset.
    Fixed(u32),
    /// At this offset, counted from X.
    Indexed(u32),
}

impl At {
    /// A = the 2 bytes that are `further` bytes after this place.
    pub(super) fn load_half(self, asm: &mut Assembler, further: u32) {
        match self {
            Self::Fixed(offset) => asm.put(Op::LoadHalf, offset + further),
            Self::Indexed(offset) => asm.put(Op::LoadHalfIndexed, offset + further),
        }
    }

    fn load(self, asm: &mut Assembler, word: u32) {
        match self {
            Self::Fixed(offset) => asm.put(Op::LoadWord, offset + 4 * word),
            Self::Indexed(offset) => asm.put(Op::LoadWordIndexed, offset + 4 * word),
        }
    }
}

impl PrefixSet {
    pub(super) fn new(prefixes: &[Prefix]) -> Self {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for prefix in prefixes {
            match prefix.address {
                IpAddr::V4(address) => {
                    v4.push((address.to_bits(), address.to_bits() | !mask4(prefix.length)));
                }
                IpAddr::V6(address) => v6.push((address.to_bits(), prefix.length)),
            }
        }
        Self { v4: few_ranges(joined(v4)), v6: few_prefixes(distinct(v6)) }
    }

    /// Goes to `yes` where the IPv4 address at `at` is in the set, and to the next item otherwise.
    pub(super) fn if_v4(&self, asm: &mut Assembler, at: At, yes: Label) {
        if self.v4.is_empty() {
            return;
        }
        at.load(asm, 0);
        let no = asm.label();
        in_ranges(asm, &self.v4, yes, no);
        asm.bind(no);
    }

    /// Goes to `yes` where the IPv6 address at `at` is in the set, and to the next item otherwise.
    pub(super) fn if_v6(&self, asm: &mut Assembler, at: At, yes: Label) {
        for &(address, length) in &self.v6 {
            let no = asm.label();
            let words = (0..4_u32).map(|word| {
                let shift = 96 - 32 * word;
                ((address >> shift) as u32, (mask6(length) >> shift) as u32)
            });
            for (word, (value, mask)) in words.enumerate().filter(|(_, (_, mask))| *mask != 0) {
                at.load(asm, word as u32);
                if mask != u32::MAX {
                    asm.put(Op::And, mask);
                }
                asm.unless(value, no);
            }
            asm.goto(yes);
            asm.bind(no);
        }
    }
}

/// Finds the range that A is in, by binary search.
fn in_ranges(asm: &mut Assembler, ranges: &[(u32, u32)], yes: Label, no: Label) {
    match *ranges {
        [] => asm.goto(no),
        [(first, last)] if first == last => asm.branch(Op::JumpEqual, first, yes, no),
        [(first, last)] => {
            if first > 0 {
                asm.branch(Op::JumpGreaterEqual, first, NEXT, no);
            }
            if last < u32::MAX {
                asm.branch(Op::JumpGreater, last, no, yes);
            } else {
                asm.goto(yes);
            }
        }
        _ => {
            let (lower, upper) = ranges.split_at(ranges.len() / 2);
            let to_upper = asm.label();
            asm.branch(Op::JumpGreaterEqual, upper[0].0, to_upper, NEXT);
            in_ranges(asm, lower, yes, no);
            asm.bind(to_upper);
            in_ranges(asm, upper, yes, no);
        }
    }
}

/// Joins ranges that overlap or touch.
fn joined(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// Joins ranges with the smallest gaps between them, until there are few enough.
fn few_ranges(ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    if ranges.len() <= MOST_RANGES {
        return ranges;
    }
    let mut gaps: Vec<(u32, usize)> =
        ranges.windows(2).enumerate().map(|(index, pair)| (pair[1].0 - pair[0].1, index)).collect();
    gaps.sort_unstable();
    let mut closed = vec![false; ranges.len()];
    for &(_, index) in &gaps[..ranges.len() - MOST_RANGES] {
        closed[index + 1] = true;
    }
    let mut few: Vec<(u32, u32)> = Vec::with_capacity(MOST_RANGES);
    for (range, closed) in ranges.into_iter().zip(closed) {
        match few.last_mut() {
            Some(before) if closed => before.1 = range.1,
            _ => few.push(range),
        }
    }
    few
}

/// Leaves out prefixes that others contain.
fn distinct(mut prefixes: Vec<(u128, u8)>) -> Vec<(u128, u8)> {
    prefixes.sort_unstable();
    let mut distinct: Vec<(u128, u8)> = Vec::with_capacity(prefixes.len());
    for (address, length) in prefixes {
        // A prefix comes after the one that contains it, and only others that it contains are
        // between.
        let contained = distinct.last().is_some_and(|&(of, bits)| address & mask6(bits) == of);
        if !contained {
            distinct.push((address, length));
        }
    }
    distinct
}

/// Shortens the longest prefixes, until there are few enough.
fn few_prefixes(mut prefixes: Vec<(u128, u8)>) -> Vec<(u128, u8)> {
    while prefixes.len() > MOST_V6 {
        let longest = prefixes.iter().map(|&(_, length)| length).max().unwrap_or(0);
        for (address, length) in &mut prefixes {
            if *length == longest {
                *length = longest.saturating_sub(1);
                *address &= mask6(*length);
            }
        }
        prefixes = distinct(prefixes);
    }
    prefixes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::assembler::build;
    use super::*;
    use crate::filter::Program;

    fn program(set: &PrefixSet, v6: bool) -> Program {
        let program = build(|asm, accept, reject| {
            if v6 {
                set.if_v6(asm, At::Fixed(0), accept);
            } else {
                set.if_v4(asm, At::Fixed(0), accept);
            }
            asm.goto(reject);
            Ok(())
        });
        program.expect("a program")
    }

    fn accepts(set: &PrefixSet, v6: bool, address: &[u8]) -> bool {
        program(set, v6).matches(address, 16)
    }

    proptest! {
        #[test]
        fn sets_hold_what_their_prefixes_hold(
            v4 in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..40),
            v6 in proptest::collection::vec((any::<u128>(), 0_u8..=128), 0..40),
            near in any::<proptest::sample::Index>(),
            bit in 0_u32..128,
        ) {
            let v4: Vec<_> = v4
                .iter()
                .filter_map(|&(a, l)| Prefix::new(IpAddr::from(a.to_be_bytes()), l))
                .collect();
            let v6: Vec<_> = v6
                .iter()
                .filter_map(|&(a, l)| Prefix::new(IpAddr::from(a.to_be_bytes()), l))
                .collect();
            let set = PrefixSet::new(&[v4.clone(), v6.clone()].concat());
            // an address of one of the prefixes, with one bit flipped
            if !v4.is_empty() {
                let IpAddr::V4(address) = near.get(&v4).address else { unreachable!() };
                let address = Ipv4Addr::from_bits(address.to_bits() ^ 1_u32.wrapping_shl(bit));
                let expected = v4.iter().any(|prefix| prefix.contains(address.into()));
                prop_assert_eq!(accepts(&set, false, &address.octets()), expected);
            }
            if !v6.is_empty() {
                let IpAddr::V6(address) = near.get(&v6).address else { unreachable!() };
                let address = Ipv6Addr::from_bits(address.to_bits() ^ 1 << bit);
                let expected = v6.iter().any(|prefix| prefix.contains(address.into()));
                prop_assert_eq!(accepts(&set, true, &address.octets()), expected);
            }
        }
    }

    #[test]
    fn of_very_many_prefixes_none_is_lost() {
        let address = |n: u32| Ipv4Addr::from_bits(n.wrapping_mul(0x9e37_79b9));
        let many: Vec<Prefix> = (0..3000)
            .flat_map(|n| {
                let v6 =
                    Ipv6Addr::from_bits(u128::from(address(n).to_bits()) << 77 | u128::from(n));
                [Prefix::from(IpAddr::V4(address(n))), Prefix::from(IpAddr::V6(v6))]
            })
            .collect();
        let set = PrefixSet::new(&many);
        assert_eq!(set.v4.len(), MOST_RANGES);
        assert!(set.v6.len() <= MOST_V6 && set.v6.len() > MOST_V6 / 4, "{}", set.v6.len());
        let (v4, v6) = (program(&set, false), program(&set, true));
        for prefix in many {
            let found = match prefix.address {
                IpAddr::V4(address) => v4.matches(&address.octets(), 4),
                IpAddr::V6(address) => v6.matches(&address.octets(), 16),
            };
            assert!(found, "{prefix:?}");
        }
    }

    #[test]
    fn neighbouring_pod_cidrs_are_one_range() {
        let pods: Vec<Prefix> =
            (0..200).map(|node| Prefix::new([10, 244, node, 0].into(), 24).unwrap()).collect();
        assert_eq!(PrefixSet::new(&pods).v4, [(0x0af4_0000, 0x0af4_c7ff)]);
    }
}
