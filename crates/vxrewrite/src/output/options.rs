//! Appends options of pcapng blocks (draft-ietf-opsawg-pcapng, section 3.5).

use vxcap::file::ByteOrder;

/// Appends an option: code, length, value, padding. The value is cut to the greatest length that
/// the field can hold.
pub(crate) fn push(into: &mut Vec<u8>, order: ByteOrder, code: u16, value: &[u8]) {
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    into.extend(order.bytes16(code));
    into.extend(order.bytes16(value.len() as u16));
    into.extend_from_slice(value);
    pad(into, value.len());
}

/// Pads an appended value of `len` bytes to a multiple of 4 bytes.
pub(crate) fn pad(into: &mut Vec<u8>, len: usize) {
    let padding = len.next_multiple_of(4) - len;
    into.resize(into.len() + padding, 0);
}

/// The mark after the last option (section 3.5, `opt_endofopt`).
pub(crate) const END_MARK: [u8; 4] = [0; 4];
