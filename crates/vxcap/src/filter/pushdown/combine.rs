//! Programs moved to an offset, and joined by and, or.

use super::assembler::{Assembler, Label};
use super::not_pushed::NotPushed;
use super::splice::{Base, reach, splice, unless_longer};
use crate::filter::instruction::Op;
use crate::filter::{MAX_SNAPLEN, Program};

/// The program that sees packets from `offset` on, as if nothing stood before: all its loads and
/// its idea of the packet's length are moved. A packet shorter than `offset` is rejected.
///
/// ```
/// use vxcap::filter::{Program, pushdown};
/// use vxlan::LinkType;
///
/// # if libpcap_shim::available().is_err() { return Ok(()); }
/// let syn = Program::compile("tcp[tcpflags] == tcp-syn and dst port 80", LinkType::ETHERNET, 0)?;
/// // behind Ethernet, IPv4 without options, UDP and VXLAN
/// let inner_syn = pushdown::relocated(&syn, 50)?;
/// assert!(inner_syn.matches(vxlan::example::SYN, vxlan::example::SYN.len() as u32));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`NotPushed`] where the program cannot be moved, or is not the same in a kernel.
pub fn relocated(program: &Program, offset: u32) -> Result<Program, NotPushed> {
    build(|asm, accept, reject| {
        if offset > 0 {
            unless_longer(asm, offset, reject);
        }
        let base = if offset > 0 { Base::Behind(offset) } else { Base::Same };
        splice(asm, program, base, accept, reject)
    })
}

/// The program that accepts what all of `programs` accept; with none, every packet.
///
/// # Errors
///
/// [`NotPushed`] where a program is not the same in a kernel, or all together are too long for one.
pub fn all(programs: &[&Program]) -> Result<Program, NotPushed> {
    build(|asm, accept, reject| {
        for program in programs {
            let next = asm.label();
            splice(asm, program, Base::Same, next, reject)?;
            asm.bind(next);
        }
        asm.goto(accept);
        Ok(())
    })
}

/// A program that accepts at least what any of `programs` accepts; with none, no packet.
///
/// A load outside of the packet ends a program, and with it those joined to it. Packets too short
/// for one of the programs are therefore accepted, and so is every packet if it cannot be told how
/// far a program reads.
///
/// # Errors
///
/// [`NotPushed`] where a program is not the same in a kernel, or all together are too long for one.
pub fn any(programs: &[&Program]) -> Result<Program, NotPushed> {
    let Some(last) = programs.len().checked_sub(1) else {
        return build(|asm, _, reject| {
            asm.goto(reject);
            Ok(())
        });
    };
    build(|asm, accept, reject| {
        for (index, program) in programs.iter().enumerate() {
            // The last one may end all.
            if index < last {
                match reach(program) {
                    Some(0) => {}
                    Some(bytes) => unless_longer(asm, bytes, accept),
                    None => {
                        asm.goto(accept);
                        return Ok(());
                    }
                }
            }
            let next = asm.label();
            splice(asm, program, Base::Same, accept, next)?;
            asm.bind(next);
        }
        asm.goto(reject);
        Ok(())
    })
}

/// A program from code that goes to the first label to accept, and to the second to reject.
pub(super) fn build(
    code: impl FnOnce(&mut Assembler, Label, Label) -> Result<(), NotPushed>,
) -> Result<Program, NotPushed> {
    let mut asm = Assembler::default();
    let (accept, reject) = (asm.label(), asm.label());
    code(&mut asm, accept, reject)?;
    asm.bind(accept);
    asm.put(Op::Return, MAX_SNAPLEN);
    asm.bind(reject);
    asm.put(Op::Return, 0);
    asm.finish()
}
