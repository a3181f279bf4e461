//! Why a device is gone: it was removed, or moved to another namespace.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkAttribute;

use super::netlink::{News, messages};
use super::{poll, sys};
use crate::filter::Instruction;

/// `RTM_DELLINK` of `linux/rtnetlink.h`.
const RTM_DELLINK: u16 = 17;
/// The offset of the type in `struct nlmsghdr` of `linux/netlink.h`.
const TYPE_AT: u32 = 4;
/// The offset of the device's index in a link message: after `struct nlmsghdr`, in
/// `struct ifinfomsg`.
const INDEX_AT: u32 = 20;
/// How long the message may take. The kernel sends it some milliseconds after the device's end,
/// once all users of the device have let it go.
const PATIENCE: Duration = Duration::from_millis(200);

/// Waits for the message that a device was removed from its namespace. The kernel sends no other
/// message to this socket, so that its queue never fills.
#[derive(Debug)]
pub(super) struct Departure {
    news: News,
    buffer: Vec<u8>,
}

/// Where a device has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// It was removed.
    Nowhere,
    /// It is in another network namespace.
    Elsewhere,
}

impl Departure {
    pub(super) fn of_device(index: u32) -> io::Result<Self> {
        let news = News::of(&[libc::RTNLGRP_LINK])?;
        sys::attach_filter(news.as_fd(), &filter(index))?;
        Ok(Self { news, buffer: Vec::new() })
    }

    /// Where the device is gone, after it went down. `None` if it is still there.
    pub(super) fn destination(&mut self) -> Option<Destination> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.news.next(&mut self.buffer) {
                Ok(true) if messages(&self.buffer).any(says_where_to) => {
                    return Some(Destination::Elsewhere);
                }
                Ok(true) => return Some(Destination::Nowhere),
                Ok(false) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || poll::wait_for([self.news.as_fd()], left).is_err() {
                        return None;
                    }
                }
                Err(_) => return None,
            }
        }
    }
}

/// Whether a removal names a new namespace or index: only that of a move does.
fn says_where_to(message: &[u8]) -> bool {
    let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) else {
        return false;
    };
    let NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) = message.payload else {
        return false;
    };
    link.attributes.iter().any(|attribute| {
        matches!(attribute, LinkAttribute::NewNetnsId(_) | LinkAttribute::NewIfIndex(_))
    })
}

/// Accepts only `RTM_DELLINK` of the device. A filter loads numbers in network byte order, and
/// these are in the host's.
fn filter(index: u32) -> [Instruction; 6] {
    const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
    const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let kind = u32::from(u16::from_be_bytes(RTM_DELLINK.to_ne_bytes()));
    let index = u32::from_be_bytes(index.to_ne_bytes());
    let plain = |code, k| Instruction { code, jt: 0, jf: 0, k };
    [
        plain(LOAD_HALF, TYPE_AT),
        Instruction { code: JUMP_EQUAL, jt: 0, jf: 3, k: kind },
        plain(LOAD_WORD, INDEX_AT),
        Instruction { code: JUMP_EQUAL, jt: 0, jf: 1, k: index },
        plain(RETURN, u32::MAX),
        plain(RETURN, 0),
    ]
}
