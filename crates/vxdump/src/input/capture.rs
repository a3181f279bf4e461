//! The one loop over the frames of devices. What is done with them is a [`Watch`]: packets, each of
//! their threads, flows and `top`.

use std::time::Duration;

use vxcap::live::{Error, Statistics};
use vxcli::Failure;

use super::following::{Following, Known};
use super::signals::Signals;
use super::taps::{DeviceFrame, Taps};
use super::wanted::Wanted;

/// The pause between two looks at the orders while no frame comes.
pub(crate) const WAIT: Duration = Duration::from_millis(100);
/// Frames between two looks while many come.
const BATCH: u32 = 4096;

/// What comes after a frame or a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    /// The capture is over: as many packets as were asked for are there, or nobody needs more.
    Enough,
}

/// Does something with the frames of a capture.
pub(crate) trait Watch {
    /// The longest wait for a frame before the next turn.
    const PATIENCE: Duration = WAIT;

    /// What decides on frames.
    fn wanted(&mut self) -> &mut Wanted;

    /// Takes a frame.
    fn frame(&mut self, frame: DeviceFrame<'_>) -> Result<Next, Failure>;

    /// What is to be done after each batch of frames, and while none comes (`came` is false then,
    /// and what waits to be shown should be).
    fn turn(&mut self, taps: &mut Taps, came: bool) -> Result<Next, Failure>;

    /// The map will be another one: the frames so far belong to the map before.
    fn map_changed(&mut self, known: &Known) {
        let _ = known;
    }

    /// Tells how the capture goes.
    fn report(&mut self, statistics: &Statistics);

    /// Hears that a device went away: once for each.
    fn lost(&mut self, error: Error);
}

/// What a capture obeys, besides its [`Watch`].
pub(crate) trait Orders {
    /// Shall the capture end?
    fn stop(&mut self) -> bool;
    /// Were statistics asked for since the last call?
    fn report(&mut self) -> bool;
    /// What is known of the cluster now, where that has changed since the last call.
    fn changed(&mut self) -> Option<Known>;
}

/// Orders of the process: signals, and changes of the map's sources.
pub(crate) struct ProcessOrders {
    pub(crate) signals: Signals,
    pub(crate) following: Following,
}

impl Orders for ProcessOrders {
    fn stop(&mut self) -> bool {
        self.signals.stop()
    }

    fn report(&mut self) -> bool {
        self.signals.report()
    }

    fn changed(&mut self) -> Option<Known> {
        self.following.changed()
    }
}

/// Captures until it is ordered to stop, there is enough, or no device is left. What arrived before
/// the order to stop is taken in too.
pub(crate) fn capture<W: Watch>(
    taps: &mut Taps,
    orders: &mut impl Orders,
    watch: &mut W,
) -> Result<(), Failure> {
    while !orders.stop() && !taps.is_over() {
        if orders.report() {
            watch.report(&taps.statistics());
        }
        if let Some(known) = orders.changed() {
            watch.map_changed(&known);
            let wanted = watch.wanted();
            wanted.map_changed(known.map);
            taps.map_changed(&mut wanted.selection, &wanted.map)?;
        }
        match round(taps, watch)? {
            (_, Next::Enough) => return Ok(()),
            (true, Next::Continue) => {}
            (false, Next::Continue) => taps.wait(W::PATIENCE)?,
        }
    }
    // a device that cannot be stopped does not keep the others from being drained
    let stopped = taps.stop();
    while round(taps, watch)? == (true, Next::Continue) {}
    stopped
}

/// Takes the frames that are there, at most a batch. Returns whether there were any.
fn round<W: Watch>(taps: &mut Taps, watch: &mut W) -> Result<(bool, Next), Failure> {
    let (mut came, mut next) = (false, Next::Continue);
    for _ in 0..BATCH {
        match taps.next_frame() {
            Ok(Some(frame)) => {
                came = true;
                next = watch.frame(frame)?;
                if next == Next::Enough {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => watch.lost(error),
        }
    }
    let turn = watch.turn(taps, came)?;
    Ok((came, if next == Next::Enough { next } else { turn }))
}
