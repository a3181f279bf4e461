//! How a terminal shows a value: numbers in few digits, times of day, an address and its port in
//! one cell.

use super::value::Value;
use crate::out::numbers;
use crate::out::put;
use crate::out::time_utc::Utc;

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Whole,
    /// A text of any length, which may be cut.
    Text,
    /// The name of an end: a text that may replace its address.
    Name,
    /// The node of an end: a text that is part of a pod's name, too.
    Node,
    /// An address, with the second value as its port.
    End,
    /// A number, in few digits.
    Count,
    /// Numbers of both ends.
    Both,
    /// The time of day.
    Clock,
    /// A length of time.
    Span,
    /// No cell of its own: it is the second value of the column with this name.
    Within(&'static str),
}

impl Form {
    /// Are its values texts that can be cut?
    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Name | Self::Node | Self::End)
    }

    /// Appends a value and the second value of its cell; `-` if that is nothing.
    pub(crate) fn write(
        self,
        out: &mut Vec<u8>,
        value: &Value<'_>,
        second: &Value<'_>,
        utc: &mut Utc,
    ) {
        let start = out.len();
        match (self, value) {
            (_, Value::Absent) => {}
            (Self::End, Value::Address(address))
                if address.is_ipv6() && *second != Value::Absent =>
            {
                out.push(b'[');
                put::address(out, *address);
                out.push(b']');
                write_port(out, second, utc);
            }
            (Self::End, _) => {
                value.write(out, utc);
                write_port(out, second, utc);
            }
            (Self::Count, Value::Number(number)) => put::text(out, &numbers::count(*number)),
            (Self::Both, Value::Number(there)) => {
                put::text(out, &numbers::count(*there));
                if let Value::Number(back) = second
                    && there | back != 0
                {
                    out.push(b'/');
                    put::text(out, &numbers::count(*back));
                }
            }
            (Self::Span, Value::Seconds(nanos) | Value::Millis(nanos)) => {
                put::text(out, &numbers::time(*nanos));
            }
            (Self::Clock, Value::Time(_)) => {
                value.write(out, utc);
                // of 2026-11-21T01:40:12.123456789Z the time with milliseconds
                out.truncate(start + 23);
                out.drain(start..out.len().min(start + 11));
            }
            _ => value.write(out, utc),
        }
        if out.len() == start {
            out.push(b'-');
        }
    }
}

/// Appends `:8080`, where there is a port.
pub(crate) fn write_port(out: &mut Vec<u8>, port: &Value<'_>, utc: &mut Utc) {
    if *port != Value::Absent {
        out.push(b':');
        port.write(out, utc);
    }
}
