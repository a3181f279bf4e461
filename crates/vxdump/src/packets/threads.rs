//! Packets printed by several threads: the devices' frames are shared by their inner ends, each
//! thread decodes, selects and prints its part, and the calling one puts the lines in order and
//! writes them.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use vxcap::Timestamp;
use vxcap::live::{Error, Statistics};
use vxcli::Failure;

use super::count;
use super::merge::{Heard, Merge, Message, Step};
use super::pipeline::{Pipeline, unfollowed_warning};
use super::style::{Head, Numbers, Rest, Style};
use crate::input::capture::{Next, Orders, ProcessOrders, WAIT, Watch, capture};
use crate::input::carriages::Carriages;
use crate::input::following::Known;
use crate::input::open::{Opened, Session};
use crate::input::report::Report;
use crate::input::taps::{DeviceFrame, Taps};
use crate::input::wanted::Wanted;
use crate::out::output::Output;

/// Batches of lines that may wait for a thread's turn; then it waits, and its frames wait in its
/// rings.
const WAITING: usize = 16;
/// A thread that has nothing says so this often, so that others' lines do not wait for it.
const WORD: Duration = Duration::from_millis(20);

/// What all threads look at.
struct Shared {
    over: AtomicBool,
    /// How often statistics were asked for.
    asked: AtomicU32,
    /// Counts the versions of `known`: it grows with each change.
    version: AtomicU32,
    known: Mutex<Known>,
}

impl Shared {
    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Orders of a thread: the writing thread passes them on.
struct SharedOrders<'s> {
    shared: &'s Shared,
    version: u32,
    answered: u32,
}

impl Orders for SharedOrders<'_> {
    fn stop(&mut self) -> bool {
        self.shared.over.load(Ordering::Relaxed)
    }

    fn report(&mut self) -> bool {
        let asked = self.shared.asked.load(Ordering::Relaxed);
        std::mem::replace(&mut self.answered, asked) != asked
    }

    fn changed(&mut self) -> Option<Known> {
        let version = self.shared.version.load(Ordering::Acquire);
        let before = std::mem::replace(&mut self.version, version);
        (before != version).then(|| self.shared.known())
    }
}

/// What a thread tells besides its lines.
enum News {
    /// A device went away.
    Gone(Error),
    Statistics(Statistics),
    Failed(Failure),
}

/// What is left of a thread: what became of the frames, and how many fragments could not be
/// followed.
struct Ended {
    taps: Taps,
    unfollowed: u64,
}

/// How packets are printed by all threads together.
pub(super) struct Printing<'w> {
    /// What is printed of each packet first, by the writing thread,
    pub(super) head: Head,
    /// and what follows, by each thread.
    pub(super) rests: Vec<Rest>,
    pub(super) output: Output<'w>,
    pub(super) report: Report<'w>,
    /// Each packet is printed, rather than only counted.
    pub(super) printed: bool,
    /// It ends after so many packets.
    pub(super) most: u64,
}

/// Captures until it is over, and prints.
pub(super) fn run(session: Session, printing: Printing<'_>) -> Result<(), Failure> {
    let Session { opened, others, known, mut orders } = session;
    let Printing { head, rests, mut output, mut report, printed, most } = printing;
    let shared = Shared {
        over: AtomicBool::new(false),
        asked: AtomicU32::new(0),
        version: AtomicU32::new(0),
        known: Mutex::new(known),
    };
    if printed {
        head.title(output.buffer());
    }
    let parts = others.into_iter().chain([opened]).zip(rests);
    thread::scope(|scope| {
        let mut receivers = Vec::new();
        let mut workers = Vec::new();
        for (opened, rest) in parts {
            let (sender, receiver) = sync_channel(WAITING);
            let style = Style { head: Head::Elsewhere, rest };
            let shared = &shared;
            receivers.push(receiver);
            workers.push(scope.spawn(move || work(opened, style, printed, sender, shared)));
        }
        let mut writer = Writer {
            merge: Merge::new(receivers),
            head,
            output,
            numbers: Numbers::default(),
            printed,
            most,
            gone: BTreeSet::new(),
            answers: vec![None; workers.len()],
            looked: Instant::now(),
        };
        let result = writer.run(&shared, &mut orders, &mut report);
        shared.over.store(true, Ordering::Relaxed);
        let Writer { merge, output, numbers, .. } = writer;
        // who still has something to say finds nobody listening
        drop(merge);
        let ended = workers.into_iter().map(join).collect();
        finish(result, ended, output, numbers.selected, printed, report)
    })
}

/// Writes what waits, and tells how it went.
fn finish(
    result: Result<(), Failure>,
    ended: Vec<Ended>,
    mut output: Output<'_>,
    selected: u64,
    printed: bool,
    mut report: Report<'_>,
) -> Result<(), Failure> {
    if !printed {
        count(&mut output, selected);
    }
    let result = result.and(output.flush());
    if let Some(warning) = unfollowed_warning(ended.iter().map(|e| e.unfollowed).sum()) {
        report.tell(warning);
    }
    let mut all: Vec<Taps> = ended.into_iter().map(|ended| ended.taps).collect();
    let statistics = all.iter_mut().map(Taps::statistics).collect::<Vec<_>>();
    report.statistics(&sum(&statistics), selected);
    result?;
    all.first().map_or(Ok(()), |taps| report.result(taps))
}

/// A thread's part: captures, and hands its lines on.
fn work(
    opened: Opened,
    style: Style,
    printed: bool,
    sender: SyncSender<Message<News>>,
    shared: &Shared,
) -> Ended {
    let Opened { mut taps, wanted, device_names } = opened;
    let mut nowhere = io::sink();
    let output = Output::new(&mut nowhere, false);
    let mut pipeline = Pipeline::new(wanted, style, None, output, printed, u64::MAX);
    pipeline.devices = device_names;
    pipeline.hand_over();
    let mut watch =
        Worker { pipeline, carriages: shared.known().carriages, sender, news: Vec::new() };
    let mut orders = SharedOrders { shared, version: 0, answered: 0 };
    if let Err(failure) = capture(&mut taps, &mut orders, &mut watch) {
        let _ = watch.sender.send(Message::News(News::Failed(failure)));
    }
    Ended { taps, unfollowed: watch.pipeline.wanted.unfollowed() }
}

fn join(worker: ScopedJoinHandle<'_, Ended>) -> Ended {
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// All threads together. What devices and host lost is the same for each.
fn sum(all: &[Statistics]) -> Statistics {
    all.iter().fold(Statistics::default(), |mut sum, one| {
        sum.captured += one.captured;
        sum.received += one.received;
        sum.dropped += one.dropped;
        sum.interface_dropped = sum.interface_dropped.max(one.interface_dropped);
        sum.backlog_dropped = sum.backlog_dropped.max(one.backlog_dropped);
        sum
    })
}

/// Writes the output of all threads to stdout.
struct Writer<'w> {
    merge: Merge<News>,
    head: Head,
    output: Output<'w>,
    numbers: Numbers,
    printed: bool,
    most: u64,
    /// Devices that went away, as the first thread has told it.
    gone: BTreeSet<String>,
    /// What each thread answered since statistics were printed.
    answers: Vec<Option<Statistics>>,
    /// When signals and the map were looked at.
    looked: Instant,
}

impl Writer<'_> {
    /// Writes lines until there are enough, or all threads have ended.
    fn run(
        &mut self,
        shared: &Shared,
        orders: &mut ProcessOrders,
        report: &mut Report<'_>,
    ) -> Result<(), Failure> {
        loop {
            match self.merge.next() {
                Step::Over => return Ok(()),
                Step::Lines(number, until) => {
                    if self.lines(number, until)? {
                        return Ok(());
                    }
                }
                Step::Word(number) => {
                    self.look(shared, orders);
                    let heard = match self.merge.hear(number, false) {
                        Heard::Nothing => {
                            // nothing more for now: whoever looks on sees all there was
                            self.output.flush()?;
                            self.merge.hear(number, true)
                        }
                        heard => heard,
                    };
                    if let Heard::News(news) = heard {
                        self.news(number, news, report)?;
                    }
                }
            }
        }
    }

    /// Writes a thread's lines up to a time. `true`: there are enough.
    fn lines(&mut self, number: usize, until: Timestamp) -> Result<bool, Failure> {
        while let Some((time, line, seen)) = self.merge.line(number, until) {
            self.numbers.seen += seen;
            self.numbers.selected += 1;
            if self.printed {
                self.head.write(self.output.buffer(), time, self.numbers);
                self.output.buffer().extend_from_slice(line);
                self.output.end_of_line()?;
            }
            if self.numbers.selected == self.most {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Passes orders on: signals at once, changes of the map now and then.
    fn look(&mut self, shared: &Shared, orders: &mut ProcessOrders) {
        if orders.stop() {
            shared.over.store(true, Ordering::Relaxed);
        }
        if orders.report() {
            shared.asked.fetch_add(1, Ordering::Relaxed);
        }
        if self.looked.elapsed() < WAIT {
            return;
        }
        self.looked = Instant::now();
        if let Some(known) = orders.changed() {
            *shared.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
            shared.version.fetch_add(1, Ordering::Release);
        }
    }

    fn news(&mut self, number: usize, news: News, report: &mut Report<'_>) -> Result<(), Failure> {
        match news {
            News::Failed(failure) => return Err(failure),
            News::Gone(error) => {
                // of each device once, though each thread finds it gone
                let device = error.device().map(str::to_owned);
                if self.gone.insert(device.unwrap_or_else(|| error.to_string())) {
                    report.lost(&error);
                }
            }
            News::Statistics(statistics) => {
                if let Some(answer) = self.answers.get_mut(number) {
                    *answer = Some(statistics);
                }
                // of a thread that answers twice meanwhile the latest answer counts
                let all: Option<Vec<Statistics>> = self.answers.iter().copied().collect();
                if let Some(all) = all {
                    report.statistics(&sum(&all), self.numbers.selected);
                    self.answers.fill(None);
                }
            }
        }
        Ok(())
    }
}

/// Prints one thread's packets for the writing thread.
struct Worker<'w> {
    pipeline: Pipeline<'w>,
    carriages: Arc<Carriages>,
    sender: SyncSender<Message<News>>,
    /// What is sent with the next turn.
    news: Vec<News>,
}

impl Watch for Worker<'_> {
    const PATIENCE: Duration = WORD;

    fn wanted(&mut self) -> &mut Wanted {
        &mut self.pipeline.wanted
    }

    #[inline]
    fn frame(&mut self, captured: DeviceFrame<'_>) -> Result<Next, Failure> {
        self.pipeline.captured(captured, &self.carriages)
    }

    /// Sends the lines, and how far time has come. Nobody listens any more where that fails.
    fn turn(&mut self, taps: &mut Taps, _: bool) -> Result<Next, Failure> {
        let until = loop {
            match taps.nothing_before() {
                Ok(until) => break until,
                Err(error) => self.lost(error),
            }
        };
        let news = self.news.drain(..).map(Message::News);
        let lines = self.pipeline.handed.as_mut().map(|batch| Message::Lines(batch.take(until)));
        let sent = news.chain(lines).try_for_each(|message| self.sender.send(message));
        Ok(if sent.is_ok() { Next::Continue } else { Next::Enough })
    }

    fn map_changed(&mut self, known: &Known) {
        self.carriages = Arc::clone(&known.carriages);
    }

    fn report(&mut self, statistics: &Statistics) {
        self.news.push(News::Statistics(*statistics));
    }

    fn lost(&mut self, error: Error) {
        self.news.push(News::Gone(error));
    }
}
