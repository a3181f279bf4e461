//! Cooked headers, and how the kernel knows their fields.

use vxlan::LinkType;

use crate::filter::instruction::{INTERFACE_INDEX, Op, PACKET_TYPE, PROTOCOL};

/// A cooked header that a filter in the kernel does not see.
#[derive(Clone, Copy, Debug)]
pub(super) struct CookedHeader {
    pub(super) len: u32,
    /// The offset of the protocol.
    pub(super) protocol: u32,
    /// How fields are loaded from the header, and the offset of the same in the kernel.
    fields: &'static [(Op, u32, u32)],
}

/// <https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html>
const SLL: CookedHeader = CookedHeader {
    len: 16,
    protocol: 14,
    fields: &[(Op::LoadHalf, 0, PACKET_TYPE), (Op::LoadHalf, 14, PROTOCOL)],
};

/// <https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>
const SLL2: CookedHeader = CookedHeader {
    len: 20,
    protocol: 0,
    fields: &[
        (Op::LoadHalf, 0, PROTOCOL),
        (Op::LoadWord, 4, INTERFACE_INDEX),
        (Op::LoadByte, 10, PACKET_TYPE),
    ],
};

impl CookedHeader {
    /// The header of this link type; `None` where it has none.
    pub(super) fn of(link_type: LinkType) -> Option<Self> {
        match link_type {
            LinkType::LINUX_SLL => Some(SLL),
            LinkType::LINUX_SLL2 => Some(SLL2),
            _ => None,
        }
    }

    /// The offset in the kernel of the field that this loads from the header.
    pub(super) fn field(self, op: Op, offset: u32) -> Option<u32> {
        self.fields.iter().find(|field| (field.0, field.1) == (op, offset)).map(|field| field.2)
    }
}
