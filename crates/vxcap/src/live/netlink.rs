//! Reading the kernel's tables and following their changes, by netlink (rtnetlink(7)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::poll;

/// Length of `struct nlmsghdr` of `linux/netlink.h`.
const HEADER_LEN: usize = 16;

/// How often a table is read again if it changed while it was read.
const TRIES: usize = 10;

/// How long an answer may take. The kernel usually answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest datagram, in bytes: `netlink_recvmsg` of `net/netlink/af_netlink.c` lets no answer
/// grow beyond it, and notifications are single messages of about two kilobytes.
const DATAGRAM_LEN: usize = 32 * 1024;

/// A socket for questions to the kernel, in the network namespace where it was opened.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        // to the kernel: what others send is not received
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0, buffer: Vec::new() })
    }

    /// All rows of a table. A message that cannot be decoded is skipped.
    pub(super) fn dump(
        &mut self,
        question: &RouteNetlinkMessage,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..TRIES {
            let mut answers = Vec::new();
            if self.ask(question.clone(), NLM_F_REQUEST | NLM_F_DUMP, &mut answers)? {
                return Ok(answers);
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "the table changes faster than it is read"))
    }

    /// One entry.
    pub(super) fn entry(
        &mut self,
        question: RouteNetlinkMessage,
    ) -> io::Result<Option<RouteNetlinkMessage>> {
        let mut answers = Vec::new();
        self.ask(question, NLM_F_REQUEST, &mut answers)?;
        Ok(answers.pop())
    }

    /// Asks, and collects the answers. Returns whether they are consistent: whether the table did
    /// not change in the meantime.
    fn ask(
        &mut self,
        question: RouteNetlinkMessage,
        flags: u16,
        answers: &mut Vec<RouteNetlinkMessage>,
    ) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(question);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let is_dump = flags & NLM_F_DUMP == NLM_F_DUMP;
        let mut consistent = true;
        loop {
            let [readiness] = poll::wait_for([self.as_fd()], PATIENCE)?;
            if !readiness.readable && !readiness.failed {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.buffer.clear();
            self.buffer.reserve(DATAGRAM_LEN);
            self.socket.recv(&mut self.buffer, 0)?;
            for message in messages(&self.buffer) {
                if sequence_number(message) != self.sequence {
                    continue; // of an earlier question that was given up
                }
                // a message of a kind or with a value that the crate does not know
                let decoded = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message);
                let Ok(message) = decoded else {
                    if is_dump {
                        continue;
                    }
                    return Ok(consistent);
                };
                consistent &= message.header.flags & NLM_F_DUMP_INTR == 0;
                match message.payload {
                    NetlinkPayload::Done(_) => return Ok(consistent),
                    NetlinkPayload::Error(error) => return error_of(&error).map(|()| consistent),
                    NetlinkPayload::InnerMessage(answer) => {
                        answers.push(answer);
                        if !is_dump {
                            return Ok(consistent);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn error_of(error: &netlink_packet_core::ErrorMessage) -> io::Result<()> {
    match error.code {
        None => Ok(()),
        Some(_) => Err(error.to_io()),
    }
}

/// The messages of a datagram, each with its header, up to one that is cut off.
pub(super) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*datagram.first_chunk()?) as usize;
        let message = datagram.get(..length).filter(|message| message.len() >= HEADER_LEN)?;
        // NLMSG_ALIGN of `linux/netlink.h`: to the next multiple of 4
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

fn sequence_number(message: &[u8]) -> u32 {
    message.get(8..12).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_ne_bytes(*b))
}

/// A socket that receives notifications of changes.
#[derive(Debug)]
pub(super) struct News {
    socket: Socket,
}

impl News {
    /// Joins multicast groups (`RTNLGRP_…` of `linux/rtnetlink.h`).
    pub(super) fn of(groups: &[u32]) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        for group in groups {
            socket.add_membership(*group)?;
        }
        Ok(Self { socket })
    }

    /// Takes the next datagram into `buffer`. `Ok(false)` if there is none now. The error is
    /// `ENOBUFS` if the kernel had to drop notifications.
    pub(super) fn next(&self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        buffer.clear();
        buffer.reserve(DATAGRAM_LEN);
        match self.socket.recv(buffer, 0) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for News {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
