//! The value of a column in a row.

use std::borrow::Cow;
use std::net::IpAddr;

use vxcap::Timestamp;
use vxlan::TcpFlags;

use crate::out::put;
use crate::out::time_utc::Utc;

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Does not apply.
    Absent,
    Text(Cow<'a, str>),
    Number(u64),
    /// Nanoseconds since the Unix epoch.
    Time(i64),
    /// Nanoseconds, written as seconds.
    Seconds(i64),
    /// Nanoseconds, written as milliseconds.
    Millis(i64),
    Address(IpAddr),
    Flags(TcpFlags),
}

impl<'a> Value<'a> {
    pub(crate) fn number<N: Into<u64>>(number: Option<N>) -> Self {
        number.map_or(Self::Absent, |number| Self::Number(number.into()))
    }

    pub(crate) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Absent, |text| Self::Text(Cow::Borrowed(text)))
    }

    pub(crate) fn millis(nanos: Option<i64>) -> Self {
        nanos.map_or(Self::Absent, Self::Millis)
    }

    pub(crate) fn address(address: Option<IpAddr>) -> Self {
        address.map_or(Self::Absent, Self::Address)
    }

    /// Is it a JSON number?
    pub(crate) const fn is_number(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Seconds(_) | Self::Millis(_))
    }

    /// Appends it as text, without quotes; nothing where it is absent.
    pub(crate) fn write(&self, out: &mut Vec<u8>, utc: &mut Utc) {
        match self {
            Self::Absent => {}
            Self::Text(text) => put::text(out, text),
            Self::Number(number) => put::decimal(out, *number),
            Self::Time(nanos) => utc.write(out, Timestamp::from_nanos(*nanos)),
            Self::Seconds(nanos) => fraction(out, *nanos, 9),
            Self::Millis(nanos) => fraction(out, *nanos, 6),
            Self::Address(address) => put::address(out, *address),
            Self::Flags(flags) => put::tcp_flags(out, *flags),
        }
    }
}

/// A number with so many digits behind the point.
fn fraction(out: &mut Vec<u8>, number: i64, digits: u32) {
    if number < 0 {
        out.push(b'-');
    }
    let unit = 10_u64.pow(digits);
    let number = number.unsigned_abs();
    put::decimal(out, number / unit);
    out.push(b'.');
    put::zero_padded(out, number % unit, digits as usize);
}
