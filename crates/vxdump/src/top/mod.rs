//! `vxdump top`: who talks to whom now, on a whole screen.
//!
//! There are three threads. The calling one captures and decodes, the second counts flows and their
//! sums, and the third draws and reads keys. The first sends summaries of packets to the second,
//! and the second snapshots to the third. Nobody waits for the screen.

mod capturing;
pub(crate) mod command;
mod counting;
mod group;
mod input;
mod order;
mod rates;
mod screen;
mod state;
mod view;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGQUIT};
use signal_hook::flag;
use vxcap::live;
use vxcli::{Failure, Terminal};
use vxflow::{Config, Summarizer};

pub use screen::Screen;

use crate::input::capture::{ProcessOrders, capture};
use crate::input::open::{Opened, Plan, Session};
use crate::input::report::Report;
use crate::input::sandbox::Sandbox;
use crate::input::taps::{Purpose, Taps};
use crate::input::wanted::Wanted;
use capturing::Capturing;
use command::TopCommand;
use counting::{Counting, Slot};
use state::{Next, State};

/// How many batches of packets may wait to be counted, about 30 MB: half a second of small packets
/// at full speed, while flows are summed up. Beyond that the capture waits, and the kernel counts
/// the packets that it drops.
const WAITING: usize = 256;
/// How long to wait at the end for a terminal that is gone, or that takes nothing: its thread may
/// hang in a system call.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the screen looks for a new snapshot, and for the end. Keys act at once.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &TopCommand, terminal: &mut Terminal) -> Result<(), Failure> {
    is_possible(args, terminal)?;
    let session = Plan::new(&args.input, terminal)?.open(Purpose::Show, terminal)?;
    // open what reads keys and sizes now: the sandbox lacks the system calls for it
    event::poll(Duration::ZERO).map_err(|e| no_terminal(&e))?;
    let sandbox = Sandbox { terminal: true, ..Sandbox::default() };
    args.input.live.rights().give_up(sandbox, terminal)?;

    let Session { opened: Opened { mut taps, wanted, .. }, mut orders, .. } = session;
    let state = State {
        devices: args.input.live.interface.join(" "),
        interval: args.show.interval,
        plain: terminal.no_color,
        group: args.show.by,
        order: args.show.sort,
        ..State::default()
    };
    let screen = Screen::enter().map_err(|e| no_terminal(&e))?;
    let over = orders.signals.stopping();
    // a lost terminal ends the program, even under nohup; and every end must give the terminal back
    for signal in [SIGHUP, SIGQUIT] {
        flag::register(signal, Arc::clone(&over))
            .map_err(|e| Failure::error(format_args!("cannot wait for signals: {e}")))?;
    }
    let (captured, selected, gone) =
        watch(args, wanted, &mut taps, &mut orders, &over, (screen, state));

    let mut report = Report::new(&mut *terminal.err);
    for error in &gone {
        report.lost(error);
    }
    report.statistics(&taps.statistics(), selected);
    captured.and(report.result(&taps))
}

/// Captures, counts and draws, until one of these ends. `over` ends all. Returns what went
/// wrong, how many packets were selected, and why devices went away.
fn watch(
    args: &TopCommand,
    wanted: Wanted,
    taps: &mut Taps,
    orders: &mut ProcessOrders,
    over: &Arc<AtomicBool>,
    (screen, state): (Screen, State),
) -> (Result<(), Failure>, u64, Vec<live::Error>) {
    let config = Config::default()
        .max_flows(args.show.max_flows as usize)
        // a packet counts once, on however many devices it was captured
        .count_copies(false)
        .decoder(wanted.decoder.clone());
    let summarizer = Summarizer::new(&config);
    let counting = Counting::new(config, summarizer.clone(), Arc::clone(&wanted.map));
    let (sender, messages) = sync_channel(WAITING);
    let most = args.input.most_packets();
    let mut capturing = Capturing::new(wanted, summarizer, most, sender);
    let slot = Slot::default();
    let interval = Duration::from_secs_f64(args.show.interval);
    let counter = {
        let (over, slot) = (EndOfAll(Arc::clone(over)), slot.clone());
        thread::spawn(move || {
            let _over = over;
            counting.run(&messages, &slot, interval);
        })
    };
    let (ended, end) = mpsc::channel();
    let drawer = {
        let over = EndOfAll(Arc::clone(over));
        thread::spawn(move || {
            // nobody receives this if the end took too long
            let _ = ended.send(draw(screen, state, &slot, &over.0));
        })
    };
    let captured = {
        let _over = EndOfAll(Arc::clone(over));
        capture(taps, orders, &mut capturing)
    };
    // the counting thread ends when its channel closes
    let Capturing { selected, gone, sender, .. } = capturing;
    drop(sender);
    let drawn = match end.recv_timeout(PATIENCE) {
        Ok(drawn) => drawn,
        // it panicked
        Err(RecvTimeoutError::Disconnected) => {
            drawer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(())
        }
        Err(RecvTimeoutError::Timeout) => {
            screen::abandon();
            Ok(())
        }
    };
    let drawn = drawn.map_err(|e| Failure::error(format_args!("cannot draw on the terminal: {e}")));
    counter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    (drawn.and(captured), selected, gone)
}

/// Checks what can be checked before anything is opened.
fn is_possible(args: &TopCommand, terminal: &Terminal) -> Result<(), Failure> {
    if !args.input.files.read.is_empty() {
        return Err(Failure::usage(
            "top shows live traffic: give a device with -i. For the flows of a capture file use vxdump flows -r.",
        ));
    }
    if args.input.live.interface.is_empty() {
        return Err(Failure::usage(
            "nothing to watch: give a device with -i (vxdump -D lists them)",
        ));
    }
    if !terminal.out_is_terminal {
        return Err(Failure::usage(
            "top needs a terminal, and stdout is not one; vxdump flows -i prints without a terminal",
        ));
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("top reads keys from the terminal, and stdin is not one"));
    }
    Ok(())
}

fn no_terminal(error: &io::Error) -> Failure {
    Failure::usage(format_args!("top needs a terminal, and cannot use this one: {error}"))
}

/// Ends the other threads when one ends, in whichever way.
struct EndOfAll(Arc<AtomicBool>);

impl Drop for EndOfAll {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for keys, for [`LOOK`] at most. Fails if the terminal is gone; crossterm would read its
/// end of file for ever.
fn wait_for_keys() -> io::Result<()> {
    let stdin = io::stdin();
    let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
    let look = Timespec::try_from(LOOK).map_err(io::Error::other)?;
    match rustix::event::poll(&mut ready, Some(&look)) {
        // after a signal the caller looks at its flags
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    if ready.iter().any(|stdin| stdin.revents().intersects(gone)) {
        return Err(io::Error::new(io::ErrorKind::BrokenPipe, "it is gone"));
    }
    Ok(())
}

/// Draws, and does what keys ask for, until the end.
fn draw(mut screen: Screen, mut state: State, slot: &Slot, over: &AtomicBool) -> io::Result<()> {
    let mut changed = true;
    // the process was stopped, and does not have the terminal again
    let mut away = false;
    while !over.load(Ordering::Relaxed) {
        if let Some(snapshot) = slot.take() {
            state.take(snapshot);
            changed = true;
        }
        if away {
            if !screen.resume()? {
                thread::sleep(LOOK);
                continue;
            }
            (away, changed) = (false, true);
        }
        if changed {
            let mut fit = None;
            screen
                .draw(|frame| fit = Some(view::draw(&state, frame.area(), frame.buffer_mut())))?;
            if let Some(view::Fit { height, rows }) = fit {
                state.fit(height, rows);
            }
            changed = false;
        }
        wait_for_keys()?;
        // take all keys that are there, so that pasted text is not drawn letter by letter
        while !away && event::poll(Duration::ZERO)? {
            changed = true;
            let Event::Key(key) = event::read()? else { continue };
            match input::action(key, state.editing).map(|action| state.apply(action)) {
                Some(Next::End) => return Ok(()),
                Some(Next::Suspend) => {
                    // drop what was typed after it, as terminals do when they stop a job
                    while event::poll(Duration::ZERO)? {
                        event::read()?;
                    }
                    Screen::stop()?;
                    away = true;
                }
                Some(Next::Draw) | None => {}
            }
        }
    }
    Ok(())
}
