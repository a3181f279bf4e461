//! Programs for frames with a cooked header, converted for the kernel, which sees no such header.
//!
//! A socket of all devices (`SOCK_DGRAM`) filters packets from their network header on. User space
//! makes the cooked header. The kernel knows its fields in another way, and programs are converted
//! to ask for them so, as libpcap does (`fix_program` of pcap-linux.c).

use vxlan::LinkType;

use super::assembler::build;
use super::cooked_header::CookedHeader;
use super::fields::ether_type;
use super::inner::put_unless_tagged;
use super::not_pushed::NotPushed;
use super::splice::{Base, splice};
use crate::filter::Program;
use crate::filter::instruction::{Op, PROTOCOL};

/// Converts a program for frames with a cooked header into one for the kernel, which sees no such
/// header. It makes the same decisions, but accepts all frames with a VLAN tag, since their tag is
/// elsewhere in the kernel.
///
/// ```
/// use vxcap::filter::{Program, pushdown};
/// use vxcap::LinkType;
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
/// [`NotPushed`] where the program asks for a field that the kernel does not have, where it would
/// decide otherwise in a kernel, and where the link type has no cooked header.
pub fn cooked(program: &Program, link_type: LinkType) -> Result<Program, NotPushed> {
    let header = CookedHeader::of(link_type).ok_or(NotPushed::CookedHeader)?;
    build(|asm, accept, reject| {
        put_unless_tagged(asm, accept);
        asm.put(Op::LoadHalf, PROTOCOL);
        asm.if_any(ether_type::VLAN, accept);
        splice(asm, program, Base::Before(header), accept, reject)
    })
}
