//! Cutting packets.

use vxlan::{Decoder, Headers, IpProtocol, LinkType};

/// Where packets are cut.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cut {
    pub(crate) snaplen: Option<u32>,
    pub(crate) headers_only: bool,
}

impl Cut {
    /// Whether all stays.
    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self.snaplen.is_none() && !self.headers_only
    }

    /// The part of `data` that stays. The length on the wire stays what it was.
    pub(crate) fn keep<'a>(
        self,
        data: &'a [u8],
        link_type: LinkType,
        orig_len: u32,
        decoder: &Decoder,
    ) -> &'a [u8] {
        let mut keep = data.len();
        if self.headers_only {
            let packet = decoder.decode_captured(data, link_type, orig_len);
            keep = headers_len(&packet.inner).min(keep);
        }
        if let Some(snaplen) = self.snaplen {
            keep = keep.min(snaplen as usize);
        }
        data.get(..keep).unwrap_or(data)
    }
}

/// Where the innermost headers end, from the start of the frame. What no header is known of is payload; ICMP errors, ARP, neighbour
/// discovery and router advertisements are headers wholly, as are frames without an IP packet.
fn headers_len(inner: &Headers<'_>) -> usize {
    let start = inner.offset() as usize;
    let whole = start + inner.bytes().len();
    let is_control = match inner.protocol() {
        None | Some(IpProtocol::IGMP) => true,
        Some(IpProtocol::ICMP) => inner.icmp().is_some_and(|icmp| icmp.quoted().is_some()),
        Some(IpProtocol::ICMPV6) => inner
            .icmpv6()
            // echo requests and replies carry payload
            .is_some_and(|icmp| !matches!(icmp.icmp_type(), 128 | 129)),
        Some(_) => false,
    };
    if is_control { whole } else { start + inner.payload_offset() }
}
