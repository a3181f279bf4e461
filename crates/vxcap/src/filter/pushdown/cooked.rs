//! Programs for frames with a cooked header, for the kernel, which sees them without.
//!
//! A socket of all devices together (`SOCK_DGRAM`) filters packets from their network header on; the header that they have in
//! user space is made there. What of it programs ask for, the kernel knows in another way: libpcap's `fix_program`
//! (pcap-linux.c) does the same.

use vxlan::LinkType;

use super::{
    super::{
        Program,
        instruction::{INTERFACE_INDEX, Op, PACKET_TYPE, PROTOCOL},
    },
    NotPushed,
    combine::build,
    fields::ether_type,
    inner::put_unless_tagged,
    splice::{Base, splice},
};

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

/// The program that decides in the kernel as `program` does on frames of `link_type`, which have a cooked header in user
/// space only. Frames with a VLAN tag, which is in other places there, are accepted all.
///
/// ```
/// use vxcap::filter::{Program, pushdown};
/// use vxlan::LinkType;
///
/// # if libpcap_shim::available().is_err() { return Ok(()); }
/// let icmp = Program::compile("icmp", LinkType::LINUX_SLL2, 0)?;
/// assert!(icmp.to_string().contains("ldb      [29]"));
/// let listing = pushdown::cooked(&icmp, LinkType::LINUX_SLL2)?.to_string();
/// assert!(listing.contains("[proto]") && listing.contains("ldb      [9]"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`NotPushed`] where the program asks for what the kernel does not tell, where it is not the same in a kernel, and
/// where the link type has no such header.
pub fn cooked(program: &Program, link_type: LinkType) -> Result<Program, NotPushed> {
    let header = CookedHeader::of(link_type).ok_or(NotPushed::CookedHeader)?;
    build(|asm, accept, reject| {
        put_unless_tagged(asm, accept);
        asm.put(Op::LoadHalf, PROTOCOL);
        asm.if_any(ether_type::VLAN, accept);
        splice(asm, program, Base::Before(header), accept, reject)
    })
}
