//! The interface that frames were captured on.

use vxlan::LinkType;

use crate::frame::{NANOS_PER_SECOND, Timestamp};

/// An interface of a capture. A pcap file has one, a pcapng file one for each interface description
/// block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// The link type of its frames.
    pub link_type: LinkType,
    /// At most this many bytes of a frame were captured. 0 means no limit.
    pub snaplen: u32,
    /// The unit of its times.
    pub resolution: Resolution,
    /// Seconds to add to its times (`if_tsoffset`).
    pub ts_offset: i64,
    /// The section of the file that describes it, counted from 0.
    pub section: u32,
    /// The length in bytes of the frame check sequence at the end of each frame, where it is known
    /// (`if_fcslen`).
    pub fcs_len: Option<u8>,
    /// The device's name (`if_name`).
    pub name: Option<String>,
    /// A description of the device (`if_description`).
    pub description: Option<String>,
    /// The capture filter, as text (`if_filter` of kind 0).
    pub filter: Option<String>,
    /// The operating system of the capturing host (`if_os`).
    pub os: Option<String>,
    /// The device's hardware (`if_hardware`).
    pub hardware: Option<String>,
    /// The device's speed in bits a second (`if_speed`).
    pub speed: Option<u64>,
    /// The device's MAC address (`if_MACaddr`).
    pub mac: Option<[u8; 6]>,
}

impl Interface {
    /// An interface of which only this is known. Its times are in microseconds, without an offset.
    pub const fn new(link_type: LinkType, snaplen: u32) -> Self {
        Self {
            link_type,
            snaplen,
            resolution: Resolution::MICROS,
            ts_offset: 0,
            section: 0,
            fcs_len: None,
            name: None,
            description: None,
            filter: None,
            os: None,
            hardware: None,
            speed: None,
            mac: None,
        }
    }

    /// The same interface with this name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same interface with times in this unit.
    #[must_use]
    pub const fn with_resolution(mut self, resolution: Resolution) -> Self {
        self.resolution = resolution;
        self
    }

    /// The same interface with so many seconds to add to its times.
    #[must_use]
    pub const fn with_ts_offset(mut self, seconds: i64) -> Self {
        self.ts_offset = seconds;
        self
    }
}

/// The unit of an interface's times.
///
/// It is the byte of `if_tsresol` (draft-ietf-opsawg-pcapng, section 4.2). With the highest bit
/// clear, the unit is 10<sup>-n</sup> seconds, where n is the byte. With it set, the unit is
/// 2<sup>-n</sup> seconds, where n is the other seven bits.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resolution(pub u8);

/// 2 to the power of minus this is less than a nanosecond.
const FINER_THAN_NANOS: u32 = 30;

impl Resolution {
    /// Microseconds, the unit of files that name none.
    pub const MICROS: Self = Self(6);
    /// Nanoseconds.
    pub const NANOS: Self = Self(9);

    /// The exponent n.
    pub const fn exponent(self) -> u32 {
        (self.0 & 0x7f) as u32
    }

    /// Whether the unit is a power of two.
    pub const fn is_binary(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// How ticks of this unit become nanoseconds.
    pub(crate) const fn scale(self) -> Scale {
        let exponent = self.exponent();
        if self.is_binary() {
            Scale::Shift(exponent)
        } else if exponent <= 9 {
            Scale::Multiply(10_u64.pow(9 - exponent))
        } else {
            match 10_u64.checked_pow(exponent - 9) {
                Some(divisor) => Scale::Divide(divisor),
                // one nanosecond is more ticks than 64 bits count
                None => Scale::Zero,
            }
        }
    }

    /// The time that is `ticks` units and `offset` seconds after the epoch. It is rounded down to
    /// nanoseconds. A time that is too early or too late becomes the first or the last one.
    pub const fn timestamp(self, ticks: u64, offset: i64) -> Timestamp {
        self.scale().timestamp(ticks, offset)
    }

    /// How many units a time is after the epoch plus `offset` seconds, rounded down. It is 0 for an
    /// earlier time, and [`u64::MAX`] for a time that 64 bits cannot count.
    pub const fn ticks(self, time: Timestamp, offset: i64) -> u64 {
        match self.checked_ticks(time, offset) {
            Some(ticks) => ticks,
            None if (time.nanos() as i128) < offset as i128 * NANOS_PER_SECOND as i128 => 0,
            None => u64::MAX,
        }
    }

    /// How many units a time is after the epoch plus `offset` seconds, rounded down. `None` for an
    /// earlier time, and for a time that 64 bits cannot count.
    ///
    /// It is the inverse of [`Self::timestamp`] for units of a nanosecond or longer: ticks come
    /// back as they were.
    #[inline]
    pub const fn checked_ticks(self, time: Timestamp, offset: i64) -> Option<u64> {
        // every packet of nearly every file: no division of 128 bits
        if let (Scale::Multiply(factor), 0, 0..) = (self.scale(), offset, time.nanos()) {
            let nanos = time.nanos().cast_unsigned();
            // the unit of captures: a division takes longer than all else here
            return Some(if factor == 1 { nanos } else { nanos / factor });
        }
        self.shifted_ticks(time, offset)
    }

    /// [`Self::checked_ticks`] of any unit and offset.
    const fn shifted_ticks(self, time: Timestamp, offset: i64) -> Option<u64> {
        let nanos = time.nanos() as i128 - offset as i128 * NANOS_PER_SECOND as i128;
        if nanos < 0 {
            return None;
        }
        // at most 94 bits: 63 of the time, 63 + 30 of the offset
        let nanos = nanos.unsigned_abs();
        let ticks = match self.scale() {
            Scale::Multiply(factor) => nanos / factor as u128,
            Scale::Divide(divisor) => match nanos.checked_mul(divisor as u128) {
                Some(ticks) => ticks,
                None => return None,
            },
            Scale::Shift(bits @ 0..=64) => {
                let second = NANOS_PER_SECOND as u128;
                let (whole, rest) = (nanos / second, nanos % second);
                let mut fraction = (rest << bits) / second;
                // a time that came from ticks was rounded down: back to the tick that it came from
                if bits < FINER_THAN_NANOS && ((fraction + 1) * second) >> bits == rest {
                    fraction += 1;
                }
                match whole.checked_mul(1 << bits) {
                    Some(ticks) => ticks + fraction,
                    None => return None,
                }
            }
            // a nanosecond is more ticks than 64 bits count
            Scale::Shift(_) | Scale::Zero if nanos == 0 => 0,
            Scale::Shift(_) | Scale::Zero => return None,
        };
        if ticks <= u64::MAX as u128 { Some(ticks as u64) } else { None }
    }
}

/// How ticks become nanoseconds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// A tick is this many nanoseconds.
    Multiply(u64),
    /// A nanosecond is this many ticks.
    Divide(u64),
    /// A second is 2 to the power of this many ticks.
    Shift(u32),
    /// A tick is so small that any count of them is below a nanosecond.
    Zero,
}

impl Scale {
    /// The time of this many ticks since the epoch plus `offset` seconds.
    #[inline]
    pub(crate) const fn timestamp(self, ticks: u64, offset: i64) -> Timestamp {
        let nanos = match self {
            Self::Multiply(factor) => match ticks.checked_mul(factor) {
                Some(nanos) if nanos <= i64::MAX as u64 => {
                    if offset == 0 {
                        return Timestamp::from_nanos(nanos.cast_signed());
                    }
                    nanos as i128
                }
                _ => ticks as i128 * factor as i128,
            },
            Self::Divide(divisor) => (ticks / divisor) as i128,
            // 64 bits of ticks and 30 of the factor: below 2^94
            Self::Shift(bits) => ((ticks as u128 * NANOS_PER_SECOND as u128) >> bits).cast_signed(),
            Self::Zero => 0,
        };
        let nanos = nanos + offset as i128 * NANOS_PER_SECOND as i128;
        Timestamp::from_nanos(if nanos > i64::MAX as i128 {
            i64::MAX
        } else if nanos < i64::MIN as i128 {
            i64::MIN
        } else {
            nanos as i64
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_nanoseconds() {
        let nanos = |resolution: u8, ticks| Resolution(resolution).timestamp(ticks, 0).nanos();
        assert_eq!(nanos(6, 1_700_000_000_123_456), 1_700_000_000_123_456_000);
        assert_eq!(nanos(9, 1_700_000_000_123_456_789), 1_700_000_000_123_456_789);
        assert_eq!(nanos(0, 17), 17_000_000_000);
        assert_eq!(nanos(0, u64::MAX), i64::MAX);
        assert_eq!(nanos(12, 1_999), 1);
        assert_eq!(nanos(28, u64::MAX), 1);
        assert_eq!(nanos(29, u64::MAX), 0);
        assert_eq!(nanos(127, u64::MAX), 0);
        assert_eq!(nanos(0x80, 3), 3_000_000_000);
        assert_eq!(nanos(0x81, 3), 1_500_000_000);
        assert_eq!(nanos(0x9e, (5 << 30) + 1), 5_000_000_000);
        assert_eq!(nanos(0xff, u64::MAX), 0);
        assert_eq!(nanos(0x80, u64::MAX), i64::MAX);
    }

    #[test]
    fn offsets_are_added_and_saturate() {
        let nanos = |ticks, offset| Resolution::NANOS.timestamp(ticks, offset).nanos();
        assert_eq!(nanos(5, 2), 2_000_000_005);
        assert_eq!(nanos(5, -2), -1_999_999_995);
        assert_eq!(nanos(5, i64::MAX), i64::MAX);
        assert_eq!(nanos(5, i64::MIN), i64::MIN);
        assert_eq!(nanos(u64::MAX, -18_000_000_000), 446_744_073_709_551_615);
    }

    #[test]
    fn nanoseconds_become_ticks() {
        for resolution in (0..=255).map(Resolution) {
            for ticks in [0_u64, 1, 7, 1_700_000_000, 1_700_000_000_123_456] {
                for offset in [0, -3, 5] {
                    let time = resolution.timestamp(ticks, offset);
                    if time.nanos() == i64::MAX {
                        continue;
                    }
                    let Some(back) = resolution.checked_ticks(time, offset) else { continue };
                    // rounded down: the tick found lies not after the time, and the next one does
                    assert!(back <= ticks, "{resolution:?} {ticks}");
                    assert!(resolution.timestamp(back, offset) <= time);
                    let finest = if resolution.is_binary() { FINER_THAN_NANOS - 1 } else { 9 };
                    if resolution.exponent() <= finest {
                        assert_eq!(back, ticks, "{resolution:?}");
                    }
                }
            }
        }
        let before = Timestamp::from_nanos(-5);
        assert_eq!(Resolution::MICROS.checked_ticks(before, 0), None);
        assert_eq!(Resolution::MICROS.checked_ticks(before, -1), Some(999_999));
        assert_eq!(Resolution::MICROS.ticks(before, 0), 0);
        assert_eq!(Resolution(12).ticks(Timestamp::from_nanos(i64::MAX), 0), u64::MAX);
        assert_eq!(Resolution(12).checked_ticks(Timestamp::from_nanos(i64::MAX), 0), None);
        assert_eq!(
            Resolution(0x81).checked_ticks(Timestamp::from_nanos(1_500_000_000), 0),
            Some(3)
        );
    }
}
