//! Blocks in the other byte order.

use vxcap::file::{Block, Body, ByteOrder, OptionFields, block_type, option};

use super::{blocks, options};

/// Custom options (draft-ietf-opsawg-pcapng, section 3.5.1): they begin with an enterprise number.
const CUSTOM: [u16; 4] = [2988, 2989, 19372, 19373];
/// `if_tzone` (section 4.2), 4 bytes.
const IF_TZONE: u16 = 10;
/// `if_txspeed` and `if_rxspeed` (section 4.2), 8 bytes.
const IF_SPEEDS: [u16; 2] = [16, 17];

/// A block in another byte order. `None` for what only its maker could translate: custom and
/// unknown blocks. Section headers and packets are not translated here.
pub(crate) fn transcode(block: &Block<'_>, order: ByteOrder) -> Option<Vec<u8>> {
    let (kind, from) = (block.block_type()?, block.order);
    let mut out = Vec::with_capacity(block.raw.len());
    let mut known = true;
    blocks::append(&mut out, order, kind, |out| match block.body {
        Body::Interface(description) => {
            out.extend(order.bytes16(description.link_type.0));
            out.extend([0; 2]);
            out.extend(order.bytes32(description.snaplen));
            translate_options(out, block.options(), kind, order);
        }
        Body::Statistics(statistics) => {
            out.extend(order.bytes32(statistics.section_interface));
            out.extend(order.bytes32((statistics.ticks >> 32) as u32));
            out.extend(order.bytes32(statistics.ticks as u32));
            translate_options(out, block.options(), kind, order);
        }
        Body::NameResolution => {
            for record in block.name_records() {
                options::push(out, order, record.code, record.value);
            }
            out.extend(options::END_MARK);
            translate_options(out, block.options(), kind, order);
        }
        Body::Secrets(secrets) => {
            out.extend(order.bytes32(secrets.kind));
            out.extend(order.bytes32(secrets.data.len() as u32));
            out.extend_from_slice(secrets.data);
            options::pad(out, secrets.data.len());
            translate_options(out, block.options(), kind, order);
        }
        Body::Custom(custom) => {
            out.extend(order.bytes32(custom.enterprise));
            out.extend_from_slice(custom.data);
        }
        Body::Journal(entry) => out.extend_from_slice(entry),
        _ => known = from == order,
    });
    known.then_some(out)
}

/// Appends options in another byte order, with their end mark if there are any.
pub(crate) fn translate_options(
    out: &mut Vec<u8>,
    fields: OptionFields<'_>,
    kind: u32,
    order: ByteOrder,
) {
    let start = out.len();
    for field in fields {
        push_translated(out, &field, kind, order);
    }
    if out.len() > start {
        out.extend(options::END_MARK);
    }
}

/// Appends one option in another byte order.
pub(crate) fn push_translated(
    out: &mut Vec<u8>,
    field: &vxcap::file::OptionField<'_>,
    kind: u32,
    order: ByteOrder,
) {
    let words =
        if field.order == order { 0 } else { word_len(kind, field.code, field.value.len()) };
    if words == 0 {
        return options::push(out, order, field.code, field.value);
    }
    let mut value = [0; 8];
    let first = words.min(field.value.len()).min(value.len());
    let (Some(swapped), Some(head)) = (value.get_mut(..first), field.value.get(..first)) else {
        return;
    };
    swapped.copy_from_slice(head);
    swapped.reverse();
    if is_two_words(kind, field.code) {
        // times are two words, the high one first in both byte orders
        swapped.rotate_left(4);
    }
    let at = out.len() + 4;
    options::push(out, order, field.code, field.value);
    if let Some(place) = out.get_mut(at..at + first) {
        place.copy_from_slice(swapped);
    }
}

/// How many bytes at the start of an option are a number.
fn word_len(kind: u32, code: u16, len: usize) -> usize {
    let expected = match (kind, code) {
        (_, code) if CUSTOM.contains(&code) => return if len >= 4 { 4 } else { 0 },
        (block_type::INTERFACE, option::IF_SPEED | option::IF_TSOFFSET)
        | (
            block_type::ENHANCED_PACKET | block_type::OBSOLETE_PACKET,
            option::EPB_DROPCOUNT | option::EPB_PACKETID,
        )
        | (block_type::STATISTICS, 2..=8) => 8,
        (block_type::INTERFACE, code) if IF_SPEEDS.contains(&code) => 8,
        (block_type::INTERFACE, IF_TZONE)
        | (
            block_type::ENHANCED_PACKET | block_type::OBSOLETE_PACKET,
            option::EPB_FLAGS | option::EPB_QUEUE,
        ) => 4,
        _ => 0,
    };
    if len == expected { expected } else { 0 }
}

fn is_two_words(kind: u32, code: u16) -> bool {
    kind == block_type::STATISTICS && matches!(code, option::ISB_STARTTIME | option::ISB_ENDTIME)
}

/// Whether an option holds free text or custom data: comments and custom options.
pub(crate) fn is_free_form(code: u16) -> bool {
    code == option::COMMENT || CUSTOM.contains(&code)
}
