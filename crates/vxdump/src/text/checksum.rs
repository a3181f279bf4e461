//! Internet checksums (RFC 1071), and what they should have been.

use vxlan::internet_checksum::{fold, sum};

use super::ip::Ip;

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
