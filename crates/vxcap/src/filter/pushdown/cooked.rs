//! Programs for frames with a cooked header, for the kernel, which sees them without.
//!
//! A socket of all devices together (`SOCK_DGRAM`) filters packets from their network header on; the header that they have in
//! user space is made there. What of it programs ask for, the kernel knows in another way: libpcap's `fix_program`
//! (pcap-linux.c) does the same.

use vxlan::LinkType;

use super::combine::build;
use super::cooked_header::CookedHeader;
use super::fields::ether_type;
use super::inner::put_unless_tagged;
use super::not_pushed::NotPushed;
use super::splice::{Base, splice};
use crate::filter::Program;
use crate::filter::instruction::{Op, PROTOCOL};

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
