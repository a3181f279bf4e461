//! Frames of several devices in the order of their times.
//!
//! The earliest frame that is there goes first. A device that has none may still have an earlier
//! one, in a block that the kernel has not handed over: so long, and no longer, the others wait for
//! it.

use std::time::{Duration, Instant};

use vxcap::Timestamp;
use vxcap::live::Error;

use super::clock::now;
use super::taps::Tap;

/// Devices that have nothing are asked no more often while the others' frames wait for them.
const STEP: Duration = Duration::from_millis(5);
/// A frame this far ahead of the clock came before the clock was set back, and waits for nobody.
const CLOCK_WAS_SET: Duration = Duration::from_secs(1);

/// Whose frame comes next.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// The number of the device whose frames come next.
    turn: usize,
    /// The other devices have no frame before this time.
    until: Option<Timestamp>,
    /// The time of day when the devices without a frame were asked last.
    clock: Timestamp,
    /// The same time by a clock that is never set; `None` where they have to be asked again.
    asked: Option<Instant>,
    /// Frames wait, because a device without one may still have an earlier one.
    is_waiting: bool,
    /// The capture was stopped: no more frames will arrive.
    is_draining: bool,
}

impl Order {
    /// The device whose frame is the next one; `None` where there is none, or none may go yet.
    ///
    /// # Errors
    ///
    /// That a device went away: once.
    #[inline]
    pub(crate) fn choose(&mut self, taps: &mut [Tap]) -> Result<Option<usize>, Error> {
        if let (Some(tap), Some(until)) = (taps.get_mut(self.turn), self.until)
            && tap.next_time()?.is_some_and(|time| time <= until)
        {
            return Ok(Some(self.turn));
        }
        self.change_turns(taps)
    }

    #[inline(never)]
    fn change_turns(&mut self, taps: &mut [Tap]) -> Result<Option<usize>, Error> {
        self.is_waiting = false;
        loop {
            let (first, until) = self.first(taps)?;
            let Some((turn, time)) = first else {
                self.until = None;
                return Ok(None);
            };
            if time <= until {
                (self.turn, self.until) = (turn, Some(until));
                return Ok(Some(turn));
            }
            // only those that have nothing are in the way
            if self.asked.is_none_or(|asked| asked.elapsed() >= STEP) {
                self.ask_again(taps);
                continue;
            }
            // rather out of order than lost
            if taps.iter().any(Tap::is_mostly_full) || time.earlier(CLOCK_WAS_SET) > self.clock {
                (self.turn, self.until) = (turn, Some(time));
                return Ok(Some(turn));
            }
            self.is_waiting = true;
            self.until = None;
            return Ok(None);
        }
    }

    /// The device with the earliest frame and the frame's time; and until when the others have
    /// none.
    fn first(&self, taps: &mut [Tap]) -> Result<(Option<(usize, Timestamp)>, Timestamp), Error> {
        let mut first = None;
        let mut until = Timestamp::from_nanos(i64::MAX);
        for (number, tap) in taps.iter_mut().enumerate() {
            match (tap.next_time()?, first) {
                (None, _) if tap.is_gone() || self.is_draining => {}
                (None, _) => until = until.min(tap.nothing_before(self.clock)),
                (Some(time), Some((_, earliest))) if earliest <= time => until = until.min(time),
                (Some(time), before) => {
                    until = before.map_or(until, |(_, second)| until.min(second));
                    first = Some((number, time));
                }
            }
        }
        Ok((first, until))
    }

    fn ask_again(&mut self, taps: &mut [Tap]) {
        // the clock comes first: what is not there after it was read is later than it says
        self.clock = now();
        self.asked = Some(Instant::now());
        taps.iter_mut().for_each(Tap::ask_again);
    }

    /// How long [`Self::choose`] may have nothing, where frames wait.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.is_waiting.then_some(STEP)
    }

    /// There may be something new.
    pub(crate) fn has_waited(&mut self, taps: &mut [Tap]) {
        self.asked = None;
        taps.iter_mut().for_each(Tap::ask_again);
    }

    /// No more frames will arrive: no frame waits for another device.
    pub(crate) fn drain(&mut self, taps: &mut [Tap]) {
        self.is_draining = true;
        self.has_waited(taps);
    }
}
