//! Interface description blocks (draft-ietf-opsawg-pcapng, section 4.2).

use vxlan::LinkType;

use super::{ByteOrder, OptionFields, option};
use crate::interface::{Interface, Resolution};

/// Offset of the options in the block: type, length, link type, reserved, snapshot length.
pub(crate) const OPTIONS_AT: usize = 16;

/// Reads a whole block; `None` where it is too short for one.
pub(crate) fn parse(raw: &[u8], order: ByteOrder, section: u32) -> Option<Interface> {
    let link_type = LinkType(order.u16_at(raw, 8)?);
    let snaplen = order.u32_at(raw, 12)?;
    let options = raw.get(OPTIONS_AT..raw.len().checked_sub(4)?)?;
    let mut interface = Interface { section, ..Interface::new(link_type, snaplen) };
    for field in OptionFields::new(options, OPTIONS_AT, order) {
        let text = || Some(String::from_utf8_lossy(trim(field.value)).into_owned());
        match (field.code, field.value) {
            (option::IF_NAME, _) => interface.name = text(),
            (option::IF_DESCRIPTION, _) => interface.description = text(),
            (option::IF_OS, _) => interface.os = text(),
            (option::IF_HARDWARE, _) => interface.hardware = text(),
            (option::IF_MACADDR, value) => interface.mac = value.try_into().ok(),
            (option::IF_SPEED, _) => interface.speed = field.u64(),
            (option::IF_TSRESOL, &[unit]) => interface.resolution = Resolution(unit),
            (option::IF_TSOFFSET, _) => {
                interface.ts_offset = field.u64().map_or(0, u64::cast_signed);
            }
            (option::IF_FCSLEN, &[len]) => interface.fcs_len = Some(len),
            (option::IF_FILTER, [0, filter @ ..]) => {
                interface.filter = Some(String::from_utf8_lossy(trim(filter)).into_owned());
            }
            _ => {}
        }
    }
    Some(interface)
}

/// Text without the zero bytes that some programs write behind it.
fn trim(text: &[u8]) -> &[u8] {
    let len = text.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    text.get(..len).unwrap_or(text)
}
