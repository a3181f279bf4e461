//! ARP (RFC 826) for IPv4 over Ethernet.

use core::net::Ipv4Addr;

use crate::bytes::{be16, clamped};
use crate::link::MacAddr;

/// An ARP packet.
#[derive(Clone, Copy, Debug)]
pub struct ArpPacket<'a> {
    pub(crate) fixed: &'a [u8; 8],
    pub(crate) addresses: &'a [u8],
}

impl<'a> ArpPacket<'a> {
    /// Bytes of the fixed part, before the addresses.
    pub const FIXED_LEN: usize = 8;
    /// Operation: request.
    pub const REQUEST: u16 = 1;
    /// Operation: reply.
    pub const REPLY: u16 = 2;

    /// Hardware type; 1 is Ethernet.
    pub const fn hardware_type(self) -> u16 {
        u16::from_be_bytes([self.fixed[0], self.fixed[1]])
    }

    /// Protocol type: an `EtherType`, 0x0800 for IPv4.
    pub const fn protocol_type(self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// Length of a hardware address in bytes.
    pub const fn hardware_len(self) -> u8 {
        self.fixed[4]
    }

    /// Length of a protocol address in bytes.
    pub const fn protocol_len(self) -> u8 {
        self.fixed[5]
    }

    /// Operation: 1 request, 2 reply.
    pub const fn operation(self) -> u16 {
        u16::from_be_bytes([self.fixed[6], self.fixed[7]])
    }

    /// Length of the whole packet as the length fields say, in bytes.
    pub const fn packet_len(self) -> usize {
        Self::FIXED_LEN + 2 * (self.fixed[4] as usize + self.fixed[5] as usize)
    }

    /// The four addresses as they stand: sender hardware, sender protocol, target hardware, target
    /// protocol; each shorter than said, or empty, where the packet is cut.
    pub fn addresses(self) -> [&'a [u8]; 4] {
        let (h, p) = (usize::from(self.hardware_len()), usize::from(self.protocol_len()));
        let at = |from: usize, len: usize| clamped(self.addresses, from, from + len);
        [at(0, h), at(h, p), at(h + p, h), at(2 * h + p, p)]
    }

    /// Sender's IPv4 address; `None` where ARP is for another protocol, or cut.
    pub fn sender_ip(self) -> Option<Ipv4Addr> {
        self.ip(1)
    }

    /// Target's IPv4 address; `None` where ARP is for another protocol, or cut.
    pub fn target_ip(self) -> Option<Ipv4Addr> {
        self.ip(3)
    }

    /// Sender's MAC address; `None` where the hardware is not Ethernet-like, or the packet cut.
    pub fn sender_mac(self) -> Option<MacAddr> {
        Some(MacAddr(self.addresses()[0].try_into().ok()?))
    }

    /// Target's MAC address; `None` where the hardware is not Ethernet-like, or the packet cut.
    pub fn target_mac(self) -> Option<MacAddr> {
        Some(MacAddr(self.addresses()[2].try_into().ok()?))
    }

    fn ip(self, index: usize) -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = (*self.addresses().get(index)?).try_into().ok()?;
        (self.protocol_type() == 0x0800).then(|| Ipv4Addr::from(bytes))
    }

    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        be16(bytes, 6)?;
        Some(Self { fixed: bytes.first_chunk()?, addresses: bytes.get(Self::FIXED_LEN..)? })
    }
}
