//! The progress bar of long reads.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Looked at once in this many packets.
const EVERY: u64 = 1 << 14;

/// A bar on stderr; none where it is not wanted.
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar, if it is wanted.
    pub fn new(wanted: bool) -> Self {
        let bar = wanted.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Self { bar }
    }

    /// Moves the bar, now and then; `place` is asked only then.
    #[inline]
    pub fn packet(&self, number: u64, place: impl FnOnce() -> (u64, Option<u64>)) {
        if self.bar.is_some() && number.is_multiple_of(EVERY) {
            let (read, total) = place();
            self.show(number, read, total);
        }
    }

    /// Moves the bar: packets, bytes read, and bytes in all, where they are known.
    pub fn show(&self, packets: u64, read: u64, total: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        if bar.length() != total {
            bar.set_style(style(total.is_some()));
            if let Some(total) = total {
                bar.set_length(total);
            }
        }
        bar.set_position(read);
        bar.set_message(packets.to_string());
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(total_is_known: bool) -> ProgressStyle {
    let template = if total_is_known {
        "{wide_bar} {percent}% {bytes}/{total_bytes} {bytes_per_sec} {msg} packets"
    } else {
        "{spinner} {bytes} {bytes_per_sec} {msg} packets"
    };
    // the templates are constants, and tested
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
