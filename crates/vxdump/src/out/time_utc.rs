//! Times in UTC as RFC 3339 writes them, with nine digits.

use jiff::Timestamp as Instant;
use vxcap::Timestamp;

use crate::out::put;

/// Writes times; the text of the last second is kept, for most packets share it with the one
/// before.
#[derive(Default)]
pub(crate) struct Utc {
    second: Option<i64>,
    text: String,
}

impl Utc {
    /// Appends `2026-11-21T01:40:12.123456789Z`.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, time: Timestamp) {
        let second = time.seconds();
        if self.second != Some(second) {
            self.second = Some(second);
            // 64 bits of nanoseconds are 292 years around 1970: within what a date can be
            let instant = Instant::from_second(second).unwrap_or_default();
            self.text = instant.strftime("%Y-%m-%dT%H:%M:%S.").to_string();
        }
        put::text(out, &self.text);
        put::zero_padded(out, time.subsec_nanos().into(), 9);
        out.push(b'Z');
    }
}
