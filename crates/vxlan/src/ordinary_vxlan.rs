//! Ordinary VXLAN packets, read at fixed places: for `vxflow`, which counts millions of them. Not a
//! part of the documented interface.

use crate::bytes::array;
use crate::headers::Ordinary;
pub use crate::headers::{IPV4, IPV6};
use crate::ipv4::Ipv4Header;
use crate::ipv6::Ipv6Header;
use crate::link_type::LinkType;
use crate::packet::Decoder;
use crate::tcp::TcpHeader;
use crate::tunnel::Tunnel;
use crate::vni::Vni;

/// A packet of TCP or UDP in one VXLAN tunnel, wholly captured, with nothing out of the ordinary on
/// either side of the tunnel: Ethernet without tags, IPv4 without options or IPv6 without extension
/// headers, no fragments.
///
/// `OUTER_SIX` and `INNER_SIX` are [`IPV4`] or [`IPV6`]. The place of each header is known at
/// compile time, so that reading a field is a load and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct OrdinaryVxlan<'a, const OUTER_SIX: bool, const INNER_SIX: bool> {
    frame: &'a [u8],
    /// behind the outer UDP datagram
    end: u32,
    inner: Ordinary<INNER_SIX>,
}

impl Decoder {
    /// The packet, where it is an ordinary one in a VXLAN tunnel: it says the same as
    /// [`Decoder::decode_captured`]. `None` says nothing about the frame, which must then be
    /// decoded. What counts as ordinary may change at any time.
    #[doc(hidden)]
    #[inline(always)]
    #[allow(clippy::inline_always)] // the checks of the length here are those that reading would make
    pub fn ordinary_vxlan<'a, const OUTER_SIX: bool, const INNER_SIX: bool>(
        &self,
        frame: &'a [u8],
        link_type: LinkType,
    ) -> Option<OrdinaryVxlan<'a, OUTER_SIX, INNER_SIX>> {
        let shortest = OrdinaryVxlan::<OUTER_SIX, INNER_SIX>::TRANSPORT + TcpHeader::MIN_LEN;
        if link_type != LinkType::ETHERNET || frame.len() < shortest {
            return None;
        }
        let (outer, inner) = self.ordinary::<OUTER_SIX, INNER_SIX>(frame)?;
        Some(OrdinaryVxlan { frame, end: outer.end, inner: inner? })
    }
}

#[allow(clippy::inline_always)] // as above
impl<'a, const OUTER_SIX: bool, const INNER_SIX: bool> OrdinaryVxlan<'a, OUTER_SIX, INNER_SIX> {
    /// Where the VXLAN header begins, the inner Ethernet header, and the inner transport header.
    const TUNNEL: usize = Ordinary::<OUTER_SIX>::LEN;
    const INNER: usize = Self::TUNNEL + Tunnel::VXLAN_LEN;
    const TRANSPORT: usize = Self::INNER + Ordinary::<INNER_SIX>::TRANSPORT;

    /// The outer IPv4 header.
    #[inline(always)]
    pub fn outer_ipv4(&self) -> Option<Ipv4Header<'a>> {
        Ordinary::<OUTER_SIX>::ipv4(self.frame)
    }

    /// The outer IPv6 header.
    #[inline(always)]
    pub fn outer_ipv6(&self) -> Option<Ipv6Header<'a>> {
        Ordinary::<OUTER_SIX>::ipv6(self.frame)
    }

    /// VXLAN network identifier.
    #[inline(always)]
    pub fn vni(&self) -> Vni {
        Vni::from_be_bytes(array(self.frame, Self::TUNNEL + 4).copied().unwrap_or_default())
    }

    /// Length of the inner frame on the wire, in bytes.
    #[inline(always)]
    pub const fn inner_wire_len(&self) -> u32 {
        self.end - Self::INNER as u32
    }

    /// The inner IPv4 header.
    #[inline(always)]
    pub fn inner_ipv4(&self) -> Option<Ipv4Header<'a>> {
        Ordinary::<INNER_SIX>::ipv4(self.inner_frame())
    }

    /// The inner IPv6 header.
    #[inline(always)]
    pub fn inner_ipv6(&self) -> Option<Ipv6Header<'a>> {
        Ordinary::<INNER_SIX>::ipv6(self.inner_frame())
    }

    /// The inner TCP header, without its options; `None` where the packet is one of UDP.
    #[inline(always)]
    pub fn tcp(&self) -> Option<TcpHeader<'a>> {
        if self.inner.is_udp {
            return None;
        }
        let fixed = array(self.frame, Self::TRANSPORT)?;
        Some(TcpHeader { fixed, options: &[] })
    }

    /// Inner source and destination port.
    #[inline(always)]
    pub fn ports(&self) -> (u16, u16) {
        Ordinary::<INNER_SIX>::ports(self.inner_frame()).unwrap_or_default()
    }

    /// What the inner TCP or UDP header is followed by.
    #[inline(always)]
    pub fn payload(&self) -> &'a [u8] {
        let (start, end) = (self.inner.payload as usize, self.inner.end as usize);
        self.inner_frame().get(start..end).unwrap_or_default()
    }

    /// Bytes of [`Self::payload`].
    #[inline(always)]
    pub const fn payload_len(&self) -> u32 {
        self.inner.end - self.inner.payload
    }

    #[inline(always)]
    fn inner_frame(&self) -> &'a [u8] {
        self.frame.get(Self::INNER..).unwrap_or_default()
    }
}
