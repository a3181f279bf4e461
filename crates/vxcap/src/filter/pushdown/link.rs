//! Where the outer headers of a frame begin.

use vxlan::LinkType;

use super::cooked_header::CookedHeader;
use super::fields::{ETHER_TYPE, length};

/// What stands before the network header of a frame without tags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// The offset of the network header.
    pub(super) network: u32,
    /// The offset of the `EtherType`.
    pub(super) ether_type: u32,
    cooked: bool,
}

impl Link {
    /// `None` for what has no `EtherType`.
    pub(super) fn of(link_type: LinkType) -> Option<Self> {
        if link_type == LinkType::ETHERNET {
            return Some(Self { network: length::ETHERNET, ether_type: ETHER_TYPE, cooked: false });
        }
        let header = CookedHeader::of(link_type)?;
        Some(Self { network: header.len, ether_type: header.protocol, cooked: true })
    }

    /// Whether it is a cooked header: its protocol stands in another place than before the tags and
    /// the packet.
    pub(super) fn is_cooked(self) -> bool {
        self.cooked
    }
}
