//! The progress bar of long runs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Progress;

/// A bar on stderr; none where it is not wanted.
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
}

impl Bar {
    pub(crate) fn new(wanted: bool) -> Self {
        let bar = wanted.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Self { bar }
    }

    /// Moves the bar.
    pub(crate) fn show(&self, progress: Progress) {
        let Some(bar) = &self.bar else { return };
        if bar.length() != progress.total {
            bar.set_style(style(progress.total.is_some()));
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
        }
        bar.set_position(progress.read);
        bar.set_message(progress.packets.to_string());
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
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
    // the templates are constants
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
