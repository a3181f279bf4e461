//! A captured frame, and what is known about it besides its bytes.

use std::time::Duration;

use vxlan::LinkType;

/// Nanoseconds in a second.
pub(crate) const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A point in time: nanoseconds since the Unix epoch, signed (1677 to 2262).
///
/// Finer times of a pcapng file are rounded down, and times outside of this range become its first
/// or last one. The raw blocks keep all times as they are in the file.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time this many nanoseconds after the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The time this much earlier, or the first time that there is.
    #[must_use]
    pub fn earlier(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Whole seconds since the epoch, rounded down: 1 ns before the epoch is second -1.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    /// Nanoseconds since the begin of [`Self::seconds`], below 1,000,000,000.
    pub const fn subsec_nanos(self) -> u32 {
        self.0.rem_euclid(NANOS_PER_SECOND) as u32
    }
}

/// A captured frame, borrowed from a reader's buffer or a device's ring.
///
/// Callers build it, so a new field is a breaking change.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it was captured. It is 0 in simple packet blocks of pcapng, which have no time.
    pub time: Timestamp,
    /// Which header the bytes begin with.
    pub link_type: LinkType,
    /// The index of its interface among the reader's interfaces, which are counted over all
    /// sections of the file.
    pub interface: u32,
    /// The length on the wire in bytes, as the file has it. In a damaged file it may be less than
    /// the captured length.
    pub orig_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
    /// Direction, and what the capturing kernel knew about checksums and segmentation.
    pub flags: FrameFlags,
}

/// Which way a frame went, as seen from the capturing host.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Direction {
    /// Not known.
    #[default]
    Unknown,
    /// Received.
    Inbound,
    /// Sent.
    Outbound,
}

/// What the capturing kernel knew about the transport checksum.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ChecksumHint {
    /// Nothing is known.
    #[default]
    None,
    /// The checksum field is incomplete: the device was to fill it in (`CHECKSUM_PARTIAL`).
    NotReady,
    /// The kernel or the device has verified it, or the packet never left the host.
    Valid,
}

/// Direction, checksum and segmentation state of a frame.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct FrameFlags {
    /// Which way the frame went.
    pub direction: Direction,
    /// What the kernel knew about the transport checksum.
    pub checksum: ChecksumHint,
    /// The frame stands for several frames on the wire: the device segments it (GSO), or has
    /// combined them (GRO).
    pub gso: bool,
}

impl FrameFlags {
    /// Reads an `epb_flags` word (draft-ietf-opsawg-pcapng, section 4.3.1): bits 0 and 1 are the
    /// direction, bit 9 is “checksum not ready”, bit 10 “checksum valid”, bit 11 “TCP segmentation
    /// offloaded”.
    pub const fn from_epb_flags(word: u32) -> Self {
        Self {
            direction: match word & 0b11 {
                1 => Direction::Inbound,
                2 => Direction::Outbound,
                _ => Direction::Unknown,
            },
            checksum: if word & CHECKSUM_NOT_READY != 0 {
                ChecksumHint::NotReady
            } else if word & CHECKSUM_VALID != 0 {
                ChecksumHint::Valid
            } else {
                ChecksumHint::None
            },
            gso: word & SEGMENTATION_OFFLOADED != 0,
        }
    }

    /// The `epb_flags` word of these flags. It is 0 where nothing is known.
    pub const fn epb_flags(self) -> u32 {
        let direction = match self.direction {
            Direction::Unknown => 0,
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };
        let checksum = match self.checksum {
            ChecksumHint::None => 0,
            ChecksumHint::NotReady => CHECKSUM_NOT_READY,
            ChecksumHint::Valid => CHECKSUM_VALID,
        };
        direction | checksum | if self.gso { SEGMENTATION_OFFLOADED } else { 0 }
    }
}

/// draft-ietf-opsawg-pcapng, section 4.3.1, bit 9.
const CHECKSUM_NOT_READY: u32 = 1 << 9;
/// draft-ietf-opsawg-pcapng, section 4.3.1, bit 10.
const CHECKSUM_VALID: u32 = 1 << 10;
/// draft-ietf-opsawg-pcapng, section 4.3.1, bit 11.
const SEGMENTATION_OFFLOADED: u32 = 1 << 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_epoch_round_down() {
        let time = Timestamp::from_nanos(-1);
        assert_eq!((time.seconds(), time.subsec_nanos()), (-1, 999_999_999));
        assert_eq!(Timestamp::from_nanos(1_500_000_000).seconds(), 1);
        assert_eq!(Timestamp::from_nanos(i64::MIN).subsec_nanos(), 145_224_192);
    }

    #[test]
    fn flags_survive_the_block() {
        for direction in [Direction::Unknown, Direction::Inbound, Direction::Outbound] {
            for checksum in [ChecksumHint::None, ChecksumHint::NotReady, ChecksumHint::Valid] {
                for gso in [false, true] {
                    let flags = FrameFlags { direction, checksum, gso };
                    assert_eq!(FrameFlags::from_epb_flags(flags.epb_flags()), flags);
                }
            }
        }
        assert_eq!(FrameFlags::from_epb_flags(0x1e2).direction, Direction::Outbound);
    }
}
