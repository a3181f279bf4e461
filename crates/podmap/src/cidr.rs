//! An address range in CIDR notation, checked when it is made.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address range in CIDR notation (RFC 4632; RFC 4291 section 2.3): a network address without
/// host bits, and a prefix length in bits.
///
/// Ordered by address family, then address, then from short to long prefixes: a range stands
/// directly before what it contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    address: IpAddr,
    prefix_len: u8,
}

/// Why a text or a pair of address and prefix length is no [`Cidr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CidrError {
    /// There is no `/` in the text.
    #[error("the prefix length is missing, as in 10.244.1.0/24")]
    NoPrefix,
    /// What stands before the `/` is no address.
    #[error("what stands before the / is no IP address")]
    Address,
    /// The prefix length is no number, or longer than the address.
    #[error("the prefix length must be a number from 0 to {0}")]
    PrefixLen(u8),
    /// Bits beyond the prefix are set; the range that was probably meant is given.
    #[error("bits are set after the prefix; {0} is the range")]
    HostBits(Cidr),
}

/// The length of an address of `address`'s family in bits.
const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl Cidr {
    /// The range of `address` with `prefix_len` bits in common.
    ///
    /// # Errors
    ///
    /// [`CidrError::PrefixLen`] where the prefix is longer than the address, and
    /// [`CidrError::HostBits`] where `address` is not the first of the range.
    pub fn new(address: IpAddr, prefix_len: u8) -> Result<Self, CidrError> {
        let range = Self::around(address, prefix_len)?;
        if range.address == address { Ok(range) } else { Err(CidrError::HostBits(range)) }
    }

    /// The range of `prefix_len` bits that `address` lies in: `10.244.1.1/24` gives
    /// `10.244.1.0/24`.
    ///
    /// # Errors
    ///
    /// [`CidrError::PrefixLen`] where the prefix is longer than the address.
    pub fn around(address: IpAddr, prefix_len: u8) -> Result<Self, CidrError> {
        let length = bits(address);
        if prefix_len > length {
            return Err(CidrError::PrefixLen(length));
        }
        let host_bits = u32::from(length - prefix_len);
        let address = match address {
            IpAddr::V4(a) => {
                let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask))
            }
            IpAddr::V6(a) => {
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask))
            }
        };
        Ok(Self { address, prefix_len })
    }

    /// The range of one address: a prefix of 32 or 128 bits.
    pub const fn host(address: IpAddr) -> Self {
        Self { address, prefix_len: bits(address) }
    }

    /// Reads an interface's address such as `10.244.1.1/24`, where bits after the prefix are usual:
    /// the address, and the range it lies in.
    ///
    /// # Errors
    ///
    /// As for [`Cidr::from_str`], without [`CidrError::HostBits`].
    pub fn parse_interface(text: &str) -> Result<(IpAddr, Self), CidrError> {
        let (address, prefix_len) = text.split_once('/').ok_or(CidrError::NoPrefix)?;
        let address: IpAddr = address.parse().map_err(|_| CidrError::Address)?;
        let length = bits(address);
        // `u8::from_str` takes a sign and leading zeros, which nothing that writes CIDRs does
        let plain = prefix_len.bytes().all(|b| b.is_ascii_digit())
            && (prefix_len == "0" || !prefix_len.starts_with('0'));
        let prefix_len = match prefix_len.parse::<u8>() {
            Ok(n) if plain => n,
            _ => return Err(CidrError::PrefixLen(length)),
        };
        Ok((address, Self::around(address, prefix_len)?))
    }

    /// The first address of the range.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The length of the prefix in bits, 0 to 32 or 0 to 128.
    pub const fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// Whether the range is a single address.
    pub const fn is_host(&self) -> bool {
        self.prefix_len == bits(self.address)
    }

    /// The last address of the range.
    pub fn last(&self) -> IpAddr {
        let prefix_len = u32::from(self.prefix_len);
        match self.address {
            IpAddr::V4(a) => {
                let rest = u32::MAX.checked_shr(prefix_len).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() | rest))
            }
            IpAddr::V6(a) => {
                let rest = u128::MAX.checked_shr(prefix_len).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() | rest))
            }
        }
    }

    /// Whether `address` lies in the range; never for an address of the other family.
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::around(address, self.prefix_len).is_ok_and(|range| range == *self)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// Reads `10.244.1.0/24` or `fd00:10:244:1::/64`. Bits after the prefix are refused.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, range) = Self::parse_interface(text)?;
        if range.address == address { Ok(range) } else { Err(CidrError::HostBits(range)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_cidr_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", CidrError::NoPrefix),
            ("10.0.0.0", CidrError::NoPrefix),
            ("/8", CidrError::Address),
            ("010.0.0.0/8", CidrError::Address),
            ("10.0.0/8", CidrError::Address),
            ("10.0.0.0/", CidrError::PrefixLen(32)),
            ("10.0.0.0/33", CidrError::PrefixLen(32)),
            ("10.0.0.0/+8", CidrError::PrefixLen(32)),
            ("10.0.0.0/08", CidrError::PrefixLen(32)),
            ("fd00::/129", CidrError::PrefixLen(128)),
            ("fd00::/256", CidrError::PrefixLen(128)),
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(reason), "{text}");
        }
        let error = "10.244.1.1/24".parse::<Cidr>().unwrap_err();
        assert_eq!(error.to_string(), "bits are set after the prefix; 10.244.1.0/24 is the range");
    }

    #[test]
    fn the_widest_ranges_hold_everything_of_their_family() {
        let four: Cidr = "0.0.0.0/0".parse().unwrap();
        let six: Cidr = "::/0".parse().unwrap();
        assert_eq!(four.last(), "255.255.255.255".parse::<IpAddr>().unwrap());
        assert!(four.contains("8.8.8.8".parse().unwrap()));
        assert!(six.contains("2001:db8::1".parse().unwrap()));
        assert!(!four.contains("::".parse().unwrap()));
        assert!(!six.contains("0.0.0.0".parse().unwrap()));
    }

    proptest! {
        /// ipnet is the judge: same acceptance of ranges, same bounds, same membership.
        #[test]
        fn agrees_with_ipnet(address: u32, other: u32, len in 0u8..=40, six: bool, low: u128) {
            let (address, other): (IpAddr, IpAddr) = if six {
                let base = u128::from(address) << 96;
                (Ipv6Addr::from(base | low).into(), Ipv6Addr::from(base | !low).into())
            } else {
                (Ipv4Addr::from(address).into(), Ipv4Addr::from(other).into())
            };
            let judge = ipnet::IpNet::new(address, len);
            let ours = Cidr::around(address, len);
            prop_assert_eq!(judge.is_ok(), ours.is_ok());
            if let (Ok(judge), Ok(ours)) = (judge, ours) {
                prop_assert_eq!(judge.network(), ours.address());
                prop_assert_eq!(judge.broadcast(), ours.last());
                prop_assert_eq!(judge.contains(&other), ours.contains(other));
                prop_assert_eq!(judge.trunc().to_string(), ours.to_string());
                prop_assert_eq!(ours.to_string().parse::<Cidr>(), Ok(ours));
            }
        }
    }
}
