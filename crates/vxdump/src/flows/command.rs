//! The command line of `vxdump flows`, as it is typed.

use std::num::NonZeroUsize;

use clap::Args;
use vxflow::Config;
use vxlan::Decoder;

use super::collected::View;
use super::ends::By;
use super::outcome::State;
use super::print::FlowFormat;
use super::sort::Sort;
use super::traffic::SECOND;
use crate::input::args::InputArgs;

/// `vxdump flows`.
#[derive(Args, Debug)]
pub(crate) struct FlowsCommand {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) show: ShowArgs,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,

    #[command(flatten)]
    pub(crate) export: ExportArgs,
}

/// What is shown of the flows.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct ShowArgs {
    /// How to print: a table (on a terminal fitted to its width, with numbers in few digits), a
    /// JSON object or a CSV row for each flow, or a Parquet file. Live, all formats but the table
    /// print each flow when it ends: TCP 10 seconds after it was closed or reset, everything else
    /// after --idle-timeout.
    #[arg(long, value_enum, default_value_t = FlowFormat::Text)]
    pub(crate) format: FlowFormat,

    /// Print sums over pairs instead of single flows, one row for both directions. `src` is the end
    /// that opened more of the flows; on a tie, the end that opened the first flow.
    #[arg(long, value_enum, default_value_t = By::Flow)]
    pub(crate) by: By,

    /// What comes first: the most of it, or the earliest (default: bytes in a table, else first).
    #[arg(long, value_enum)]
    pub(crate) sort: Option<Sort>,

    /// Show, and add up, only flows in these states. --ipfix and --prometheus still get all. The
    /// states are Zeek's, for TCP and UDP. All other flows, pings too, are OTH, answered or not.
    /// Where --by service pairs two halves of a connection, the state is the connection's. To put
    /// flows without an answer first, pings too, use --sort failed.
    #[arg(long, value_enum, value_delimiter = ',', ignore_case = true, value_name = "STATE,…")]
    pub(crate) state: Vec<State>,

    /// Only the first N rows after sorting. Without --top every row waits in memory, about 80 bytes
    /// each.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) top: Option<u32>,

    /// Live: every SECONDS, print what came since the last time (default: 10 for a table; the other
    /// formats print each flow when it ends). Packets, bytes and retransmissions are those of the
    /// interval; times, state and RTT are the flow's so far. Flows without packets in the interval
    /// are left out. Needs about 150 more bytes for each flow.
    #[arg(long, value_name = "SECONDS", requires = "interface", conflicts_with = "read", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) interval: Option<u32>,
}

impl ShowArgs {
    /// The same, for those who show flows.
    pub(super) fn view(&self) -> View {
        let sort = match (self.sort, self.format) {
            (Some(sort), _) => sort,
            (None, FlowFormat::Text) => Sort::Bytes,
            (None, _) => Sort::First,
        };
        let states = self.state.iter().map(|state| state.0).collect();
        View { by: self.by, sort, top: self.top, states }
    }
}

/// What bounds the flows, and the work.
#[derive(Args, Debug)]
#[command(next_help_heading = "Flows")]
pub(crate) struct LimitArgs {
    /// The most flows at a time. A flow takes about 300 bytes in memory while it is open. Beyond N,
    /// the flow that was quiet longest is evicted, and may appear as several rows. --by service
    /// keeps up to as many half-connections for pairing, 160 bytes each; beyond that they are
    /// counted separately.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_flows: u32,

    /// A flow ends after SECONDS without packets (default: 300 live, never in files).
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) idle_timeout: Option<u32>,

    /// Report a longer flow every SECONDS; it goes on as a new flow (default: never).
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) active_timeout: Option<u32>,

    /// Count each packet once, although it was captured on several devices, inside a tunnel and
    /// outside. Where a file does not name interfaces, fragments and packets without an IP
    /// identification cannot be told apart. kube-proxy replaces a service's address with a pod's,
    /// so the packets before and after it are two flows; --by service counts one of them. For all
    /// other views, capture either in the pod or on eth0 or flannel.1, not both.
    #[arg(long)]
    pub(crate) once: bool,

    /// Read files with N threads (default: one for each processor; 1 with -c). The result is the
    /// same as long as --max-flows is not reached; then each thread evicts flows from its own
    /// share. All threads read an uncompressed file. Compressed files, pipes and several files are
    /// read by one thread at a time, while all decode and count.
    #[arg(long, value_name = "N", conflicts_with = "interface", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
}

impl LimitArgs {
    /// Limits and policies as the command line has them, the rest as in `base`.
    pub(super) fn config(&self, base: &Config, decoder: Decoder) -> Config {
        let timeout = |given: Option<u32>, or: Option<i64>| {
            given.map(|seconds| i64::from(seconds) * SECOND).or(or)
        };
        let idle_timeout = timeout(self.idle_timeout, base.idle_timeout);
        // a closed connection is not waited for longer than an open one
        let closed_timeout =
            base.closed_timeout.map(|closed| closed.min(idle_timeout.unwrap_or(closed)));
        base.clone()
            .max_flows(self.max_flows as usize)
            .idle_timeout(idle_timeout)
            .closed_timeout(closed_timeout)
            .active_timeout(timeout(self.active_timeout, base.active_timeout))
            .count_copies(!self.once)
            .decoder(decoder)
    }

    /// As many threads as were asked for, or one for each processor.
    pub(super) fn threads(&self) -> NonZeroUsize {
        match self.threads {
            Some(threads) => NonZeroUsize::new(threads.into()).unwrap_or(NonZeroUsize::MIN),
            None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Where flows go besides.
#[derive(Args, Debug)]
#[command(next_help_heading = "Exports")]
pub(crate) struct ExportArgs {
    /// Send each flow that ends to this IPFIX collector, over UDP. Addresses are the inner ones,
    /// the VNI is layer2SegmentId. From files about 15,000 flows a second are sent, so that the
    /// collector can keep up.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) ipfix: Option<String>,

    /// Live: serve counters at http://ADDR:PORT/metrics, by pair of nodes and VNI.
    #[arg(long, value_name = "ADDR:PORT", requires = "interface", conflicts_with = "read")]
    pub(crate) prometheus: Option<String>,
}
