//! Internet checksums (RFC 1071), and what they should have been.

use super::ip::Ip;

/// The ones' complement sum of 16-bit words, not folded.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut total: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let mut tail = [0; 4];
    for (to, from) in tail.iter_mut().zip(rest) {
        *to = *from;
    }
    total += u64::from(u32::from_be_bytes(tail));
    total
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// What is left over when all is summed, checksum included: 0 where the checksum is right.
pub(super) fn left_over(bytes: &[u8]) -> u16 {
    !fold(sum(bytes))
}

/// [`left_over`] with the pseudo header of an IP packet whose `protocol` part is `bytes`.
pub(super) fn left_over_with_pseudo_header(ip: &Ip<'_>, protocol: u8, bytes: &[u8]) -> u16 {
    let addresses = sum(ip.source) + sum(ip.final_destination());
    !fold(sum(bytes) + addresses + u64::from(protocol) + bytes.len() as u64)
}

/// What should have stood where `field` stands, given what was left over.
pub(super) fn expected(field: u16, left_over: u16) -> u16 {
    fold(u64::from(field) + u64::from(left_over))
}
