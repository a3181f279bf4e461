//! One instruction of classic BPF: its encoding, and its text as `tcpdump -d` prints it.

use std::fmt;

/// One instruction of a classic BPF program, as `struct sock_filter` of linux/filter.h and
/// `struct bpf_insn` of bpf(4) hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What to do: the sum of a class, a size, a mode and so on of `linux/bpf_common.h`.
    pub code: u16,
    /// How many instructions a conditional jump skips where its condition holds.
    pub jt: u8,
    /// How many instructions a conditional jump skips where its condition does not hold.
    pub jf: u8,
    /// The constant operand: an offset, a value, a scratch memory index or a jump distance.
    pub k: u32,
}

/// `BPF_MEMWORDS` of linux/filter.h: the words of scratch memory, `M[0]` to `M[15]`.
pub(super) const SCRATCH_WORDS: usize = 16;

/// `SKF_AD_OFF` of linux/filter.h, as an unsigned offset: from here on, the kernel loads facts
/// about the packet instead of its bytes.
pub(super) const ANCILLARY: u32 = (-0x1000_i32).cast_unsigned();
/// `SKF_LL_OFF` of linux/filter.h, as an unsigned offset: from here on no offset means the packet's
/// own bytes.
pub(super) const NEGATIVE: u32 = (-0x20_0000_i32).cast_unsigned();
/// `SKF_AD_PROTOCOL`: the `EtherType`, or what stands for it.
pub(super) const PROTOCOL: u32 = ANCILLARY;
/// `SKF_AD_PKTTYPE`: to whom the packet is (`PACKET_HOST` and so on of `linux/if_packet.h`).
pub(super) const PACKET_TYPE: u32 = ANCILLARY + 4;
/// `SKF_AD_IFINDEX`: the device's index.
pub(super) const INTERFACE_INDEX: u32 = ANCILLARY + 8;
/// `SKF_AD_HATYPE`: what kind of hardware the device is (`ARPHRD_ETHER` and so on of
/// `linux/if_arp.h`).
pub(super) const HARDWARE: u32 = ANCILLARY + 28;
/// `SKF_AD_VLAN_TAG`: the VLAN tag's control information that was taken out of the frame.
pub(super) const VLAN_TAG: u32 = ANCILLARY + 44;
/// `SKF_AD_VLAN_TAG_PRESENT`: 1 where a VLAN tag was taken out of the frame.
pub(super) const VLAN_TAG_PRESENT: u32 = ANCILLARY + 48;

/// What the kernel's ancillary loads are called in libpcap's listings, by `(k - SKF_AD_OFF) / 4`.
const ANCILLARY_NAMES: [&str; 16] = [
    "proto",
    "type",
    "ifidx",
    "nla",
    "nlan",
    "mark",
    "queue",
    "hatype",
    "rxhash",
    "cpu",
    "xor_x",
    "vlan_tci",
    "vlanp",
    "payoff",
    "random",
    "vlan_tpid",
];

/// Makes the enum of operations from one table: name, code, mnemonic, and how the operand is shown.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $mnemonic:literal, $operand:ident;)*) => {
        /// What an instruction does. The values are the codes of `linux/bpf_common.h`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Op { $($(#[$doc])* $name = $code,)* }

        impl Op {
            /// The operation with this code; `None` for a code that classic BPF does not have.
            pub(super) const fn from_code(code: u16) -> Option<Self> {
                Some(match code { $($code => Self::$name,)* _ => return None })
            }

            const fn mnemonic(self) -> (&'static str, Operand) {
                match self { $(Self::$name => ($mnemonic, Operand::$operand),)* }
            }

            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

/// How a listing shows the operand.
#[derive(Clone, Copy)]
enum Operand {
    None,
    X,
    Decimal,
    Hex,
    Absolute,
    Indexed,
    HeaderLength,
    Scratch,
    PacketLength,
    Target,
}

operations! {
    /// A = the 4 bytes at k.
    LoadWord = 0x20, "ld", Absolute;
    /// A = the 2 bytes at k.
    LoadHalf = 0x28, "ldh", Absolute;
    /// A = the byte at k.
    LoadByte = 0x30, "ldb", Absolute;
    /// A = the 4 bytes at X + k.
    LoadWordIndexed = 0x40, "ld", Indexed;
    /// A = the 2 bytes at X + k.
    LoadHalfIndexed = 0x48, "ldh", Indexed;
    /// A = the byte at X + k.
    LoadByteIndexed = 0x50, "ldb", Indexed;
    /// A = the packet's length on the wire.
    LoadLength = 0x80, "ld", PacketLength;
    /// A = k.
    LoadConstant = 0x00, "ld", Hex;
    /// A = M[k].
    LoadScratch = 0x60, "ld", Scratch;
    /// X = k.
    LoadXConstant = 0x01, "ldx", Hex;
    /// X = M[k].
    LoadXScratch = 0x61, "ldx", Scratch;
    /// X = the packet's length on the wire.
    LoadXLength = 0x81, "ldx", PacketLength;
    /// X = 4 times the low nibble of the byte at k: the length of an IPv4 header.
    LoadXHeaderLength = 0xb1, "ldxb", HeaderLength;
    /// M[k] = A.
    Store = 0x02, "st", Scratch;
    /// M[k] = X.
    StoreX = 0x03, "stx", Scratch;
    Add = 0x04, "add", Decimal;
    AddX = 0x0c, "add", X;
    Subtract = 0x14, "sub", Decimal;
    SubtractX = 0x1c, "sub", X;
    Multiply = 0x24, "mul", Decimal;
    MultiplyX = 0x2c, "mul", X;
    Divide = 0x34, "div", Decimal;
    DivideX = 0x3c, "div", X;
    Or = 0x44, "or", Hex;
    OrX = 0x4c, "or", X;
    And = 0x54, "and", Hex;
    AndX = 0x5c, "and", X;
    ShiftLeft = 0x64, "lsh", Decimal;
    ShiftLeftX = 0x6c, "lsh", X;
    ShiftRight = 0x74, "rsh", Decimal;
    ShiftRightX = 0x7c, "rsh", X;
    Negate = 0x84, "neg", None;
    Modulo = 0x94, "mod", Decimal;
    ModuloX = 0x9c, "mod", X;
    Xor = 0xa4, "xor", Hex;
    XorX = 0xac, "xor", X;
    /// Skips k instructions; a negative k goes back, which only libpcap's own programs do
    /// (`protochain`) and no kernel takes.
    Jump = 0x05, "ja", Target;
    JumpEqual = 0x15, "jeq", Hex;
    JumpEqualX = 0x1d, "jeq", X;
    JumpGreater = 0x25, "jgt", Hex;
    JumpGreaterX = 0x2d, "jgt", X;
    JumpGreaterEqual = 0x35, "jge", Hex;
    JumpGreaterEqualX = 0x3d, "jge", X;
    JumpSet = 0x45, "jset", Hex;
    JumpSetX = 0x4d, "jset", X;
    /// Ends: k bytes of the packet are wanted, 0 for none.
    Return = 0x06, "ret", Decimal;
    /// Ends: A bytes of the packet are wanted.
    ReturnA = 0x16, "ret", None;
    /// X = A.
    CopyAToX = 0x07, "tax", None;
    /// A = X.
    CopyXToA = 0x87, "txa", None;
}

impl Op {
    /// Whether this is a conditional jump, which uses `jt` and `jf`.
    pub(super) const fn is_conditional(self) -> bool {
        matches!(
            self,
            Self::JumpEqual
                | Self::JumpEqualX
                | Self::JumpGreater
                | Self::JumpGreaterX
                | Self::JumpGreaterEqual
                | Self::JumpGreaterEqualX
                | Self::JumpSet
                | Self::JumpSetX
        )
    }
}

impl Instruction {
    /// An instruction that does not jump.
    pub(super) const fn new(op: Op, k: u32) -> Self {
        Self { code: op as u16, jt: 0, jf: 0, k }
    }

    /// Writes the instruction as line `index` of a listing, as libpcap's `bpf_image` does.
    pub(super) fn list(self, index: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, jt, jf, k } = self;
        let Some(op) = Op::from_code(code) else {
            return write!(f, "({index:03}) {:<8} {code:#x}", "unimp");
        };
        let (mnemonic, operand) = op.mnemonic();
        let operand = match operand {
            Operand::None => String::new(),
            Operand::X => "x".to_owned(),
            // `bpf_image` prints these as signed numbers.
            Operand::Decimal => format!("#{}", k.cast_signed()),
            Operand::Hex => format!("#{k:#x}"),
            Operand::Absolute => match ancillary_name(k) {
                Some(name) => format!("[{name}]"),
                None => format!("[{}]", k.cast_signed()),
            },
            Operand::Indexed => format!("[x + {}]", k.cast_signed()),
            Operand::HeaderLength => format!("4*([{}]&0xf)", k.cast_signed()),
            Operand::Scratch => format!("M[{}]", k.cast_signed()),
            Operand::PacketLength => "#pktlen".to_owned(),
            Operand::Target => {
                (index + 1).saturating_add_signed(k.cast_signed() as isize).to_string()
            }
        };
        if op.is_conditional() {
            let (yes, no) = (index + 1 + usize::from(jt), index + 1 + usize::from(jf));
            write!(f, "({index:03}) {mnemonic:<8} {operand:<16} jt {yes}\tjf {no}")
        } else {
            write!(f, "({index:03}) {mnemonic:<8} {operand}")
        }
    }
}

fn ancillary_name(k: u32) -> Option<&'static str> {
    let distance = k.checked_sub(ANCILLARY).filter(|distance| distance % 4 == 0)?;
    ANCILLARY_NAMES.get(distance as usize / 4).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_code() {
        for &op in Op::ALL {
            assert_eq!(Op::from_code(op as u16), Some(op));
        }
        assert_eq!(Op::from_code(0x18), None, "a 64-bit load is extended BPF");
        assert_eq!(Op::from_code(0x120), None, "the high byte counts");
    }
}
