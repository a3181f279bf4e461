//! Setting up a packet socket with its ring.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use libc::{SOL_PACKET, c_int};
use vxlan::LinkType;

use super::blocks::Blocks;
use super::header::HEADERS_LEN;
use super::headroom::{VLAN_TAG_LEN, cooked_len};
use super::{CaptureOptions, Device, Directions, Error, Fanout, FanoutMode, sys};
use crate::filter::{Instruction, Program, pushdown};

/// The largest block. The end of a block stays empty if the next frame does not fit, so it is much
/// longer than the longest frame, 64 KiB. It is small enough that the kernel finds the memory.
const MAX_BLOCK: usize = 1 << 20;
/// The smallest block: a frame of 64 KiB must fit, with its headers. It is a multiple of every page
/// size.
const MIN_BLOCK: usize = 128 << 10;
/// A buffer is divided into at least this many blocks, unless it is too small.
const BLOCKS: usize = 8;
/// `tp_frame_size`, which must be set, but means nothing in a ring with frames of any length.
const FRAME_SIZE: usize = 2048;

/// A program that accepts nothing: `BPF_RET | BPF_K` of `linux/bpf_common.h`, with a length of 0.
pub(super) const REJECT_ALL: Instruction = Instruction { code: 0x06, jt: 0, jf: 0, k: 0 };

/// A socket that receives the device's frames into the blocks, from now on.
pub(super) fn open(
    device: &Device,
    link_type: LinkType,
    options: &CaptureOptions,
) -> Result<(OwnedFd, Blocks), Error> {
    let failed = |doing| move |source| Error::system(&device.name, doing, source);
    let cooked = cooked_len(link_type);
    let kind = if cooked > 0 { libc::SOCK_DGRAM } else { libc::SOCK_RAW };
    let socket = sys::packet_socket(kind).map_err(failed("open a packet socket"))?;
    let fd = socket.as_fd();

    // 24 at most
    let headroom = (cooked + VLAN_TAG_LEN) as u16;
    let number = |name, value: c_int, doing| {
        sys::set_option(fd, SOL_PACKET, name, &value).map_err(failed(doing))
    };
    let version = libc::tpacket_versions::TPACKET_V3 as c_int;
    number(libc::PACKET_VERSION, version, "set up a ring of version 3 (Linux 3.2 has it)")?;
    number(libc::PACKET_RESERVE, headroom.into(), "set up the room before frames")?;
    if options.directions == Directions::In {
        // a kernel before 4.20 does not know it: then the reader skips sent frames
        let _ = number(libc::PACKET_IGNORE_OUTGOING, 1, "leave out what is sent");
    }

    let (block_len, count) = division(options.buffer);
    let blocks = set_up_ring(fd, (block_len, count), headroom.into(), options).map_err(
        |error| match error.raw_os_error() {
            Some(libc::ENOMEM) => {
                Error::Memory { device: device.name.clone(), bytes: block_len * count }
            }
            _ => failed("set up the ring")(error),
        },
    )?;
    begin(fd, device, link_type, options)?;
    if options.promiscuous && device.index != 0 {
        let request = libc::packet_mreq {
            mr_ifindex: device.index.cast_signed(),
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        sys::set_option(fd, SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
            .map_err(failed("make the device promiscuous"))?;
    }
    Ok((socket, blocks))
}

/// Lets the socket, whose ring is set up, receive the frames that the program wants.
///
/// The program is attached before the socket is bound, while nothing can arrive: no frame that the
/// program does not want is ever in the ring.
fn begin(
    fd: BorrowedFd<'_>,
    device: &Device,
    link_type: LinkType,
    options: &CaptureOptions,
) -> Result<(), Error> {
    let failed = |doing| move |source| Error::system(&device.name, doing, source);
    let (program, _) = kernel_program(link_type, options);
    let attach = |instructions: &[_]| {
        sys::attach_filter(fd, instructions).map_err(|source| Error::Program {
            device: device.name.clone(),
            instructions: instructions.len(),
            source,
        })
    };
    let bind = || sys::bind_to_device(fd, device.index).map_err(failed("bind to the device"));
    let Some(fanout) = &options.fanout else {
        attach(program.instructions())?;
        return bind();
    };
    // between bind and joining the group, the socket would get all frames
    attach(&[REJECT_ALL])?;
    bind()?;
    sys::set_option(fd, SOL_PACKET, libc::PACKET_FANOUT, &fanout_word(fanout))
        .map_err(failed("join the fanout group"))?;
    if let FanoutMode::Program(program) = &fanout.mode {
        sys::set_program(fd, SOL_PACKET, libc::PACKET_FANOUT_DATA, program.instructions())
            .map_err(failed("give the fanout group its program"))?;
    }
    attach(program.instructions())
}

/// The program that the kernel runs, and which frames are left to user space.
pub(super) fn kernel_program(
    link_type: LinkType,
    options: &CaptureOptions,
) -> (Program, Remaining) {
    // the cooked header counts as captured bytes, but is not in the packet
    let header = cooked_len(link_type) as u32;
    let (program, remaining) = match options.program.as_deref() {
        None => (None, Remaining::Nothing),
        // the kernel sees a packet without the cooked header
        Some(program) if header > 0 => match pushdown::cooked(program, link_type) {
            Ok(program) => (Some(program), Remaining::Tagged),
            Err(_) => (None, Remaining::All),
        },
        Some(program) if program.fits_kernel() => (Some(program.clone()), Remaining::Nothing),
        Some(_) => (None, Remaining::All),
    };
    let snaplen = options.effective_snaplen().saturating_sub(header).max(1);
    (program.unwrap_or_else(Program::accept_all).with_snaplen(snaplen), remaining)
}

/// Which frames user space still has to decide about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remaining {
    Nothing,
    /// Those with a VLAN tag.
    Tagged,
    All,
}

/// Length and number of the blocks of a buffer of about this size.
fn division(buffer: usize) -> (usize, usize) {
    let mut block = MAX_BLOCK;
    while block > MIN_BLOCK && block * BLOCKS > buffer {
        block /= 2;
    }
    (block, (buffer / block).max(2))
}

fn set_up_ring(
    fd: BorrowedFd<'_>,
    (block_len, count): (usize, usize),
    headroom: usize,
    options: &CaptureOptions,
) -> io::Result<Blocks> {
    debug_assert!(HEADERS_LEN + headroom < FRAME_SIZE);
    let latency = options.latency.as_millis().clamp(1, 10_000) as u32;
    let number =
        |value: usize| u32::try_from(value).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM));
    let request = libc::tpacket_req3 {
        tp_block_size: number(block_len)?,
        tp_block_nr: number(count)?,
        tp_frame_size: number(FRAME_SIZE)?,
        tp_frame_nr: number(block_len / FRAME_SIZE * count)?,
        tp_retire_blk_tov: latency,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    };
    sys::set_option(fd, SOL_PACKET, libc::PACKET_RX_RING, &request)?;
    Blocks::map(fd, block_len, count)
}

fn fanout_word(fanout: &Fanout) -> c_int {
    let mode = match fanout.mode {
        FanoutMode::Hash => libc::PACKET_FANOUT_HASH,
        FanoutMode::RoundRobin => libc::PACKET_FANOUT_LB,
        FanoutMode::Cpu => libc::PACKET_FANOUT_CPU,
        FanoutMode::Program(_) => libc::PACKET_FANOUT_CBPF,
    };
    // with the flag the group must be 0, and the kernel chooses
    let unique = if fanout.group.is_none() { libc::PACKET_FANOUT_FLAG_UNIQUEID } else { 0 };
    (u32::from(fanout.group.unwrap_or(0)) | (mode | unique) << 16).cast_signed()
}

/// The fanout group of a socket that has joined one.
pub(super) fn fanout_group(fd: BorrowedFd<'_>) -> Option<u16> {
    let word: c_int = sys::option(fd, SOL_PACKET, libc::PACKET_FANOUT).ok()?;
    // the lower half (packet(7))
    Some(word.cast_unsigned() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_divided_into_blocks_that_hold_the_greatest_frame() {
        assert_eq!(division(32 << 20), (1 << 20, 32));
        assert_eq!(division(2 << 20), (256 << 10, 8));
        assert_eq!(division(0), (MIN_BLOCK, 2));
        assert_eq!(division(300 << 10), (MIN_BLOCK, 2));
        assert!(division(usize::MAX).1 > 1);
    }
}
