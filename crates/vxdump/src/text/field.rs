//! Reads of fields in network byte order, which tell how many bytes are missing.

/// A layer was cut before the field that was to be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// bytes from the layer's start
    pub(super) needed: usize,
    pub(super) available: usize,
}

impl Cut {
    /// What stands there makes no sense.
    pub(super) const INVALID: Self = Self { needed: 0, available: 0 };
}

/// Printed as far as there was something, or as far as it was captured.
pub(super) type Printed = Result<(), Cut>;

/// The `N` bytes at `at`.
#[inline]
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Cut> {
    match bytes.get(at..).and_then(<[u8]>::first_chunk::<N>) {
        Some(array) => Ok(*array),
        None => Err(Cut { needed: at.saturating_add(N), available: bytes.len() }),
    }
}

/// The byte at `at`.
#[inline]
pub(super) fn u8(bytes: &[u8], at: usize) -> Result<u8, Cut> {
    array::<1>(bytes, at).map(|[byte]| byte)
}

/// The 16-bit number at `at`.
#[inline]
pub(super) fn u16(bytes: &[u8], at: usize) -> Result<u16, Cut> {
    array(bytes, at).map(u16::from_be_bytes)
}

/// The 32-bit number at `at`.
#[inline]
pub(super) fn u32(bytes: &[u8], at: usize) -> Result<u32, Cut> {
    array(bytes, at).map(u32::from_be_bytes)
}

/// The `len` bytes at `at`.
#[inline]
pub(super) fn slice(bytes: &[u8], at: usize, len: usize) -> Result<&[u8], Cut> {
    let needed = at.saturating_add(len);
    bytes.get(at..needed).ok_or(Cut { needed, available: bytes.len() })
}

/// What follows from `at` on; nothing if the bytes end before it.
#[inline]
pub(super) fn rest(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or(&[])
}

/// `bytes`, shortened to `len`.
#[inline]
pub(super) fn at_most(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}
