//! VLAN tags and cooked headers, which are written into the room that the kernel leaves before a
//! frame in the ring.

use vxlan::LinkType;

/// Length of a VLAN tag: its protocol identifier and its control information (IEEE 802.1Q).
pub(super) const VLAN_TAG_LEN: usize = 4;
/// The length of both addresses of an Ethernet header: the tag comes after them.
const ETHERNET_ADDRESSES_LEN: usize = 12;
/// <https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>
const SLL2_LEN: usize = 20;
/// <https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html>
const SLL_LEN: usize = 16;

/// A VLAN tag that the kernel or the device took out of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VlanTag {
    /// The kind of tag: 0x8100 or 0x88a8.
    pub(super) protocol: u16,
    /// Priority and VLAN number.
    pub(super) control: u16,
}

impl VlanTag {
    fn bytes(self) -> [u8; VLAN_TAG_LEN] {
        let ([a, b], [c, d]) = (self.protocol.to_be_bytes(), self.control.to_be_bytes());
        [a, b, c, d]
    }
}

/// Puts the tag back into an Ethernet frame at `start`: the addresses move to 4 bytes earlier.
/// Returns where the frame begins then, which is `start` if there is no room, or if an address is
/// cut off.
pub(super) fn put_tag_back(block: &mut [u8], start: usize, len: usize, tag: VlanTag) -> usize {
    let Some(new_start) = start.checked_sub(VLAN_TAG_LEN) else { return start };
    if len < ETHERNET_ADDRESSES_LEN || start + ETHERNET_ADDRESSES_LEN > block.len() {
        return start;
    }
    block.copy_within(start..start + ETHERNET_ADDRESSES_LEN, new_start);
    let at = new_start + ETHERNET_ADDRESSES_LEN;
    block[at..at + VLAN_TAG_LEN].copy_from_slice(&tag.bytes());
    new_start
}

/// What the kernel knows of a frame, from `struct sockaddr_ll` (packet(7)).
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    /// In host byte order.
    pub(super) protocol: u16,
    pub(super) device: u32,
    pub(super) hardware: u16,
    pub(super) packet_type: u8,
    pub(super) address_len: u8,
    pub(super) address: [u8; 8],
}

/// The length of the cooked header of a link type. It is 0 for those that have none.
pub(super) fn cooked_len(link_type: LinkType) -> usize {
    match link_type {
        LinkType::LINUX_SLL2 => SLL2_LEN,
        LinkType::LINUX_SLL => SLL_LEN,
        _ => 0,
    }
}

/// Writes a cooked header before the packet at `start`. A VLAN tag goes between the two: its
/// protocol identifier becomes the header's protocol, and the packet's own protocol follows the
/// tag. Returns where the header begins. `None` if there is no room.
pub(super) fn cook(
    block: &mut [u8],
    start: usize,
    link_type: LinkType,
    sender: Sender,
    tag: Option<VlanTag>,
) -> Option<usize> {
    let mut protocol = sender.protocol;
    let mut start = start;
    if let Some(tag) = tag {
        let [a, b] = tag.control.to_be_bytes();
        let [c, d] = protocol.to_be_bytes();
        start = start.checked_sub(VLAN_TAG_LEN)?;
        block.get_mut(start..start + VLAN_TAG_LEN)?.copy_from_slice(&[a, b, c, d]);
        protocol = tag.protocol;
    }
    let len = cooked_len(link_type);
    let begin = start.checked_sub(len)?;
    let header = block.get_mut(begin..start)?;
    if link_type == LinkType::LINUX_SLL2 {
        header[0..2].copy_from_slice(&protocol.to_be_bytes());
        header[2..4].fill(0);
        header[4..8].copy_from_slice(&sender.device.to_be_bytes());
        header[8..10].copy_from_slice(&sender.hardware.to_be_bytes());
        header[10] = sender.packet_type;
        header[11] = sender.address_len;
        header[12..20].copy_from_slice(&sender.address);
    } else {
        header[0..2].copy_from_slice(&u16::from(sender.packet_type).to_be_bytes());
        header[2..4].copy_from_slice(&sender.hardware.to_be_bytes());
        header[4..6].copy_from_slice(&u16::from(sender.address_len).to_be_bytes());
        header[6..14].copy_from_slice(&sender.address);
        header[14..16].copy_from_slice(&protocol.to_be_bytes());
    }
    Some(begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: VlanTag = VlanTag { protocol: 0x8100, control: 0x2064 };
    const SENDER: Sender = Sender {
        protocol: 0x0800,
        device: 3,
        hardware: 1,
        packet_type: 4,
        address_len: 6,
        address: [2, 0, 0, 0, 0, 9, 0, 0],
    };

    #[test]
    fn a_tag_goes_between_addresses_and_type() {
        let mut block: Vec<u8> = (0..40).collect();
        assert_eq!(put_tag_back(&mut block, 10, 20, TAG), 6);
        let mut expected: Vec<u8> = (10..22).collect();
        expected.extend([0x81, 0x00, 0x20, 0x64, 22, 23]);
        assert_eq!(block[6..24], expected);
        // nowhere to put it, or nothing to put it into
        assert_eq!(put_tag_back(&mut block, 3, 20, TAG), 3);
        assert_eq!(put_tag_back(&mut block, 10, 11, TAG), 10);
        assert_eq!(put_tag_back(&mut block, 30, 20, TAG), 30);
    }

    #[test]
    fn cooked_headers_decode() {
        for link_type in [LinkType::LINUX_SLL, LinkType::LINUX_SLL2] {
            for tag in [None, Some(TAG)] {
                let mut block = vec![0xee; 64];
                block[32] = 0x45;
                let start = cook(&mut block, 32, link_type, SENDER, tag).unwrap();
                let tag_len = if tag.is_some() { VLAN_TAG_LEN } else { 0 };
                assert_eq!(start, 32 - tag_len - cooked_len(link_type));
                let header = &block[start..32];
                if link_type == LinkType::LINUX_SLL2 {
                    assert_eq!(header[4..12], [0, 0, 0, 3, 0, 1, 4, 6]);
                    assert_eq!(header[12..20], SENDER.address);
                } else {
                    assert_eq!(header[..6], [0, 4, 0, 1, 0, 6]);
                    assert_eq!(header[6..14], SENDER.address);
                }
                if tag.is_some() {
                    assert_eq!(header[header.len() - 4..], [0x20, 0x64, 0x08, 0x00]);
                } else if link_type == LinkType::LINUX_SLL {
                    assert_eq!(header[14..], [0x08, 0x00]);
                }
                assert!(
                    cook(&mut block, cooked_len(link_type) - 1, link_type, SENDER, None).is_none()
                );
            }
        }
    }
}
