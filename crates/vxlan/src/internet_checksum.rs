//! The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of all 16-bit
//! words in network byte order.
//!
//! ```
//! use vxlan::internet_checksum::{fold, sum};
//!
//! // an IPv4 header, with its checksum 0xb861 in bytes 10 and 11
//! let mut header = [
//!     0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00,
//!     0x01, 0xc0, 0xa8, 0x00, 0xc7,
//! ];
//! assert_eq!(fold(sum(&header)), 0xffff); // it adds up
//!
//! header[10..12].fill(0);
//! assert_eq!(!fold(sum(&header)), 0xb861); // what belongs into the field
//! ```

/// The sum of the 16-bit words of `bytes` in network byte order, not folded yet. A last odd byte
/// counts as the high byte of a word.
///
/// Sums of parts may be added before they are [folded](fold), as long as every part but the last
/// has an even length: each is below 2<sup>34</sup>.
#[inline]
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut total: u64 = 0;
    for word in words {
        let word = u64::from_be_bytes(*word);
        // two halves of 32 bits: 2^16 is 1 in ones' complement, so it does not matter where words
        // stand
        total += (word >> 32) + (word & 0xffff_ffff);
    }
    total = (total & 0xffff_ffff) + (total >> 32);
    let (pairs, last) = rest.as_chunks::<2>();
    for pair in pairs {
        total += u64::from(u16::from_be_bytes(*pair));
    }
    if let [byte] = last {
        total += u64::from(*byte) << 8;
    }
    total
}

/// Folds a sum into 16 bits, with the carries added at the lower end.
#[inline]
pub const fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Does a header with its own checksum in it, such as IPv4's, add up?
pub(crate) fn adds_up(header: &[u8]) -> bool {
    fold(sum(header)) == 0xffff
}

/// The checksum of a header, such as IPv4's, whose checksum field holds 0.
#[cfg(feature = "alloc")]
pub(crate) fn of_header(header: &[u8]) -> u16 {
    !fold(sum(header))
}
