//! A checked program in classic BPF, and its listings.

use std::fmt;

use super::{
    Instruction,
    instruction::{NEGATIVE, Op, SCRATCH_WORDS},
    run::{self, Ancillary, Step},
};

/// The snapshot length that captures everything, in bytes: `MAXIMUM_SNAPLEN` of libpcap, tcpdump's
/// default.
pub const MAX_SNAPLEN: u32 = 262_144;

/// The longest program that a Linux kernel takes, in instructions: `BPF_MAXINSNS` of
/// `linux/bpf_common.h`.
pub const MAX_KERNEL_INSTRUCTIONS: usize = 4096;

/// A valid program in classic BPF. It was checked when it was made, as the kernel checks what is
/// attached to a socket: running it always ends and cannot fail.
///
/// Its `Display` form is the listing that `tcpdump -d` prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    instructions: Box<[Instruction]>,
    steps: Box<[Step]>,
}

/// Why a list of instructions is not a valid program. `index` counts instructions from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// There are no instructions.
    #[error("the program is empty")]
    Empty,
    /// An operation that classic BPF does not have.
    #[error("instruction {index}: there is no operation {code:#06x} in classic BPF")]
    UnknownOperation {
        /// Which instruction.
        index: usize,
        /// Its operation.
        code: u16,
    },
    /// A jump to before the first instruction or beyond the last.
    #[error("instruction {index}: the jump ends outside of the program")]
    Jump {
        /// Which instruction.
        index: usize,
    },
    /// A word of scratch memory beyond the last one.
    #[error("instruction {index}: there is no M[{word}], the last word is M[15]")]
    Scratch {
        /// Which instruction.
        index: usize,
        /// Which word it names.
        word: u32,
    },
    /// A division by the constant 0, or its remainder.
    #[error("instruction {index}: division by zero")]
    Division {
        /// Which instruction.
        index: usize,
    },
    /// A shift by more than 31 bits.
    #[error("instruction {index}: a shift by {bits} bits, 31 are the most")]
    Shift {
        /// Which instruction.
        index: usize,
        /// By how many bits.
        bits: u32,
    },
    /// The last instruction is not a return.
    #[error("the last instruction, {index}, is not a return")]
    Unfinished {
        /// Which instruction is the last.
        index: usize,
    },
}

impl Program {
    /// Checks instructions as the kernel's `bpf_check_classic` does: known operations, jumps and
    /// scratch memory inside their bounds, no division by zero, no shift by more than 31, a return
    /// at the end.
    ///
    /// Unlike in the kernel, a program may have any length and may jump back, as libpcap's for
    /// `protochain` do. [`fits_kernel`](Self::fits_kernel) tells whether a kernel takes it.
    ///
    /// # Errors
    ///
    /// [`ProgramError`] names the first instruction that is not valid.
    pub fn new(instructions: impl Into<Box<[Instruction]>>) -> Result<Self, ProgramError> {
        let instructions = instructions.into();
        let length = instructions.len();
        let steps = instructions
            .iter()
            .enumerate()
            .map(|(index, instruction)| check(index, *instruction, length))
            .collect::<Result<Box<[Step]>, _>>()?;
        match steps.last() {
            None => Err(ProgramError::Empty),
            Some(Step { op: Op::Return | Op::ReturnA, .. }) => Ok(Self { instructions, steps }),
            Some(_) => Err(ProgramError::Unfinished { index: length - 1 }),
        }
    }

    /// The program that accepts every packet.
    pub fn accept_all() -> Self {
        let accept = Instruction::new(Op::Return, MAX_SNAPLEN);
        let step = Step { k: MAX_SNAPLEN, op: Op::Return, jt: 0, jf: 0 };
        Self { instructions: [accept].into(), steps: [step].into() }
    }

    /// The same program, which returns `snaplen` for a packet that it accepts: the kernel passes on
    /// that many bytes of it. 0 stands for [`MAX_SNAPLEN`].
    #[must_use]
    pub fn with_snaplen(mut self, snaplen: u32) -> Self {
        let snaplen = if snaplen == 0 { MAX_SNAPLEN } else { snaplen };
        for (step, instruction) in self.steps.iter_mut().zip(&mut self.instructions) {
            if step.op == Op::Return && step.k != 0 {
                step.k = snaplen;
                instruction.k = snaplen;
            }
        }
        self
    }

    /// The instructions, in the form that `SO_ATTACH_FILTER` takes.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Whether a kernel takes the program: it is not longer than [`MAX_KERNEL_INSTRUCTIONS`], and
    /// never jumps back.
    pub fn fits_kernel(&self) -> bool {
        self.instructions.len() <= MAX_KERNEL_INSTRUCTIONS
            && !self.steps.iter().any(|step| step.jumps_back())
    }

    /// Whether the program loads what the kernel knows of a packet besides its bytes, as those of
    /// `inbound` and `ifindex` do on Ethernet.
    ///
    /// In user space, such a load rejects the packet. The exception is the load that asks whether a
    /// VLAN tag was taken out of the frame: in user space the answer is no.
    pub fn needs_kernel(&self) -> bool {
        self.steps.iter().any(|step| {
            matches!(step.op, Op::LoadWord | Op::LoadHalf | Op::LoadByte) && step.k >= NEGATIVE
        })
    }

    /// Whether the program accepts a packet. `data` are its captured bytes, `orig_len` is its
    /// length on the wire.
    ///
    /// As in libpcap's `bpf_filter`, a load outside of the captured bytes and a division by zero
    /// reject the packet. Here a loop with more turns than the packet has bytes rejects it too, so
    /// that a crafted packet cannot make it endless. Running a program allocates nothing, and takes
    /// about as long as in libpcap.
    pub fn matches(&self, data: &[u8], orig_len: u32) -> bool {
        self.run(data, orig_len) != 0
    }

    /// What the program returns for a packet: how many bytes of it are wanted. 0 means that it is
    /// rejected.
    pub fn run(&self, data: &[u8], orig_len: u32) -> u32 {
        run::in_user_space(&self.steps, data, orig_len)
    }

    /// What the program would return in a Linux kernel, for a packet on its way to a socket.
    /// `ancillary` is what the kernel knows besides the packet's bytes.
    ///
    /// The kernel's arithmetic differs from libpcap's: a shift uses the low five bits of its
    /// number, and an indexed offset wraps.
    pub fn run_as_kernel(&self, data: &[u8], ancillary: Ancillary) -> u32 {
        run::in_kernel(&self.steps, data, ancillary)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The program as elements of a C array: the output of `tcpdump -dd`.
    pub fn c_array(&self) -> impl fmt::Display {
        Lines(&self.instructions, |_, i, f| {
            write!(f, "{{ {:#x}, {}, {}, {:#010x} }},", i.code, i.jt, i.jf, i.k)
        })
    }

    /// The program as decimal numbers after their count: the output of `tcpdump -ddd`.
    pub fn decimal(&self) -> impl fmt::Display {
        Counted(Lines(&self.instructions, |_, i, f| {
            write!(f, "{} {} {} {}", i.code, i.jt, i.jf, i.k)
        }))
    }
}

/// The listing that `tcpdump -d` prints, without a line end after the last line.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Lines(&self.instructions, |index, instruction, f| instruction.list(index, f)).fmt(f)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program\n{self}")
    }
}

/// One line for each instruction, written by a function.
struct Lines<'a>(&'a [Instruction], fn(usize, Instruction, &mut fmt::Formatter<'_>) -> fmt::Result);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, instruction) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            (self.1)(index, *instruction, f)?;
        }
        Ok(())
    }
}

/// The lines with their number before them.
struct Counted<'a>(Lines<'a>);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.0.0.len(), self.0)
    }
}

/// Decodes one instruction of a program of `length`, if it is valid.
fn check(index: usize, instruction: Instruction, length: usize) -> Result<Step, ProgramError> {
    let Instruction { code, jt, jf, k } = instruction;
    let op = Op::from_code(code).ok_or(ProgramError::UnknownOperation { index, code })?;
    // How many instructions follow the next one: the longest jump.
    let rest = (length - index - 1) as u64;
    match op {
        Op::Jump
            if k.cast_signed() < 0
                && u64::from(k.cast_signed().unsigned_abs()) > index as u64 + 1 =>
        {
            Err(ProgramError::Jump { index })
        }
        Op::Jump if k.cast_signed() >= 0 && u64::from(k) >= rest => {
            Err(ProgramError::Jump { index })
        }
        _ if op.is_conditional() && u64::from(jt.max(jf)) >= rest => {
            Err(ProgramError::Jump { index })
        }
        Op::LoadScratch | Op::LoadXScratch | Op::Store | Op::StoreX
            if k as usize >= SCRATCH_WORDS =>
        {
            Err(ProgramError::Scratch { index, word: k })
        }
        Op::Divide | Op::Modulo if k == 0 => Err(ProgramError::Division { index }),
        Op::ShiftLeft | Op::ShiftRight if k > 31 => Err(ProgramError::Shift { index, bits: k }),
        _ => Ok(Step { k, op, jt, jf }),
    }
}
