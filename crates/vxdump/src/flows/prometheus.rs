//! Counters for Prometheus: a small HTTP server that answers GET /metrics in the text format 0.0.4.
//!
//! Each connection has a thread, which asks the capture for the text. The capture makes it between
//! two batches of frames, so counters cost nothing while nobody asks.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use podmap::PodMap;
use vxcap::live::Statistics;
use vxcli::Failure;
use vxflow::{FlowRecord, FlowTable};

use super::totals::Totals;

/// The most bytes of a request's head.
const MOST_HEAD: usize = 8 * 1024;
/// The time that a client has to send its request, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most connections at a time. Further ones are closed, so that clients that keep theirs open
/// are bounded.
const MOST_CONNECTIONS: usize = 32;
/// The time that the capture has to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How often the server looks for a new connection.
const LOOK: Duration = Duration::from_millis(50);

/// The counters, and the server that publishes them. Dropping this ends the server.
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
    connections: AtomicUsize,
    /// held by the connection that waits for the text
    turn: Mutex<()>,
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

    /// Answers the server, with the flows that have ended and those that continue.
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

/// Writes the counters of the capture itself.
fn write_capture(text: &mut String, table: &FlowTable, drops: Drops, selected: u64) {
    let counts = table.counts();
    let simple = [
        ("flows_active", "gauge", "Flows in the table.", table.len() as u64),
        (
            "flows_evicted_total",
            "counter",
            "Flows evicted because the table was full.",
            counts.evicted,
        ),
        ("frames_without_ip_total", "counter", "Frames without an IP packet.", counts.not_ip),
        ("frames_cut_total", "counter", "Frames cut in the headers (-s).", counts.cut),
        (
            "capture_selected_packets_total",
            "counter",
            "Packets that matched the selection.",
            selected,
        ),
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

/// Accepts connections until the end.
fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.over.load(Ordering::Acquire) {
        match listener.accept() {
            Ok((stream, _)) if shared.connections.load(Ordering::Acquire) < MOST_CONNECTIONS => {
                let open = Open::new(shared);
                let thread = std::thread::Builder::new().name("metrics client".into());
                // a failing client does not concern the others
                let _ = thread.spawn(move || converse(stream, &open.0));
            }
            Ok(_) => {}
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

/// Counts a connection as open while this exists.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.connections.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

fn converse(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    // other systems inherit this from the listener; on Linux they do not, and the sandbox lacks the
    // call
    if !cfg!(target_os = "linux") {
        stream.set_nonblocking(false)?;
    }
    let head = head(&mut stream)?;
    let request = request(&head);
    let (status, body) = match request {
        Some(["GET" | "HEAD", path]) if path.split('?').next() == Some("/metrics") => {
            match ask(shared) {
                Some(text) => ("200 OK", text),
                None => ("503 Service Unavailable", "the capture did not answer\n".to_owned()),
            }
        }
        Some(["GET" | "HEAD", _]) => ("404 Not Found", "there is only /metrics\n".to_owned()),
        Some(_) => ("405 Method Not Allowed\r\nAllow: GET, HEAD", "there is only GET\n".to_owned()),
        None => ("400 Bad Request", "no HTTP request\n".to_owned()),
    };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if !matches!(request, Some(["HEAD", _])) {
        answer.push_str(&body);
    }
    send(&mut stream, answer.as_bytes())
}

/// Writes everything, in [`PATIENCE`] at most, however slowly the client reads.
fn send(stream: &mut TcpStream, mut answer: &[u8]) -> std::io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !answer.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        let len = stream.write(answer)?;
        answer = answer.get(len..).unwrap_or_default();
    }
    Ok(())
}

/// The time until the deadline.
fn left(deadline: Instant) -> std::io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Reads the head of a request (RFC 9112 section 2.1), or what came before the client closed; empty
/// if it is too long.
fn head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let (mut head, mut block) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() >= MOST_HEAD {
            return Ok(Vec::new());
        }
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut block)? {
            0 => break,
            len => head.extend_from_slice(block.get(..len).unwrap_or_default()),
        }
    }
    Ok(head)
}

/// Method and path of a request (RFC 9112 section 3); `None` if it is not HTTP.
fn request(head: &[u8]) -> Option<[&str; 2]> {
    let line = head.split(|&byte| byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, path, version) = (words.next()?, words.next()?, words.next()?);
    version.starts_with("HTTP/1.").then_some([method, path])
}

/// Asks the capture for the text.
fn ask(shared: &Shared) -> Option<String> {
    let _turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
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
