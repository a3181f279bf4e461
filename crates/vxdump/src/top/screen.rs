//! The terminal as a whole screen, and given back as it was, whatever happens.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::{Mutex, Once, TryLockError};
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};
use ratatui::{Frame, Terminal};
use rustix::process::getpgid;
use rustix::termios::tcgetpgrp;
use signal_hook::consts::SIGTSTP;

/// Room for a frame of a big terminal, so that it is written at once.
const FRAME_BYTES: usize = 256 * 1024;

/// Is the terminal ours? Held while something is drawn.
static OURS: Mutex<bool> = Mutex::new(false);

/// The terminal as a whole screen: raw mode, and the alternate screen buffer. It is given back when this is dropped, and on a
/// panic of any thread, before its message is printed.
///
/// There is one terminal: a second screen at the same time draws over the first.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// Where the process has none, or it cannot be written to. It is left as it was then.
    pub fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                leave_in_panic();
                before(panic);
            }));
        });
        take()?;
        let enter = || {
            let out = BufWriter::with_capacity(FRAME_BYTES, io::stdout());
            let mut terminal = Terminal::new(CrosstermBackend::new(out))?;
            terminal.clear()?;
            Ok(Self { terminal })
        };
        enter().inspect_err(|_| leave())
    }

    /// Gives the terminal back and stops the process, as the terminal itself does for Ctrl-Z: the shell goes on. Where there is
    /// no shell to wake it up again, the kernel does not stop it.
    pub(super) fn stop() -> io::Result<()> {
        leave();
        // to this thread: it does not run on before all are stopped
        signal_hook::low_level::raise(SIGTSTP)
    }

    /// Takes the terminal again after [`Screen::stop`], whatever is on it now and however large it has become. `false`: it is
    /// another job's as yet (`bg`), and asking for it would stop the process again.
    pub(super) fn resume(&mut self) -> io::Result<bool> {
        // where it is no terminal of this session, there are no jobs
        if let (Ok(foreground), Ok(own)) = (tcgetpgrp(io::stdin()), getpgid(None))
            && foreground != own
        {
            return Ok(false);
        }
        take()?;
        self.terminal.clear()?;
        Ok(true)
    }

    /// Draws a frame: what changed of it is written, at once.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        let Ok(ours) = OURS.lock() else { return Ok(()) };
        if !*ours {
            return Ok(());
        }
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(render)?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.terminal.backend_mut())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Raw mode, and the alternate screen; nothing of it where that fails.
fn take() -> io::Result<()> {
    enable_raw_mode()?;
    if let Ok(mut ours) = OURS.lock() {
        *ours = true;
    }
    execute!(io::stdout(), EnterAlternateScreen, Hide).inspect_err(|_| leave())
}

/// Gives the terminal back, once.
fn leave() {
    // a panic while drawing has left it already
    if let Ok(mut ours) = OURS.lock()
        && std::mem::take(&mut *ours)
    {
        give_back();
    }
}

/// The same, where the thread that panics may be the one that draws, and another one may be drawing.
fn leave_in_panic() {
    /// As long as a frame takes to be written to a slow terminal.
    const PATIENCE: u32 = 20;
    for _ in 0..PATIENCE {
        match OURS.try_lock() {
            Ok(mut ours) => {
                if std::mem::take(&mut *ours) {
                    give_back();
                }
                return;
            }
            Err(TryLockError::Poisoned(_)) => return,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    // the drawing thread itself panics: it holds the lock, and poisons it
    give_back();
}

/// Gives the terminal back while the thread that draws hangs: as far as that can be done without waiting.
pub(super) fn abandon() {
    match OURS.try_lock() {
        Ok(mut ours) => {
            if std::mem::take(&mut *ours) {
                give_back();
            }
        }
        // it hangs while it writes: nothing more can be written
        Err(_) => drop(disable_raw_mode()),
    }
}

fn give_back() {
    // nothing can be done about a terminal that is gone
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}
