//! The Internet checksum, mended without being computed anew (RFC 1624).

use vxlan::internet_checksum;

/// The change of a ones' complement sum, folded into 16 bits: 0 where nothing changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change(u16);

impl Change {
    /// Nothing changes.
    pub(crate) const NONE: Self = Self(0);

    /// A word of 16 bits that stands at an even offset becomes another.
    #[inline]
    pub(crate) fn of_word(old: u16, new: u16) -> Self {
        if old == new { Self::NONE } else { Self(add(!old, new)) }
    }

    /// Bytes that begin at an even offset become others of the same length.
    pub(crate) fn of_bytes(old: &[u8], new: &[u8]) -> Self {
        let mut change = Self::NONE;
        for (old, new) in old.chunks(2).zip(new.chunks(2)) {
            change = change.and(Self::of_word(word(old), word(new)));
        }
        change
    }

    /// A sum of words as the change that adding them is.
    pub(crate) const fn of_sum(sum: u16) -> Self {
        Self(sum)
    }

    /// The sum that adding it gives to nothing.
    pub(crate) const fn sum(self) -> u16 {
        self.0
    }

    /// As seen from a place that is `offset` bytes away: at an odd one, the two bytes of each word
    /// stand the other way round (RFC 1071 section 2B).
    #[inline]
    pub(crate) const fn at(self, offset: usize) -> Self {
        if offset.is_multiple_of(2) { self } else { Self(self.0.swap_bytes()) }
    }

    /// Whether the sum is that of a packet whose checksum is right.
    pub(crate) const fn is_all_ones(self) -> bool {
        self.0 == u16::MAX
    }

    /// Both changes.
    #[inline]
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::NONE, other) | (other, Self::NONE) => other,
            (Self(a), Self(b)) => Self(add(a, b)),
        }
    }

    /// The checksum field after the change (RFC 1624, equation 3: HC' = ~(~HC + ~m + m')).
    #[inline]
    pub(crate) fn mend(self, field: u16) -> u16 {
        if self == Self::NONE { field } else { !add(!field, self.0) }
    }

    /// A field that holds a sum itself, not its complement, after the change: a partial checksum.
    pub(crate) fn add_to(self, field: u16) -> u16 {
        if self == Self::NONE { field } else { add(field, self.0) }
    }
}

/// The sum of two words in ones' complement.
#[inline]
fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

/// The sum of bytes that begin at an even offset.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    internet_checksum::fold(internet_checksum::sum(bytes))
}

/// One word, of one or two bytes.
fn word(bytes: &[u8]) -> u16 {
    match *bytes {
        [high, low, ..] => u16::from_be_bytes([high, low]),
        [high] => u16::from_be_bytes([high, 0]),
        [] => 0,
    }
}

/// A UDP checksum as it is sent: 0 would mean that there is none (RFC 768).
#[inline]
pub(crate) fn as_udp(field: u16) -> u16 {
    if field == 0 { u16::MAX } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes the checksum of a whole packet, as RFC 1071 does.
    fn naive(bytes: &[u8]) -> u16 {
        let mut total: u32 = bytes.chunks(2).map(|pair| u32::from(word(pair))).sum();
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        !(total as u16)
    }

    proptest::proptest! {
        #[test]
        fn mended_is_computed_anew(
            mut bytes in proptest::collection::vec(0_u8.., 4..64),
            new in 0_u16..,
            at in 0_usize..31,
        ) {
            let at = at * 2 % (bytes.len() - 1) / 2 * 2;
            bytes.push(1); // never all zero, where the two zeros of ones' complement differ
            let before = naive(&bytes);
            let change = Change::of_word(word(&bytes[at..]), new);
            bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
            let after = naive(&bytes);
            let mended = change.mend(before);
            proptest::prop_assert!(
                mended == after || (mended, after) == (0xffff, 0) || (mended, after) == (0, 0xffff)
            );
        }
    }
}
