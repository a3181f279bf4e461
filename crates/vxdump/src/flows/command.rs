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
    /// How to print: a table (on a terminal fitted to it, with numbers in few digits), a JSON object or a CSV row a flow, or a Parquet file. Live, all but the table have each
    /// flow as it ends: TCP 10 seconds after it was closed or reset, the rest after --idle-timeout.
    #[arg(long, value_enum, default_value_t = FlowFormat::Text)]
    pub(crate) format: FlowFormat,

    /// Sums over pairs instead of single flows, one row for both ways: src is the end that opened more of the flows, of
    /// equals the one that opened the first.
    #[arg(long, value_enum, default_value_t = By::Flow)]
    pub(crate) by: By,

    /// What comes first: the most of it, or the earliest (default: bytes in a table, else first).
    #[arg(long, value_enum)]
    pub(crate) sort: Option<Sort>,

    /// Only flows in these states, also in sums; exports have all. The states are Zeek's, of TCP and UDP: all others, pings
    /// too, are OTH, answered or not; of halves that --by service puts together it is the connection's. What was not answered comes first with --sort failed, pings too.
    #[arg(long, value_enum, value_delimiter = ',', ignore_case = true, value_name = "STATE,…")]
    pub(crate) state: Vec<State>,

    /// Only the first N after sorting. Of a file no more are kept in memory; without it all rows wait there to be sorted,
    /// about 80 bytes each: of flows that end on the way besides what --max-flows allows, of the rest in its place.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) top: Option<u32>,

    /// Live: every SECONDS what came since the last time (default: 10 for a table; the other formats have each flow as it
    /// ends). Packets, bytes and retransmissions are those of the interval; times, state and RTT are the flow's so far.
    /// Flows without packets in it are not shown. Needs some 150 bytes more a flow.
    #[arg(long, value_name = "SECONDS", requires = "interface", conflicts_with = "read", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) interval: Option<u32>,

    /// No progress bar on stderr.
    #[arg(long)]
    pub(crate) no_progress: bool,
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
    /// The most flows held at a time, about 300 bytes each; one more pushes out the one that was seen least recently.
    /// With --by service as many wait besides, 160 bytes each, to be put together; more count for themselves.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_flows: u32,

    /// A flow is over after SECONDS without packets (default: 300 live, never in files).
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) idle_timeout: Option<u32>,

    /// A flow that lasts longer is told every SECONDS, and goes on as a new one (default: never).
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) active_timeout: Option<u32>,

    /// Count each packet once, though it was captured at several devices, in a tunnel and in none; also where the file does
    /// not name them (there not fragments, nor IPv6 and UDP that nothing tells apart). Where kube-proxy puts a pod's address in the
    /// place of a service's, the packets on both sides are two flows, of which --by service counts one; for all else name a device
    /// of one side, the pod's, or eth0 or flannel.1.
    #[arg(long)]
    pub(crate) once: bool,

    /// Read files with N threads (default: one for each processor; 1 with -c). The result is the same as long as
    /// --max-flows is not reached: each thread has its part of that, and pushes out flows by itself. All read a file;
    /// of compressed ones, pipes and several files one reads at a time, and all decode and count.
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
    /// Send each flow that ends to this IPFIX collector, over UDP: inner addresses, and the VNI as layer2SegmentId. Of
    /// files some 15,000 flows a second, so that it can keep up.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) ipfix: Option<String>,

    /// Live: serve counters at http://ADDR:PORT/metrics, by pair of nodes and VNI.
    #[arg(long, value_name = "ADDR:PORT", requires = "interface", conflicts_with = "read")]
    pub(crate) prometheus: Option<String>,
}
