//! Takes the whole terminal, and gives it back as it was, whatever happens.

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

/// Enough for a frame of a large terminal, so that it is written at once.
const FRAME_BYTES: usize = 256 * 1024;

/// Is the terminal ours? Held while something is drawn.
static OURS: Mutex<bool> = Mutex::new(false);

/// The whole terminal, in raw mode and with its alternate screen. It is given back when this is
/// dropped, and when any thread panics, before the panic's message is printed.
///
/// A process has one terminal, so two screens at a time draw over each other.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// If the process has no terminal, or cannot write to it. The terminal is then left as it was.
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

    /// Gives the terminal back and stops the process, as Ctrl-Z does in other programs. Without a
    /// shell to continue it, the kernel does not stop it.
    pub(super) fn stop() -> io::Result<()> {
        leave();
        // raised in this thread, which so does not run on before all threads are stopped
        signal_hook::low_level::raise(SIGTSTP)
    }

    /// Takes the terminal again after [`Screen::stop`], whatever its content and size are now.
    /// Returns `false` while another job has it (`bg`): taking it would stop the process again.
    pub(super) fn resume(&mut self) -> io::Result<bool> {
        // if it is not the terminal of this session, there are no jobs
        if let (Ok(foreground), Ok(own)) = (tcgetpgrp(io::stdin()), getpgid(None))
            && foreground != own
        {
            return Ok(false);
        }
        take()?;
        self.terminal.clear()?;
        Ok(true)
    }

    /// Draws a frame: what changed is written at once.
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

/// Enters raw mode and the alternate screen, or neither if that fails.
fn take() -> io::Result<()> {
    enable_raw_mode()?;
    if let Ok(mut ours) = OURS.lock() {
        *ours = true;
    }
    execute!(io::stdout(), EnterAlternateScreen, Hide).inspect_err(|_| leave())
}

/// Gives the terminal back, once.
fn leave() {
    // a panic while drawing may have left it already
    if let Ok(mut ours) = OURS.lock()
        && std::mem::take(&mut *ours)
    {
        give_back();
    }
}

/// The same on a panic: of the thread that draws, or of another one while that draws.
fn leave_in_panic() {
    /// As long as it takes to write a frame to a slow terminal.
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
    // the drawing thread itself panics, and holds the lock
    give_back();
}

/// Gives the terminal back while the thread that draws hangs, as far as that is possible without
/// waiting.
pub(super) fn abandon() {
    match OURS.try_lock() {
        Ok(mut ours) => {
            if std::mem::take(&mut *ours) {
                give_back();
            }
        }
        // it hangs in a write, so nothing more can be written
        Err(_) => drop(disable_raw_mode()),
    }
}

fn give_back() {
    // nothing can be done about a terminal that is gone
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}
