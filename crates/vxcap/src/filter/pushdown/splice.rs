//! Putting a program into another one, at an offset.

use super::assembler::{Assembler, Label, NEXT};
use super::cooked_header::CookedHeader;
use super::not_pushed::NotPushed;
use crate::filter::Program;
use crate::filter::instruction::{NEGATIVE, Op, SCRATCH_WORDS};
use crate::filter::run::Step;

/// Where the packet of a program begins, in the packet of the program that it is put into.
#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    /// At the same place.
    Same,
    /// This many bytes later.
    Behind(u32),
    /// Earlier, with a cooked header that the kernel does not see.
    Before(CookedHeader),
}

impl Base {
    /// The operand of a load from the program's packet.
    fn moved(self, op: Op, k: u32) -> Result<Moved, NotPushed> {
        match self {
            Self::Same => Ok(Moved::To(k)),
            Self::Behind(offset) => match k.checked_add(offset) {
                Some(moved) if moved < NEGATIVE => Ok(Moved::To(moved)),
                _ if k >= NEGATIVE => Err(NotPushed::Ancillary),
                // no packet is that long
                _ => Ok(Moved::Outside),
            },
            Self::Before(_) if k >= NEGATIVE => Ok(Moved::To(k)),
            Self::Before(header) => match (k.checked_sub(header.len), header.field(op, k)) {
                (Some(moved), _) | (None, Some(moved)) => Ok(Moved::To(moved)),
                (None, None) => Err(NotPushed::CookedHeader),
            },
        }
    }

    /// The operand of a load from the program's packet at X + `k`.
    ///
    /// For libpcap, a sum that wraps is outside of the packet, and rejects it. In the kernel it can
    /// be inside, and the packet may be accepted. That loses no packet: user space rejects it.
    fn moved_index(self, k: u32) -> Result<u32, NotPushed> {
        match self {
            Self::Same => Ok(k),
            Self::Behind(offset) => Ok(k.wrapping_add(offset)),
            // X may be an offset in the cooked header
            Self::Before(header) => k.checked_sub(header.len).ok_or(NotPushed::CookedHeader),
        }
    }

    /// Changes the packet's length in A to that of the program's packet.
    fn put_length(self, asm: &mut Assembler) {
        asm.put(Op::LoadLength, 0);
        match self {
            Self::Same => {}
            Self::Behind(offset) => asm.put(Op::Subtract, offset),
            Self::Before(header) => asm.put(Op::Add, header.len),
        }
    }
}

/// The operand of a load from a packet that begins elsewhere.
enum Moved {
    To(u32),
    Outside,
}

/// Puts `program` so that it sees the packet from `base` on, as if nothing else were there. Where
/// it returned, it goes to `accept` or `reject`. The code before must make sure that `base` is
/// inside of the packet, unless it is [`Base::Same`].
///
/// A load outside of the packet rejects the packet at once, wherever `reject` is.
pub(super) fn splice(
    asm: &mut Assembler,
    program: &Program,
    base: Base,
    accept: Label,
    reject: Label,
) -> Result<(), NotPushed> {
    let steps = program.steps();
    let registers = Registers::of(steps)?;
    if registers.starts_with_zeros {
        asm.put(Op::LoadConstant, 0);
        asm.put(Op::CopyAToX, 0);
    }
    let labels: Vec<Label> = steps.iter().map(|_| asm.label()).collect();
    let to = |index: usize| labels.get(index).copied().unwrap_or(reject);
    for (index, step) in steps.iter().enumerate() {
        asm.bind(to(index));
        let k = step.k;
        match step.op {
            Op::Return => asm.goto(if k == 0 { reject } else { accept }),
            Op::ReturnA => asm.branch(Op::JumpEqual, 0, reject, accept),
            Op::Jump => asm.goto(to(index + 1 + k as usize)),
            op if op.is_conditional() => {
                let next = index + 1;
                asm.branch(op, k, to(next + usize::from(step.jt)), to(next + usize::from(step.jf)));
            }
            op @ (Op::LoadWord | Op::LoadHalf | Op::LoadByte | Op::LoadXHeaderLength) => {
                match base.moved(op, k)? {
                    Moved::To(moved) => asm.put(op, moved),
                    Moved::Outside => asm.goto(reject),
                }
            }
            op @ (Op::LoadWordIndexed | Op::LoadHalfIndexed | Op::LoadByteIndexed) => {
                asm.put(op, base.moved_index(k)?);
            }
            Op::LoadLength => base.put_length(asm),
            Op::LoadXLength if !matches!(base, Base::Same) => {
                let word = registers.free_word.ok_or(NotPushed::Scratch)?;
                asm.put(Op::Store, word);
                base.put_length(asm);
                asm.put(Op::CopyAToX, 0);
                asm.put(Op::LoadScratch, word);
            }
            op => asm.put(op, k),
        }
    }
    Ok(())
}

/// Goes to `label` where the packet is shorter than `bytes`.
pub(super) fn unless_longer(asm: &mut Assembler, bytes: u32, label: Label) {
    asm.put(Op::LoadLength, 0);
    asm.branch(Op::JumpGreaterEqual, bytes, NEXT, label);
}

/// How a program uses the registers and the scratch memory.
struct Registers {
    /// It reads A or X before it writes them. Both are 0 when a program starts, but not where it is
    /// put into another one.
    starts_with_zeros: bool,
    /// A word of scratch memory that it does not use.
    free_word: Option<u32>,
}

impl Registers {
    /// Examines a program. Fails where the kernel's arithmetic differs from libpcap's, or where the
    /// kernel would not take the program.
    fn of(steps: &[Step]) -> Result<Self, NotPushed> {
        const A: u32 = 1 << SCRATCH_WORDS;
        const X: u32 = A << 1;
        const ALL: u32 = (X << 1) - 1;

        // For each instruction, what has certainly been written when it runs: one bit for each word
        // of scratch memory, and two for A and X.
        let mut written = vec![ALL; steps.len()];
        if let Some(first) = written.first_mut() {
            *first = 0;
        }
        let (mut starts_with_zeros, mut used) = (false, 0);
        for (index, step) in steps.iter().enumerate() {
            if step.jumps_back() {
                return Err(NotPushed::Loop);
            }
            let before = written.get(index).copied().unwrap_or(0);
            let word = || 1_u32.wrapping_shl(step.k);
            let (reads, writes) = match step.op {
                Op::ShiftLeftX | Op::ShiftRightX => return Err(NotPushed::Shift),
                Op::LoadWord | Op::LoadHalf | Op::LoadByte | Op::LoadLength | Op::LoadConstant => {
                    (0, A)
                }
                Op::LoadWordIndexed | Op::LoadHalfIndexed | Op::LoadByteIndexed | Op::CopyXToA => {
                    (X, A)
                }
                Op::LoadScratch => (word(), A),
                Op::LoadXScratch => (word(), X),
                Op::LoadXConstant | Op::LoadXLength | Op::LoadXHeaderLength => (0, X),
                Op::Store => (A, word()),
                Op::StoreX => (X, word()),
                Op::CopyAToX => (A, X),
                Op::Add
                | Op::Subtract
                | Op::Multiply
                | Op::Divide
                | Op::Or
                | Op::And
                | Op::ShiftLeft
                | Op::ShiftRight
                | Op::Negate
                | Op::Modulo
                | Op::Xor => (A, A),
                Op::AddX
                | Op::SubtractX
                | Op::MultiplyX
                | Op::DivideX
                | Op::OrX
                | Op::AndX
                | Op::ModuloX
                | Op::XorX => (A | X, A),
                Op::Jump | Op::Return => (0, 0),
                Op::JumpEqual
                | Op::JumpGreater
                | Op::JumpGreaterEqual
                | Op::JumpSet
                | Op::ReturnA => (A, 0),
                Op::JumpEqualX | Op::JumpGreaterX | Op::JumpGreaterEqualX | Op::JumpSetX => {
                    (A | X, 0)
                }
            };
            let unwritten = reads & !before;
            starts_with_zeros |= unwritten & (A | X) != 0;
            if unwritten & !(A | X) != 0 {
                // The kernel refuses to load a word that was never stored (`check_load_and_stores`
                // in net/core/filter.c).
                return Err(NotPushed::Scratch);
            }
            used |= (reads | writes) & (A - 1);
            let after = before | writes;
            let next = index + 1;
            let targets = match step.op {
                Op::Return | Op::ReturnA => [usize::MAX; 2],
                Op::Jump => [next + step.k as usize; 2],
                op if op.is_conditional() => {
                    [next + usize::from(step.jt), next + usize::from(step.jf)]
                }
                _ => [next; 2],
            };
            for target in targets {
                if let Some(written) = written.get_mut(target) {
                    *written &= after;
                }
            }
        }
        let free_word = (0..SCRATCH_WORDS as u32).rev().find(|word| used & (1 << word) == 0);
        Ok(Self { starts_with_zeros, free_word })
    }
}

#[cfg(test)]
mod tests {
    use vxlan::LinkType;
    use vxlan::example::SYN;

    use super::super::assembler::build;
    use super::*;
    use crate::filter::{Ancillary, Instruction};

    /// The program that sees packets from `offset` on.
    fn moved(program: &Program, offset: u32) -> Program {
        let moved = build(|asm, accept, reject| {
            unless_longer(asm, offset, reject);
            splice(asm, program, Base::Behind(offset), accept, reject)
        });
        moved.expect("a program")
    }

    fn is_kept(program: &Program, frame: &[u8]) -> bool {
        program.run_as_kernel(frame, Ancillary::default()) != 0
    }

    #[test]
    fn a_program_is_moved_as_if_nothing_were_before() {
        let mut kept = 0;
        for expression in [
            "tcp port 80",
            "udp port 8472",
            "tcp[tcpflags] == tcp-syn",
            "ip[8] = 64 or ip6",
            "greater 100",
            "len - 4 = 70",
            "not arp",
            "vlan and ip",
        ] {
            let program = Program::compile(expression, LinkType::ETHERNET, 0).expect(expression);
            for offset in [1, 18, 50, 70, 1000] {
                let moved = moved(&program, offset);
                // the frame in the tunnel, the whole frame, and both cut anywhere
                for frame in [&SYN[50..], SYN]
                    .into_iter()
                    .flat_map(|whole| (0..=whole.len()).filter_map(|len| whole.get(..len)))
                {
                    let data = [vec![0xa5; offset as usize].as_slice(), frame].concat();
                    let expected = program.matches(frame, frame.len() as u32);
                    let decided = moved.matches(&data, data.len() as u32);
                    assert_eq!(decided, expected && !frame.is_empty(), "{expression} {offset}");
                    assert_eq!(is_kept(&moved, &data), decided, "{expression} {offset}");
                    kept += usize::from(decided);
                }
            }
        }
        assert!(kept > 500, "{kept}");
    }

    #[test]
    fn registers_are_as_at_the_start_of_a_program() {
        let plain = |code, k| Instruction { code, jt: 0, jf: 0, k };
        let equal = |k| Instruction { code: 0x15, jt: 0, jf: 1, k };
        let end = [plain(0x06, 1), plain(0x06, 0)];
        let program = |body: &[Instruction]| Program::new([body, &end].concat()).expect("valid");
        // A is 0 at the start: add #5; jeq #5. So is X: txa; jeq #0.
        let from_a = program(&[plain(0x04, 5), equal(5)]);
        let from_x = program(&[plain(0x87, 0), equal(0)]);
        let other = Program::compile("tcp[2:2] > 0 or udp[2:2] > 0", LinkType::ETHERNET, 0);
        let other = other.expect("a program");
        let one_after_the_other = build(|asm, accept, reject| {
            for program in [&other, &from_a, &from_x, &other] {
                let next = asm.label();
                splice(asm, program, Base::Same, next, reject)?;
                asm.bind(next);
            }
            asm.goto(accept);
            Ok(())
        });
        let one_after_the_other = one_after_the_other.expect("a program");
        assert!(is_kept(&one_after_the_other, SYN) && one_after_the_other.matches(SYN, 124));
        // the length in X: ldx #len; txa; jeq
        let length = u32::try_from(SYN.len()).expect("a short frame");
        let in_x = program(&[plain(0x81, 0), plain(0x87, 0), equal(length - 50)]);
        assert!(is_kept(&moved(&in_x, 50), SYN));
        // which does not change A: ld #7; ldx #len; jeq #7
        let in_a = program(&[plain(0x00, 7), plain(0x81, 0), equal(7)]);
        assert!(is_kept(&moved(&in_a, 50), SYN));
    }
}
