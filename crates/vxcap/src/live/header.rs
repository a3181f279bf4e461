//! The headers in a ring's blocks: `struct tpacket_block_desc`, `struct tpacket3_hdr` and the
//! `struct sockaddr_ll` after it, all of `linux/if_packet.h`, in the host's byte order.

use std::mem::offset_of;

use libc::{sockaddr_ll, tpacket_block_desc, tpacket_hdr_v1, tpacket_hdr_variant1, tpacket3_hdr};

use super::headroom::{Sender, VlanTag};
use crate::frame::NANOS_PER_SECOND;
use crate::{ChecksumHint, Direction, FrameFlags, Timestamp};

/// `TPACKET_ALIGN(sizeof(struct tpacket3_hdr))`: the offset of the `sockaddr_ll`.
const SENDER: usize = size_of::<tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);
/// `TPACKET3_HDRLEN`: the length of both headers. The bytes between them and the data are free.
pub(super) const HEADERS_LEN: usize = SENDER + size_of::<sockaddr_ll>();

/// Of `linux/if_packet.h`: a TCP segment that stands for several on the wire.
const TP_STATUS_GSO_TCP: u32 = 1 << 8;
/// The kind of a tag if the kernel does not name it: 802.1Q, `ETH_P_8021Q` of `linux/if_ether.h`.
const VLAN_PROTOCOL: u16 = 0x8100;

/// How many packets a block has, and the offset of the first one.
pub(super) fn packets_of_block(block: &[u8]) -> Option<(u32, usize)> {
    const HEADER: usize = offset_of!(tpacket_block_desc, hdr);
    let number = |at: usize| Some(u32::from_ne_bytes(*block.get(HEADER + at..)?.first_chunk()?));
    let count = number(offset_of!(tpacket_hdr_v1, num_pkts))?;
    let first = number(offset_of!(tpacket_hdr_v1, offset_to_first_pkt))?;
    Some((count, first as usize))
}

/// A packet's headers, in their place in a block.
#[derive(Clone, Copy)]
pub(super) struct Header<'a>(&'a [u8; HEADERS_LEN]);

impl<'a> Header<'a> {
    pub(super) fn at(block: &'a [u8], offset: usize) -> Option<Self> {
        block.get(offset..)?.first_chunk().map(Self)
    }

    #[inline]
    fn word(self, at: usize) -> u32 {
        let b = self.0;
        u32::from_ne_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
    }

    #[inline]
    fn half(self, at: usize) -> u16 {
        u16::from_ne_bytes([self.0[at], self.0[at + 1]])
    }

    /// The distance to the next packet.
    pub(super) fn next_offset(self) -> usize {
        self.word(offset_of!(tpacket3_hdr, tp_next_offset)) as usize
    }

    pub(super) fn time(self) -> Timestamp {
        let seconds = i64::from(self.word(offset_of!(tpacket3_hdr, tp_sec)));
        let nanos = i64::from(self.word(offset_of!(tpacket3_hdr, tp_nsec)));
        Timestamp::from_nanos(seconds * NANOS_PER_SECOND + nanos)
    }

    pub(super) fn captured_len(self) -> usize {
        self.word(offset_of!(tpacket3_hdr, tp_snaplen)) as usize
    }

    pub(super) fn original_len(self) -> u32 {
        self.word(offset_of!(tpacket3_hdr, tp_len))
    }

    /// The distance from the header to the data.
    pub(super) fn data_offset(self) -> usize {
        usize::from(self.half(offset_of!(tpacket3_hdr, tp_mac)))
    }

    fn status(self) -> u32 {
        self.word(offset_of!(tpacket3_hdr, tp_status))
    }

    /// The tag that was taken out of the frame.
    pub(super) fn vlan_tag(self) -> Option<VlanTag> {
        const VARIANT: usize = offset_of!(tpacket3_hdr, hv1);
        let status = self.status();
        if status & libc::TP_STATUS_VLAN_VALID == 0 {
            return None;
        }
        let control = self.word(VARIANT + offset_of!(tpacket_hdr_variant1, tp_vlan_tci)) as u16;
        let protocol = if status & libc::TP_STATUS_VLAN_TPID_VALID == 0 {
            VLAN_PROTOCOL
        } else {
            self.half(VARIANT + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid))
        };
        Some(VlanTag { protocol, control })
    }

    pub(super) fn flags(self) -> FrameFlags {
        let status = self.status();
        FrameFlags {
            direction: if self.is_outgoing() { Direction::Outbound } else { Direction::Inbound },
            checksum: if status & libc::TP_STATUS_CSUMNOTREADY != 0 {
                ChecksumHint::NotReady
            } else if status & libc::TP_STATUS_CSUM_VALID != 0 {
                ChecksumHint::Valid
            } else {
                ChecksumHint::None
            },
            gso: status & TP_STATUS_GSO_TCP != 0,
        }
    }

    pub(super) fn is_outgoing(self) -> bool {
        self.0[SENDER + offset_of!(sockaddr_ll, sll_pkttype)] == libc::PACKET_OUTGOING
    }

    /// Whether it is the sent copy of a frame on the loopback device. The received copy follows.
    pub(super) fn is_sent_on_loopback(self) -> bool {
        self.is_outgoing()
            && self.half(SENDER + offset_of!(sockaddr_ll, sll_hatype)) == libc::ARPHRD_LOOPBACK
    }

    pub(super) fn sender(self) -> Sender {
        let address_len = self.0[SENDER + offset_of!(sockaddr_ll, sll_halen)];
        let mut address = [0; 8];
        // the rest of the field is what an earlier frame left there
        let len = usize::from(address_len).min(address.len());
        let at = SENDER + offset_of!(sockaddr_ll, sll_addr);
        address[..len].copy_from_slice(&self.0[at..at + len]);
        Sender {
            protocol: u16::from_be(self.half(SENDER + offset_of!(sockaddr_ll, sll_protocol))),
            device: self.word(SENDER + offset_of!(sockaddr_ll, sll_ifindex)),
            hardware: self.half(SENDER + offset_of!(sockaddr_ll, sll_hatype)),
            packet_type: self.0[SENDER + offset_of!(sockaddr_ll, sll_pkttype)],
            address_len,
            address,
        }
    }
}
