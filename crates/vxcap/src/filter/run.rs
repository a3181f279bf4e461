//! The interpreter.

use super::instruction::{
    ANCILLARY, HARDWARE, INTERFACE_INDEX, NEGATIVE, Op, PACKET_TYPE, PROTOCOL, SCRATCH_WORDS,
    VLAN_TAG, VLAN_TAG_PRESENT,
};

/// An instruction, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) k: u32,
    pub(super) op: Op,
    pub(super) jt: u8,
    pub(super) jf: u8,
}

impl Step {
    /// Whether this is a jump to an earlier instruction.
    pub(super) fn jumps_back(self) -> bool {
        self.op == Op::Jump && self.k.cast_signed() < 0
    }
}

/// What the Linux kernel knows about a packet besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ancillary {
    /// The control information (priority and VLAN identifier) of the VLAN tag that the kernel or
    /// the device took out of the frame.
    pub vlan_tag: Option<u16>,
    /// The `EtherType`, or the kernel's number instead of one (`ETH_P_…` of `linux/if_ether.h`).
    pub protocol: u16,
    /// Whom it is addressed to (`PACKET_HOST` and others of `linux/if_packet.h`).
    pub packet_type: u8,
    /// The device's index.
    pub device: u32,
    /// The device's hardware type (`ARPHRD_ETHER` and others of `linux/if_arp.h`).
    pub hardware: u16,
}

/// Runs as libpcap's `bpf_filter` does.
pub(super) fn in_user_space(steps: &[Step], data: &[u8], orig_len: u32) -> u32 {
    execute::<false>(steps, data, orig_len, Ancillary::default())
}

/// Runs as the Linux kernel's socket filter does.
pub(super) fn in_kernel(steps: &[Step], data: &[u8], ancillary: Ancillary) -> u32 {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    execute::<true>(steps, data, length, ancillary)
}

/// Checking a program (`Program::new`) makes sure that it ends in a return and jumps only inside.
/// What cannot happen after that rejects the packet here, so that nothing depends on the check for
/// safety.
#[inline]
fn execute<const KERNEL: bool>(
    steps: &[Step],
    data: &[u8],
    orig_len: u32,
    ancillary: Ancillary,
) -> u32 {
    let mut a: u32 = 0;
    let mut x: u32 = 0;
    let mut scratch = [0_u32; SCRATCH_WORDS];
    let mut next = 0_usize;
    let mut turns = data.len();
    // A load outside of the packet and a division by zero end the program.
    macro_rules! some {
        ($value:expr) => {
            match $value {
                Some(value) => value,
                None => return 0,
            }
        };
    }
    macro_rules! load {
        ($bytes:literal, $offset:expr) => {
            some!(bytes_at::<$bytes>(data, $offset))
        };
    }
    macro_rules! jump_if {
        ($step:expr, $condition:expr) => {
            next += usize::from(if $condition { $step.jt } else { $step.jf })
        };
    }
    while let Some(step) = steps.get(next) {
        next += 1;
        let k = step.k;
        match step.op {
            Op::LoadWord | Op::LoadHalf | Op::LoadByte if KERNEL && k >= NEGATIVE => {
                a = some!(ancillary_load(k, ancillary));
            }
            Op::LoadWord => a = u32::from_be_bytes(load!(4, k)),
            Op::LoadHalf => a = u32::from(u16::from_be_bytes(load!(2, k))),
            Op::LoadByte => {
                a = match bytes_at::<1>(data, k) {
                    Some([byte]) => u32::from(byte),
                    // in user space every tag is in the frame
                    None if !KERNEL && k == VLAN_TAG_PRESENT => 0,
                    None => return 0,
                };
            }
            Op::LoadWordIndexed => a = u32::from_be_bytes(load!(4, indexed::<KERNEL>(x, k))),
            Op::LoadHalfIndexed => {
                a = u32::from(u16::from_be_bytes(load!(2, indexed::<KERNEL>(x, k))));
            }
            Op::LoadByteIndexed => {
                a = u32::from(u8::from_be_bytes(load!(1, indexed::<KERNEL>(x, k))));
            }
            Op::LoadLength => a = orig_len,
            Op::LoadConstant => a = k,
            Op::LoadScratch => a = scratch[k as usize % SCRATCH_WORDS],
            Op::LoadXConstant => x = k,
            Op::LoadXScratch => x = scratch[k as usize % SCRATCH_WORDS],
            Op::LoadXLength => x = orig_len,
            Op::LoadXHeaderLength => x = u32::from(u8::from_be_bytes(load!(1, k)) & 0xf) * 4,
            Op::Store => scratch[k as usize % SCRATCH_WORDS] = a,
            Op::StoreX => scratch[k as usize % SCRATCH_WORDS] = x,
            Op::Add => a = a.wrapping_add(k),
            Op::AddX => a = a.wrapping_add(x),
            Op::Subtract => a = a.wrapping_sub(k),
            Op::SubtractX => a = a.wrapping_sub(x),
            Op::Multiply => a = a.wrapping_mul(k),
            Op::MultiplyX => a = a.wrapping_mul(x),
            Op::Divide => a = some!(a.checked_div(k)),
            Op::DivideX => a = some!(a.checked_div(x)),
            Op::Modulo => a = some!(a.checked_rem(k)),
            Op::ModuloX => a = some!(a.checked_rem(x)),
            Op::Or => a |= k,
            Op::OrX => a |= x,
            Op::And => a &= k,
            Op::AndX => a &= x,
            Op::Xor => a ^= k,
            Op::XorX => a ^= x,
            Op::ShiftLeft => a = a.wrapping_shl(k),
            Op::ShiftRight => a = a.wrapping_shr(k),
            // libpcap shifts everything out, the kernel takes the low five bits
            Op::ShiftLeftX if KERNEL => a = a.wrapping_shl(x),
            Op::ShiftRightX if KERNEL => a = a.wrapping_shr(x),
            Op::ShiftLeftX => a = a.checked_shl(x).unwrap_or(0),
            Op::ShiftRightX => a = a.checked_shr(x).unwrap_or(0),
            Op::Negate => a = a.wrapping_neg(),
            Op::Jump if step.jumps_back() => {
                // A loop of libpcap's walks on by some bytes of the packet at each turn.
                turns = some!(turns.checked_sub(1));
                next = some!(next.checked_sub(k.cast_signed().unsigned_abs() as usize));
            }
            Op::Jump => next = next.saturating_add(k as usize),
            Op::JumpEqual => jump_if!(step, a == k),
            Op::JumpEqualX => jump_if!(step, a == x),
            Op::JumpGreater => jump_if!(step, a > k),
            Op::JumpGreaterX => jump_if!(step, a > x),
            Op::JumpGreaterEqual => jump_if!(step, a >= k),
            Op::JumpGreaterEqualX => jump_if!(step, a >= x),
            Op::JumpSet => jump_if!(step, a & k != 0),
            Op::JumpSetX => jump_if!(step, a & x != 0),
            Op::Return => return k,
            Op::ReturnA => return a,
            Op::CopyAToX => x = a,
            Op::CopyXToA => a = x,
        }
    }
    0
}

#[inline]
fn bytes_at<const N: usize>(data: &[u8], offset: u32) -> Option<[u8; N]> {
    data.get(offset as usize..)?.first_chunk::<N>().copied()
}

/// Where an indexed load reads. libpcap does not let the sum wrap: what is beyond the last possible
/// offset is outside of any packet.
#[inline]
fn indexed<const KERNEL: bool>(x: u32, k: u32) -> u32 {
    if KERNEL { x.wrapping_add(k) } else { x.saturating_add(k) }
}

/// The ancillary loads that programs of this crate use; others reject, as the kernel does with an
/// unknown offset.
fn ancillary_load(k: u32, ancillary: Ancillary) -> Option<u32> {
    debug_assert!(k >= NEGATIVE && ANCILLARY > NEGATIVE);
    match k {
        PROTOCOL => Some(ancillary.protocol.into()),
        PACKET_TYPE => Some(ancillary.packet_type.into()),
        INTERFACE_INDEX => Some(ancillary.device),
        VLAN_TAG => Some(ancillary.vlan_tag.map_or(0, u32::from)),
        HARDWARE => Some(ancillary.hardware.into()),
        VLAN_TAG_PRESENT => Some(u32::from(ancillary.vlan_tag.is_some())),
        _ => None,
    }
}
