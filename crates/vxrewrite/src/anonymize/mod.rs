//! Anonymisation: addresses are replaced by others, and two of them share as many leading bits as
//! before.

mod blocks;
mod control;
mod ip;
mod ledger;
mod link;
mod neighbor;
mod packet;
mod transport;
mod unseen;
mod words;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipcrypt_rs::IpcryptPfx;

use ledger::Ledger;
pub use unseen::Unseen;

/// This many addresses are remembered; then all are forgotten and computed again. Own choice.
const MOST_REMEMBERED: usize = 1 << 18;

/// Replaces addresses with the help of a key. The same key always gives the same replacements.
///
/// IP addresses are encrypted with the prefix-preserving mode of `IPcrypt` (draft-denis-ipcrypt,
/// `ipcrypt-pfx`): two addresses share exactly as many leading bits before as after. IPv4 and IPv6
/// are encrypted separately, and special addresses like any other. MAC addresses are encrypted with
/// the same method. They keep their bits for group and local addresses, and broadcast stays
/// broadcast.
///
/// Replaced at every level of nesting, however deep, are:
///
/// - the addresses of link layers (Ethernet and its tags, cooked headers), of IP with its options,
///   routing headers and home addresses, and in ARP of all kinds, ICMP and ICMPv6 with the packets
///   that they quote, neighbour discovery, group membership, VRRP, Multipath TCP's options;
/// - addresses inside VXLAN, GPE, NSH, Geneve and flannel's UDP tunnels, IP in IP, GRE, ERSPAN,
///   `EtherIP`, MPLS, `PPPoE` and PPP, AH, GTP-U, LISP, Teredo, TRILL, provider backbones, and
///   `MACsec` that does not encrypt;
/// - addresses and names in name resolution blocks, and addresses in the options of interfaces.
///   Comments, filters, custom options and custom blocks are left out.
///
/// At each level, a checksum keeps its state: right, wrong, partial or zero. The checksum of SCTP
/// does not cover addresses.
///
/// Payloads of UDP and TCP are not replaced. DNS, DHCP, HTTP, flow exports and routing protocols
/// carry addresses in them, so cut payloads off where that matters
/// ([`Pipeline::headers_only`](crate::Pipeline::headers_only)). Packets with other contents that
/// could not be inspected, such as unknown options and trailers, are counted in
/// [`Report::unseen`](crate::Report::unseen).
pub struct Anonymizer {
    cipher: IpcryptPfx,
    v4: HashMap<Ipv4Addr, Ipv4Addr>,
    v6: HashMap<Ipv6Addr, Ipv6Addr>,
    macs: HashMap<[u8; 6], [u8; 6]>,
    unseen: Unseen,
    /// The checksums of the current packet. The memory is reused.
    ledger: Ledger,
}

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It has the wrong length.
    #[error("a key has 32 bytes, or 64 hexadecimal digits")]
    Length,
    /// Its two halves are equal, which makes the method unsafe.
    #[error("the two halves of the key are the same")]
    EqualHalves,
}

impl fmt::Debug for Anonymizer {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anonymizer").finish_non_exhaustive()
    }
}

impl Anonymizer {
    /// An anonymizer with a key of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::EqualHalves`].
    pub fn new(key: [u8; 32]) -> Result<Self, KeyError> {
        let (first, second) = key.split_at(16);
        if first == second {
            return Err(KeyError::EqualHalves);
        }
        Ok(Self {
            cipher: IpcryptPfx::new(key),
            v4: HashMap::new(),
            v6: HashMap::new(),
            macs: HashMap::new(),
            unseen: Unseen::default(),
            ledger: Ledger::default(),
        })
    }

    /// An anonymizer with the key in a file's bytes: 32 bytes, or 64 hexadecimal digits and white
    /// space.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn from_key_file(bytes: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = bytes.try_into() {
            return Self::new(key);
        }
        let digits: Option<Vec<u8>> = bytes
            .iter()
            .filter(|byte| !byte.is_ascii_whitespace())
            .map(|&byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
            .collect();
        let pairs: Vec<u8> = digits
            .ok_or(KeyError::Length)?
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit))
            .collect();
        Self::new(pairs.try_into().map_err(|_| KeyError::Length)?)
    }

    /// The packets so far with contents that could not be inspected.
    pub const fn unseen(&self) -> &Unseen {
        &self.unseen
    }

    /// The replacement of an IP address.
    pub fn address(&mut self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(address) => IpAddr::V4(self.v4(address)),
            IpAddr::V6(address) => IpAddr::V6(self.v6(address)),
        }
    }

    fn v4(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        if let Some(&known) = self.v4.get(&address) {
            return known;
        }
        let new = match self.cipher.encrypt_ipaddr(IpAddr::V4(address)) {
            IpAddr::V4(new) => new,
            // an IPv4 address stays one by the method
            IpAddr::V6(new) => new.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED),
        };
        if self.v4.len() >= MOST_REMEMBERED {
            self.v4.clear();
        }
        self.v4.insert(address, new);
        new
    }

    fn v6(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        if let Some(&known) = self.v6.get(&address) {
            return known;
        }
        let new = match self.cipher.encrypt_ipaddr(IpAddr::V6(address)) {
            IpAddr::V6(new) => new,
            // ::ffff:a.b.c.d is encrypted as IPv4
            IpAddr::V4(new) => new.to_ipv6_mapped(),
        };
        if self.v6.len() >= MOST_REMEMBERED {
            self.v6.clear();
        }
        self.v6.insert(address, new);
        new
    }

    /// The replacement of a MAC address.
    pub fn mac(&mut self, mac: [u8; 6]) -> [u8; 6] {
        // broadcast, and the unknown address of ARP requests
        if mac == [0xff; 6] || mac == [0; 6] {
            return mac;
        }
        if let Some(&known) = self.macs.get(&mac) {
            return known;
        }
        // The two bits for the kind of address are moved to the front. A bit's change depends on
        // the bits before it, so these two change by a constant, which is left out, and all other
        // bits depend on them.
        let [first, ..] = mac;
        let kind = first & 0b11;
        let bits = mac.iter().fold(0_u128, |bits, &byte| (bits << 8) | u128::from(byte));
        let high = bits >> 42;
        let ordered = (u128::from(kind) << 46) | (high << 40) | (bits & 0xff_ffff_ffff);
        // in a range that no captured address is in: 100::/64 is for packets to be dropped (RFC
        // 6666)
        let plain = Ipv6Addr::from((0x0100_u128 << 112) | ordered);
        let new = self.v6(plain).to_bits();
        self.v6.remove(&plain);
        let first = (((new >> 40) & 0x3f) as u8) << 2 | kind;
        let mut new: [u8; 6] = new.to_be_bytes().last_chunk().copied().unwrap_or_default();
        let [place, ..] = &mut new;
        *place = first;
        if self.macs.len() >= MOST_REMEMBERED {
            self.macs.clear();
        }
        self.macs.insert(mac, new);
        new
    }

    /// A replacement for a name. Equal names get equal replacements, and nothing else can be told
    /// from them.
    fn name(&mut self, name: &[u8]) -> String {
        // a hash of 128 bits (FNV-1a, with its authors' constants), then encrypted
        let fold =
            name.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, &byte| {
                (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
            });
        let plain = Ipv6Addr::from(fold);
        let new = self.v6(plain).to_bits();
        self.v6.remove(&plain);
        format!("name-{:012x}", new & 0xffff_ffff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn anonymizer() -> Anonymizer {
        Anonymizer::new(std::array::from_fn(|at| at as u8)).unwrap()
    }

    proptest! {
        #[test]
        fn addresses_share_as_long_prefixes_as_before(a: u32, b: u32, shared in 0_u32..=32) {
            let mut anonymizer = anonymizer();
            let b = if shared == 0 { b } else { (a & (u32::MAX << (32 - shared))) | (b.checked_shr(shared).unwrap_or(0)) };
            let (x, y) = (anonymizer.v4(a.into()).to_bits(), anonymizer.v4(b.into()).to_bits());
            prop_assert_eq!((a ^ b).leading_zeros(), (x ^ y).leading_zeros());
        }

        #[test]
        fn so_do_long_addresses(a: u128, b: u128, shared in 0_u32..128) {
            let mut anonymizer = anonymizer();
            let b = (a & !(u128::MAX >> shared)) | (b & (u128::MAX >> shared));
            let (x, y) = (anonymizer.v6(a.into()).to_bits(), anonymizer.v6(b.into()).to_bits());
            prop_assert_eq!((a ^ b).leading_zeros(), (x ^ y).leading_zeros());
        }

        #[test]
        fn macs_keep_their_kind(mac: [u8; 6], other: [u8; 6]) {
            let mut anonymizer = anonymizer();
            let (a, b) = (anonymizer.mac(mac), anonymizer.mac(other));
            prop_assert_eq!(mac[0] & 3, a[0] & 3);
            prop_assert_eq!(mac == other, a == b);
        }
    }

    #[test]
    fn keys_are_bytes_or_digits() {
        let bytes: [u8; 32] = std::array::from_fn(|at| at as u8);
        let digits: String = bytes
            .iter()
            .flat_map(|b| [b >> 4, b & 15])
            .map(|d| char::from(b"0123456789ABCDEF"[usize::from(d)]))
            .collect();
        let address = "10.244.1.5".parse().unwrap();
        let expected = anonymizer().address(address);
        assert_ne!(expected, address);
        for file in
            [bytes.to_vec(), digits.clone().into_bytes(), format!("{digits}\n").into_bytes()]
        {
            assert_eq!(Anonymizer::from_key_file(&file).unwrap().address(address), expected);
        }
        for (file, error) in [
            (b"short".to_vec(), KeyError::Length),
            (digits.as_bytes()[..63].to_vec(), KeyError::Length),
            (vec![7; 32], KeyError::EqualHalves),
        ] {
            assert_eq!(Anonymizer::from_key_file(&file).unwrap_err(), error);
        }
    }
}
