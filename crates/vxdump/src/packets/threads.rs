//! Packets printed by several threads: the devices' frames are shared by their inner ends, each thread decodes, selects and prints
//! its part, and the calling one puts the lines in order and writes them.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use podmap::PodMap;
use vxcap::Timestamp;
use vxcap::live::Statistics;
use vxcli::{Failure, Selection, Terminal};
use vxlan::Decoder;

use super::live::{Round, Told, WAIT, lost_early, round};
use super::merge::{Heard, Merge, Message, Next};
use crate::cli::PacketArgs;
use crate::input::carriages::Carriages;
use crate::input::device_names::DeviceNames;
use crate::input::following::Following;
use crate::input::open::Opened;
use crate::input::signals::Signals;
use crate::input::taps::Taps;
use crate::out::output::Output;
use crate::packets;
use crate::packets::pipeline::{Pipeline, unfollowed_warning};
use crate::packets::style::{Head, Numbers, Rest, Style};

/// Batches of lines that may wait for a thread's turn; then it waits, and its frames wait in its rings.
const WAITING: usize = 16;
/// A thread that has nothing says so this often, so that others' lines do not wait for it.
const WORD: Duration = Duration::from_millis(20);

/// What all threads look at.
struct Shared {
    over: AtomicBool,
    /// How often statistics were asked for.
    asked: AtomicU32,
    /// Which of them is the latest.
    version: AtomicU32,
    known: Mutex<Known>,
}

/// What is known of the cluster.
#[derive(Clone)]
struct Known {
    map: Arc<PodMap>,
    carriages: Arc<Carriages>,
}

/// What a thread tells besides its lines.
enum News {
    /// A device went away.
    Gone(String),
    Statistics(Statistics),
    Failed(Failure),
}

/// A thread's part.
struct Worker<'s> {
    args: &'s PacketArgs,
    decoder: Decoder,
    selection: Selection,
    taps: Taps,
    device_names: Option<DeviceNames>,
    style: Style,
    sender: SyncSender<Message<News>>,
    shared: &'s Shared,
}

/// What is left of it: what became of the frames, and how many fragments could not be followed.
struct Ended {
    taps: Taps,
    unfollowed: u64,
}

/// Captures until it is over, and prints.
pub(crate) fn run(
    args: &PacketArgs,
    opened: Opened,
    head: Head,
    rests: Vec<Rest>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let Opened { mut following, map, decoder, selection, taps, device_names, others, signals } =
        opened;
    let known =
        Known { map: Arc::new(map), carriages: Arc::new(Carriages::of(following.kernel())) };
    let shared = Shared {
        over: AtomicBool::new(false),
        asked: AtomicU32::new(0),
        version: AtomicU32::new(0),
        known: Mutex::new(known),
    };
    let watched = terminal.out_is_terminal || args.print.line_buffered;
    let mut output = Output::new(&mut *terminal.out, watched);
    if !args.print.count_only {
        head.title(output.buffer());
    }
    let mut told = Told::new(&mut *terminal.err);
    let parts = others.into_iter().chain([(selection, taps, device_names)]).zip(rests);
    thread::scope(|scope| {
        let mut receivers = Vec::new();
        let mut workers = Vec::new();
        for ((selection, taps, device_names), rest) in parts {
            let (sender, receiver) = sync_channel(WAITING);
            let (decoder, style) = (decoder.clone(), Style { head: Head::Elsewhere, rest });
            let worker = Worker {
                args,
                decoder,
                selection,
                taps,
                device_names,
                style,
                sender,
                shared: &shared,
            };
            receivers.push(receiver);
            workers.push(scope.spawn(|| worker.run()));
        }
        let mut writer = Writer {
            merge: Merge::new(receivers),
            head,
            output,
            numbers: Numbers::default(),
            printed: !args.print.count_only,
            most: args.input.count.unwrap_or(u64::MAX),
            gone: BTreeSet::new(),
            statistics: Vec::new(),
            threads: workers.len(),
            looked: Instant::now(),
        };
        let result = writer.run(&shared, &mut following, &signals, &mut told);
        shared.over.store(true, Ordering::Relaxed);
        let Writer { merge, mut output, numbers, gone, .. } = writer;
        // who still has something to say finds nobody listening
        drop(merge);
        let ended: Vec<Ended> = workers.into_iter().map(join).collect();

        let result = result.and_then(|()| {
            if args.print.count_only {
                packets::count(&mut output, numbers.selected);
            }
            output.flush()
        });
        if let Some(warning) = unfollowed_warning(ended.iter().map(|e| e.unfollowed).sum()) {
            told.tell(warning);
        }
        let mut all: Vec<Taps> = ended.into_iter().map(|ended| ended.taps).collect();
        let statistics = all.iter_mut().map(Taps::statistics).collect::<Vec<_>>();
        told.statistics(&sum(&statistics), numbers.selected);
        result?;
        match (gone.len(), all.first()) {
            (0, _) | (_, None) => Ok(()),
            (lost, Some(taps)) => Err(lost_early(lost, taps)),
        }
    })
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

/// The end of all that is written.
struct Writer<'w> {
    merge: Merge<News>,
    head: Head,
    output: Output<'w>,
    numbers: Numbers,
    printed: bool,
    most: u64,
    /// Devices that went away, as the first thread has told it.
    gone: BTreeSet<String>,
    /// What threads have answered.
    statistics: Vec<Statistics>,
    threads: usize,
    /// When signals and the map were looked at.
    looked: Instant,
}

impl Writer<'_> {
    /// Writes lines until there are enough, or all threads have ended.
    fn run(
        &mut self,
        shared: &Shared,
        following: &mut Following,
        signals: &Signals,
        told: &mut Told<'_>,
    ) -> Result<(), Failure> {
        loop {
            match self.merge.next() {
                Next::Over => return Ok(()),
                Next::Lines(number, until) => {
                    if self.lines(number, until)? {
                        return Ok(());
                    }
                }
                Next::Word(number) => {
                    self.look(shared, following, signals);
                    let heard = match self.merge.hear(number, false) {
                        Heard::Nothing => {
                            // nothing more for now: whoever looks on sees all there was
                            self.output.flush()?;
                            self.merge.hear(number, true)
                        }
                        heard => heard,
                    };
                    if let Heard::News(news) = heard {
                        self.news(news, told)?;
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

    /// Now and then: signals, and changes of the map.
    fn look(&mut self, shared: &Shared, following: &mut Following, signals: &Signals) {
        if signals.stop() {
            shared.over.store(true, Ordering::Relaxed);
        }
        if signals.report() {
            shared.asked.fetch_add(1, Ordering::Relaxed);
        }
        if self.looked.elapsed() < WAIT {
            return;
        }
        self.looked = Instant::now();
        if let Some(map) = following.changed() {
            let carriages = Arc::new(Carriages::of(following.kernel()));
            let known = Known { map: Arc::new(map), carriages };
            *shared.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
            shared.version.fetch_add(1, Ordering::Release);
        }
    }

    fn news(&mut self, news: News, told: &mut Told<'_>) -> Result<(), Failure> {
        match news {
            News::Failed(failure) => return Err(failure),
            News::Gone(error) => {
                // of each device once, though each thread finds it gone
                let device = error.split(": ").next().unwrap_or(&error).to_owned();
                if self.gone.insert(device) {
                    told.tell(error);
                }
            }
            News::Statistics(statistics) => {
                self.statistics.push(statistics);
                if self.statistics.len() == self.threads {
                    told.statistics(&sum(&self.statistics), self.numbers.selected);
                    self.statistics.clear();
                }
            }
        }
        Ok(())
    }
}

impl Worker<'_> {
    fn run(self) -> Ended {
        let Self { args, decoder, selection, mut taps, device_names, style, sender, shared } = self;
        let known = shared.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut nowhere, map) = (io::sink(), Arc::clone(&known.map));
        let output = Output::new(&mut nowhere, false);
        let mut pipeline = Pipeline::new(args, decoder, map, selection, style, None, output);
        pipeline.devices = device_names;
        pipeline.hand_over();
        let mut hand = Hand { shared, sender, carriages: known.carriages, version: 0, answered: 0 };
        if let Err(Some(failure)) = hand.capture(&mut taps, &mut pipeline) {
            let _ = hand.sender.send(Message::News(News::Failed(failure)));
        }
        let unfollowed = pipeline.unfollowed();
        Ended { taps, unfollowed }
    }
}

/// What a thread has at hand while it captures.
struct Hand<'s> {
    shared: &'s Shared,
    sender: SyncSender<Message<News>>,
    carriages: Arc<Carriages>,
    version: u32,
    answered: u32,
}

/// Why a thread ends: something went wrong, or nobody listens any more.
type End = Option<Failure>;

impl Hand<'_> {
    fn capture(&mut self, taps: &mut Taps, pipeline: &mut Pipeline<'_>) -> Result<(), End> {
        while !self.shared.over.load(Ordering::Relaxed) && !taps.is_over() {
            self.look(taps, pipeline)?;
            if self.round(taps, pipeline)? == Round::Nothing {
                taps.wait(WORD).map_err(Some)?;
            }
        }
        // what arrived before the end counts
        taps.stop().map_err(Some)?;
        while self.round(taps, pipeline)? != Round::Nothing {}
        Ok(())
    }

    /// What others have to say.
    fn look(&mut self, taps: &mut Taps, pipeline: &mut Pipeline<'_>) -> Result<(), End> {
        let version = self.shared.version.load(Ordering::Acquire);
        if version != self.version {
            self.version = version;
            let known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.carriages = known.carriages;
            pipeline.map_changed(known.map);
            taps.map_changed(&mut pipeline.selection, &pipeline.map).map_err(Some)?;
        }
        let asked = self.shared.asked.load(Ordering::Relaxed);
        if asked != self.answered {
            self.answered = asked;
            self.tell(News::Statistics(taps.statistics()))?;
        }
        Ok(())
    }

    /// The frames that are there, at most a batch; their lines go on, and how far time has come.
    fn round(&mut self, taps: &mut Taps, pipeline: &mut Pipeline<'_>) -> Result<Round, End> {
        let mut gone = Vec::new();
        let came = round(taps, &self.carriages, pipeline, &mut |error| gone.push(error));
        let came = came.map_err(Some)?;
        let until = loop {
            match taps.nothing_before() {
                Ok(until) => break until,
                Err(error) => gone.push(error),
            }
        };
        for error in gone {
            self.tell(News::Gone(error.to_string()))?;
        }
        if let Some(batch) = &mut pipeline.handed {
            self.sender.send(Message::Lines(batch.take(until))).map_err(|_| None)?;
        }
        Ok(came)
    }

    fn tell(&self, news: News) -> Result<(), End> {
        self.sender.send(Message::News(news)).map_err(|_| None)
    }
}
