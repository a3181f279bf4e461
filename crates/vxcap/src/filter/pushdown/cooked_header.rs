//! Cooked headers, and what the kernel knows instead of them.

use vxlan::LinkType;

use crate::filter::instruction::{INTERFACE_INDEX, Op, PACKET_TYPE, PROTOCOL};

/// A cooked header, where a filter does not see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct CookedHeader {
    pub(super) len: u32,
    /// Where the protocol stands.
    pub(super) protocol: u32,
    /// Fields, and what the kernel has in their stead.
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

    /// What the kernel has in the stead of the field that this loads.
    pub(super) fn field(self, op: Op, offset: u32) -> Option<u32> {
        self.fields.iter().find(|field| (field.0, field.1) == (op, offset)).map(|field| field.2)
    }
}
