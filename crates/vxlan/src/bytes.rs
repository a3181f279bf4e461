//! Reads of network byte order that cannot panic: what is not there reads as `None`.

/// The `N` bytes at `offset`, if all of them are there.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<&[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>()
}

/// The big-endian 16-bit number at `offset`.
#[inline]
pub(crate) fn be16(bytes: &[u8], offset: usize) -> Option<u16> {
    array::<2>(bytes, offset).map(|b| u16::from_be_bytes(*b))
}

/// The big-endian 32-bit number at `offset`.
#[inline]
pub(crate) fn be32(bytes: &[u8], offset: usize) -> Option<u32> {
    array::<4>(bytes, offset).map(|b| u32::from_be_bytes(*b))
}

/// `bytes[from..to]`, shortened to what is there.
#[inline]
pub(crate) fn clamped(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    let to = to.min(bytes.len());
    bytes.get(from.min(to)..to).unwrap_or(&[])
}
