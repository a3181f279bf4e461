//! Counters for Prometheus: a small HTTP server that answers GET /metrics in the text format 0.0.4.
//!
//! The server waits on a thread of its own and asks the capture for the text, which makes it between two batches of frames:
//! counting costs nothing while nobody asks.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use podmap::PodMap;
use vxcap::live::Statistics;
use vxcli::Failure;
use vxflow::{FlowRecord, FlowTable};

use super::totals::Totals;

/// The longest head of a request.
const MOST_HEAD: usize = 8 * 1024;
/// A request must be there after so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// The capture must have answered after so long.
const ANSWER: Duration = Duration::from_secs(5);
/// How often the server looks for a new connection.
const LOOK: Duration = Duration::from_millis(50);

/// The counters, and the server that tells them. It ends with this.
pub(super) struct Metrics {
    listener: Option<TcpListener>,
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    totals: Totals,
}

/// What the server and the capture share.
#[derive(Default)]
struct Shared {
    over: AtomicBool,
    asked: AtomicBool,
    text: Mutex<Option<String>>,
    news: Condvar,
}

/// Packets that the capture lost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drops {
    received: u64,
    by_kernel: u64,
    by_interface: Option<u64>,
    by_backlog: Option<u64>,
}

impl Drops {
    pub(super) const fn of(statistics: &Statistics) -> Self {
        Self {
            received: statistics.received,
            by_kernel: statistics.dropped,
            by_interface: statistics.interface_dropped,
            by_backlog: statistics.backlog_dropped,
        }
    }
}

impl Metrics {
    /// Listens on `ADDR:PORT`; nothing is answered before [`Metrics::serve`].
    pub(super) fn bind(address: &str) -> Result<Self, Failure> {
        let refused = |e: std::io::Error| {
            Failure::usage(format_args!("--prometheus {address}: {e}; give ADDR:PORT to listen on"))
        };
        let listener = TcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self {
            listener: Some(listener),
            address,
            shared: Arc::default(),
            thread: None,
            totals: Totals::default(),
        })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to answer.
    pub(super) fn serve(mut self) -> Result<Self, Failure> {
        if let Some(listener) = self.listener.take() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("metrics".into());
            let thread = thread.spawn(move || serve(&listener, &shared));
            let no_thread = |e| Failure::error(format_args!("no thread for the metrics: {e}"));
            self.thread = Some(thread.map_err(no_thread)?);
        }
        Ok(self)
    }

    /// Counts a flow that has ended.
    pub(super) fn ended(&mut self, flow: &FlowRecord, map: &PodMap) {
        self.totals.add(flow, map);
    }

    /// Does the server wait for an answer?
    pub(super) fn is_asked(&self) -> bool {
        self.shared.asked.load(Ordering::Acquire)
    }

    /// Gives it: what has ended, and what goes on.
    pub(super) fn answer(&mut self, table: &FlowTable, map: &PodMap, drops: Drops, selected: u64) {
        let mut text = String::new();
        self.totals.write(&mut text, table.iter(), map);
        write_capture(&mut text, table, drops, selected);
        self.shared.asked.store(false, Ordering::Release);
        *self.shared.text.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        self.shared.news.notify_all();
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.shared.news.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What is known of the capture itself.
fn write_capture(text: &mut String, table: &FlowTable, drops: Drops, selected: u64) {
    let counts = table.counts();
    let simple = [
        ("flows_active", "gauge", "Flows in the table.", table.len() as u64),
        ("flows_evicted_total", "counter", "Flows pushed out of a full table.", counts.evicted),
        ("frames_without_ip_total", "counter", "Frames without an IP packet.", counts.not_ip),
        ("capture_selected_packets_total", "counter", "Packets that were selected.", selected),
        (
            "capture_packets_total",
            "counter",
            "Packets that passed the kernel's filter.",
            drops.received,
        ),
    ];
    for (name, kind, help, value) in simple {
        let _ = writeln!(
            text,
            "# HELP vxdump_{name} {help}\n# TYPE vxdump_{name} {kind}\nvxdump_{name} {value}"
        );
    }
    let name = "vxdump_capture_drops_total";
    let _ = writeln!(text, "# HELP {name} Packets that were lost.\n# TYPE {name} counter");
    for (at, value) in [
        ("kernel", Some(drops.by_kernel)),
        ("interface", drops.by_interface),
        ("backlog", drops.by_backlog),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "{name}{{at=\"{at}\"}} {value}");
        }
    }
}

/// Answers one connection after the other, until it is over.
fn serve(listener: &TcpListener, shared: &Shared) {
    while !shared.over.load(Ordering::Acquire) {
        match listener.accept() {
            // what goes wrong with one client is nothing to the others
            Ok((stream, _)) => drop(converse(stream, shared)),
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

fn converse(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = head(&mut stream)?;
    let (status, body) = match request(&head) {
        Some(["GET", path]) if path.split('?').next() == Some("/metrics") => match ask(shared) {
            Some(text) => ("200 OK", text),
            None => ("503 Service Unavailable", "the capture did not answer\n".to_owned()),
        },
        Some(["GET", _]) => ("404 Not Found", "there is only /metrics\n".to_owned()),
        Some(_) => ("405 Method Not Allowed", "there is only GET\n".to_owned()),
        None => ("400 Bad Request", "no HTTP request\n".to_owned()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(answer.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// The head of a request (RFC 9112 section 2.1), as far as its first line is whole; empty where it is not.
fn head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let (mut head, mut block) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() >= MOST_HEAD {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut block)? {
            0 => break,
            len => head.extend_from_slice(block.get(..len).unwrap_or_default()),
        }
    }
    Ok(head)
}

/// Method and path of a request (RFC 9112 section 3); `None` where it is none.
fn request(head: &[u8]) -> Option<[&str; 2]> {
    let line = head.split(|&byte| byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, path, version) = (words.next()?, words.next()?, words.next()?);
    version.starts_with("HTTP/1.").then_some([method, path])
}

/// Asks the capture for the text.
fn ask(shared: &Shared) -> Option<String> {
    let deadline = Instant::now() + ANSWER;
    let mut text = shared.text.lock().unwrap_or_else(PoisonError::into_inner);
    *text = None;
    shared.asked.store(true, Ordering::Release);
    while text.is_none() && !shared.over.load(Ordering::Acquire) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        text = shared.news.wait_timeout(text, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    text.take()
}
