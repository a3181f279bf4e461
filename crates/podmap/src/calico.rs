//! What Calico computes instead of storing.

use sha1::{Digest, Sha1};

/// The MAC address that Calico gives a node's VXLAN device where its datastore names none: `0x66`,
/// then the first five bytes of the SHA-1 of the node's name, of the name and `-v6` for the IPv6
/// device (projectcalico/calico, `felix/calc/vxlan_resolver.go`, `vtepMACForHost`).
pub(crate) fn calico_vtep_mac(node: &str, ipv6: bool) -> [u8; 6] {
    let mut hash = Sha1::new();
    hash.update(node);
    if ipv6 {
        hash.update("-v6");
    }
    let hash = hash.finalize();
    let mut mac = [0x66; 6];
    for (byte, of_hash) in mac.iter_mut().skip(1).zip(hash) {
        *byte = of_hash;
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compared with `printf n1 | sha1sum` and `printf n1-v6 | sha1sum`.
    #[test]
    fn the_mac_is_the_hash_of_the_name() {
        assert_eq!(calico_vtep_mac("n1", false), [0x66, 0x40, 0xb3, 0xea, 0xb6, 0x3f]);
        assert_eq!(calico_vtep_mac("n1", true), [0x66, 0x46, 0x32, 0x55, 0x72, 0x28]);
    }
}
