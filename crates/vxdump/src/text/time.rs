//! Time stamps as tcpdump prints them: `-t` to `-ttttt`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::out::put;

/// Which time stamp stands before a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Local time of day (without any `-t`).
    #[default]
    TimeOfDay,
    /// No time stamp (`-t`).
    None,
    /// Seconds since 1970-01-01 00:00 UTC (`-tt`).
    Epoch,
    /// Time since the packet before (`-ttt`).
    SincePrevious,
    /// Local date and time of day (`-tttt`).
    Date,
    /// Time since the first packet (`-ttttt`).
    SinceFirst,
}

/// How finely fractions of a second are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 6 digits.
    #[default]
    Micro,
    /// 9 digits.
    Nano,
}

/// Prints the time stamps of one run.
pub struct Clock {
    mode: Mode,
    precision: Precision,
    zone: TimeZone,
    /// the packet that times are counted from, in units of the precision
    reference: Option<i64>,
    /// the second that `text` is of: looking up a local time costs more than the rest of a line
    second: Option<i64>,
    text: [u8; 24],
    text_len: usize,
}

impl Clock {
    /// Prints in the local time zone of this process.
    pub fn new(mode: Mode, precision: Precision) -> Self {
        Self::in_zone(mode, precision, TimeZone::system())
    }

    fn in_zone(mode: Mode, precision: Precision, zone: TimeZone) -> Self {
        Self { mode, precision, zone, reference: None, second: None, text: [0; 24], text_len: 0 }
    }

    /// Appends a packet's time stamp and the space behind it.
    pub fn write(&mut self, out: &mut Vec<u8>, nanos_since_epoch: i64) {
        // constants in each arm: a division by a variable costs more than all the rest
        let (time, per_second, second, fraction) = match self.precision {
            Precision::Micro => {
                let time = nanos_since_epoch.div_euclid(1000);
                (time, 1_000_000_i64, time.div_euclid(1_000_000), time.rem_euclid(1_000_000))
            }
            Precision::Nano => {
                let time = nanos_since_epoch;
                (
                    time,
                    1_000_000_000,
                    time.div_euclid(1_000_000_000),
                    time.rem_euclid(1_000_000_000),
                )
            }
        };
        match self.mode {
            Mode::None => return,
            Mode::Epoch => {
                if second < 0 {
                    out.push(b'-');
                }
                put::decimal(out, second.unsigned_abs());
            }
            Mode::TimeOfDay | Mode::Date => {
                if self.second != Some(second) {
                    self.convert(second);
                }
                put::short(out, self.text, self.text_len);
            }
            Mode::SincePrevious | Mode::SinceFirst => {
                let reference = *self.reference.get_or_insert(time);
                if self.mode == Mode::SincePrevious {
                    self.reference = Some(time);
                }
                let difference = time.saturating_sub(reference);
                out.push(if difference < 0 { b'-' } else { b' ' });
                let difference = difference.unsigned_abs();
                let seconds = difference / per_second.unsigned_abs();
                // a day and more start again from 0, as in tcpdump
                hours_minutes_seconds(out, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
                self.fraction(out, difference % per_second.unsigned_abs());
                return;
            }
        }
        self.fraction(out, fraction.unsigned_abs());
    }

    #[inline]
    fn fraction(&self, out: &mut Vec<u8>, fraction: u64) {
        let digits = |number: u64| put::eight_digits(number as u32).to_le_bytes();
        out.push(b'.');
        match self.precision {
            Precision::Micro => out.extend_from_slice(&digits(fraction)[2..]),
            Precision::Nano => {
                out.extend_from_slice(&digits(fraction / 10));
                out.push(b'0' + (fraction % 10) as u8);
            }
        }
        out.push(b' ');
    }

    #[cold]
    fn convert(&mut self, second: i64) {
        self.second = Some(second);
        // 64-bit nanoseconds cannot leave the years 1677 to 2262
        let Ok(timestamp) = Timestamp::from_second(second) else { return };
        let local = self.zone.to_datetime(timestamp);
        let part = |number: i8| number.unsigned_abs().into();
        let mut text = Vec::with_capacity(self.text.len());
        if self.mode == Mode::Date {
            put::zero_padded(&mut text, local.year().unsigned_abs().into(), 4);
            text.push(b'-');
            put::zero_padded(&mut text, part(local.month()), 2);
            text.push(b'-');
            put::zero_padded(&mut text, part(local.day()), 2);
            text.push(b' ');
        }
        let (hour, minute, second) =
            (part(local.hour()), part(local.minute()), part(local.second()));
        hours_minutes_seconds(&mut text, hour, minute, second);
        self.text_len = text.len();
        for (place, byte) in self.text.iter_mut().zip(text) {
            *place = byte;
        }
    }
}

fn hours_minutes_seconds(out: &mut Vec<u8>, hours: u64, minutes: u64, seconds: u64) {
    put::zero_padded(out, hours, 2);
    out.push(b':');
    put::zero_padded(out, minutes, 2);
    out.push(b':');
    put::zero_padded(out, seconds, 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(mode: Mode, precision: Precision, nanos: &[i64]) -> String {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let mut clock = Clock::in_zone(mode, precision, zone);
        let mut out = Vec::new();
        for &time in nanos {
            clock.write(&mut out, time);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_mode() {
        let packets =
            [1_700_000_000_123_456_789, 1_700_000_001_000_000_000, 1_699_999_999_000_000_001];
        assert_eq!(times(Mode::None, Precision::Micro, &packets), "");
        assert_eq!(
            times(Mode::TimeOfDay, Precision::Micro, &packets),
            "00:13:20.123456 00:13:21.000000 00:13:19.000000 "
        );
        assert_eq!(
            times(Mode::Epoch, Precision::Nano, &packets),
            "1700000000.123456789 1700000001.000000000 1699999999.000000001 "
        );
        assert_eq!(
            times(Mode::SincePrevious, Precision::Micro, &packets),
            " 00:00:00.000000  00:00:00.876544 -00:00:02.000000 "
        );
        assert_eq!(
            times(Mode::SinceFirst, Precision::Micro, &packets),
            " 00:00:00.000000  00:00:00.876544 -00:00:01.123456 "
        );
        assert_eq!(
            times(Mode::Date, Precision::Micro, &packets[..1]),
            "2023-11-15 00:13:20.123456 "
        );
    }

    #[test]
    fn times_of_any_size() {
        for mode in
            [Mode::TimeOfDay, Mode::Date, Mode::Epoch, Mode::SincePrevious, Mode::SinceFirst]
        {
            for precision in [Precision::Micro, Precision::Nano] {
                times(mode, precision, &[i64::MIN, i64::MAX, -1, 0, i64::MIN]);
            }
        }
    }
}
