//! Appends whole pcapng blocks to the output's buffer.

use vxcap::file::ByteOrder;
use vxcap::write::{BlockWriter, Sink};

/// Length of a block without its body: type, length, and the length again
/// (draft-ietf-opsawg-pcapng, section 3.1).
pub(crate) const AROUND_BODY: usize = 12;

/// Writes a block that `body` makes, in this byte order. `len` is about the length of the body.
pub(crate) fn block<W: Sink>(
    writer: &mut BlockWriter<W>,
    order: ByteOrder,
    kind: u32,
    len: usize,
    body: impl FnOnce(&mut Vec<u8>),
) -> Result<(), vxcap::Error> {
    writer.append(len + AROUND_BODY, |buffer| append(buffer, order, kind, body))
}

/// Appends a block.
pub(crate) fn append(
    buffer: &mut Vec<u8>,
    order: ByteOrder,
    kind: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    let start = buffer.len();
    buffer.extend(order.bytes32(kind));
    buffer.extend([0; 4]);
    body(buffer);
    super::options::pad(buffer, buffer.len() - start);
    let len = (buffer.len() - start + 4) as u32;
    if let Some(field) = buffer.get_mut(start + 4..start + 8) {
        field.copy_from_slice(&order.bytes32(len));
    }
    buffer.extend(order.bytes32(len));
}
