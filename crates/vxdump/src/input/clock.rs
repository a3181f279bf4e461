//! The clock that stamps frames.

use std::time::SystemTime;

use vxcap::Timestamp;

/// The time now, by the clock that the kernel stamps frames with.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
