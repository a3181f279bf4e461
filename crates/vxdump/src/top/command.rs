//! The command line of `vxdump top`.

use clap::Args;

use super::group::Group;
use super::order::Order;
use crate::input::args::InputArgs;

/// `vxdump top`.
#[derive(Args, Debug)]
#[command(
    mut_arg("read", |arg| arg.hide(true)),
    mut_arg("no_progress", |arg| arg.hide(true)),
    after_help = "\
Keys:
  p n v s       show pods, nodes, VNIs, services
  b k f r t a   sort by bytes, packets, failed flows, retransmissions, round-trip
                time, name; the same key again: in reverse
  /             filter by name; Enter keeps the filter, Esc drops it
  space         pause the screen, or go on
  arrows, PageUp, PageDown, Home, End
                scroll
  Ctrl-Z        stop, and give the terminal back until fg
  q             quit

Rates are those of inner frames. A packet that is captured on several devices
counts once. FAILED counts flows that had no answer for 3 seconds, were rejected,
or were ended by a reset; a narrow screen shows it only if there are any."
)]
pub(crate) struct TopCommand {
    #[command(flatten)]
    pub(crate) show: ShowArgs,

    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// What is shown.
#[derive(Args, Debug)]
#[command(next_help_heading = "View")]
pub(crate) struct ShowArgs {
    /// The pairs to show at the start; keys change them. Networks are shown one a row.
    #[arg(long, value_enum, default_value_t = Group::Pods)]
    pub(crate) by: Group,

    /// The column to sort by at the start; keys change it.
    #[arg(long, value_enum, default_value_t = Order::Bytes)]
    pub(crate) sort: Order,

    /// Refresh the screen every SECONDS (0.1 to 3600).
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) interval: f64,

    /// Follow at most N flows at a time. Beyond it, the flow that was quiet longest is evicted.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_flows: u32,
}

/// A tenth of a second to an hour.
fn interval(value: &str) -> Result<f64, String> {
    match value.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number of seconds from 0.1 to 3600".to_owned()),
    }
}
