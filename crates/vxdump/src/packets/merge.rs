//! Lines of several threads in the order of their packets' times.

use std::sync::mpsc::{Receiver, TryRecvError};

use vxcap::Timestamp;

/// Lines of one thread, without their heads, in order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    lines: Vec<Line>,
    /// The thread's next lines are not from before.
    until: Timestamp,
}

/// A line, which may be empty where packets are only counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) time: Timestamp,
    /// Where it ends in the batch.
    end: usize,
    /// Frames that the thread had seen by then.
    seen: u64,
}

impl Batch {
    /// What was appended is a line; `seen`: frames that the thread has seen so far.
    pub(crate) fn end_of_line(&mut self, time: Timestamp, seen: u64) {
        self.lines.push(Line { time, end: self.bytes.len(), seen });
    }

    /// Takes the lines out; those that come yet are not from before `until`.
    pub(crate) fn take(&mut self, until: Timestamp) -> Self {
        let fresh = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            lines: Vec::with_capacity(self.lines.len()),
            until,
        };
        Self { until, ..std::mem::replace(self, fresh) }
    }
}

/// What a thread sends: lines, or news of type `N`.
pub(crate) enum Message<N> {
    Lines(Batch),
    News(N),
}

/// A thread's lines, as far as they are here.
struct Source<N> {
    receiver: Receiver<Message<N>>,
    batch: Batch,
    /// The next line of the batch, and where it begins.
    next: usize,
    start: usize,
    /// Frames seen by the line before.
    seen: u64,
    is_over: bool,
}

/// The lines of all threads.
pub(crate) struct Merge<N> {
    sources: Vec<Source<N>>,
}

/// What comes next.
pub(crate) enum Step {
    /// This thread has the next lines, up to this time.
    Lines(usize, Timestamp),
    /// Nothing is known without word from this thread.
    Word(usize),
    /// All threads have ended.
    Over,
}

/// What a thread said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard<N> {
    Nothing,
    /// Its next lines, or that there are none any more.
    Lines,
    News(N),
}

impl<N> Merge<N> {
    pub(crate) fn new(receivers: impl IntoIterator<Item = Receiver<Message<N>>>) -> Self {
        let source = |receiver| Source {
            receiver,
            batch: Batch { until: Timestamp::from_nanos(i64::MIN), ..Batch::default() },
            next: 0,
            start: 0,
            seen: 0,
            is_over: false,
        };
        Self { sources: receivers.into_iter().map(source).collect() }
    }

    /// Whose lines are next.
    pub(crate) fn next(&self) -> Step {
        let mut first: Option<(Timestamp, usize)> = None;
        let mut until = Timestamp::from_nanos(i64::MAX);
        for (number, source) in self.sources.iter().enumerate().filter(|(_, s)| !s.is_over) {
            let time = source.batch.lines.get(source.next).map_or(source.batch.until, |l| l.time);
            match first {
                Some((earliest, _)) if earliest <= time => until = until.min(time),
                before => {
                    until = before.map_or(until, |(second, _)| until.min(second));
                    first = Some((time, number));
                }
            }
        }
        match first {
            None => Step::Over,
            Some((_, number)) if self.has_line(number) => Step::Lines(number, until),
            Some((_, number)) => Step::Word(number),
        }
    }

    fn has_line(&self, number: usize) -> bool {
        self.sources.get(number).is_some_and(|source| source.next < source.batch.lines.len())
    }

    /// The thread's next line, if it is not later than `until`: its time, its bytes, and how many
    /// frames the thread has seen since the line before.
    pub(crate) fn line(
        &mut self,
        number: usize,
        until: Timestamp,
    ) -> Option<(Timestamp, &[u8], u64)> {
        let source = self.sources.get_mut(number)?;
        let Line { time, end, seen } = *source.batch.lines.get(source.next)?;
        if time > until {
            return None;
        }
        let bytes = source.batch.bytes.get(source.start..end).unwrap_or_default();
        let since = seen.saturating_sub(source.seen);
        (source.next, source.start, source.seen) = (source.next + 1, end, seen);
        Some((time, bytes, since))
    }

    /// Takes a thread's word; what it has not said yet is waited for if `wait` says so.
    pub(crate) fn hear(&mut self, number: usize, wait: bool) -> Heard<N> {
        let Some(source) = self.sources.get_mut(number) else { return Heard::Nothing };
        let message = if wait {
            source.receiver.recv().ok()
        } else {
            match source.receiver.try_recv() {
                Ok(message) => Some(message),
                Err(TryRecvError::Empty) => return Heard::Nothing,
                Err(TryRecvError::Disconnected) => None,
            }
        };
        match message {
            Some(Message::News(news)) => return Heard::News(news),
            Some(Message::Lines(batch)) => {
                (source.batch, source.next, source.start) = (batch, 0, 0);
            }
            None => source.is_over = true,
        }
        Heard::Lines
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};

    use super::*;

    fn time(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn send(to: &SyncSender<Message<()>>, times: &[i64], until: i64) {
        let mut batch = Batch::default();
        for (&nanos, number) in times.iter().zip(1..) {
            batch.bytes.extend_from_slice(format!("{nanos} ").as_bytes());
            batch.end_of_line(time(nanos), number * 2);
        }
        assert!(to.send(Message::Lines(batch.take(time(until)))).is_ok());
    }

    /// All lines that can be told without waiting, and whose word is waited for then.
    fn told(merge: &mut Merge<()>) -> (String, Option<usize>) {
        let mut text = String::new();
        loop {
            match merge.next() {
                Step::Over => return (text, None),
                Step::Lines(number, until) => {
                    while let Some((_, line, seen)) = merge.line(number, until) {
                        assert_eq!(seen, 2);
                        text.push_str(std::str::from_utf8(line).unwrap());
                    }
                }
                Step::Word(number) => {
                    if merge.hear(number, false) == Heard::Nothing {
                        return (text, Some(number));
                    }
                }
            }
        }
    }

    #[test]
    fn lines_come_in_order_and_wait_no_longer_than_others_may_have_earlier_ones() {
        let (a, from_a) = sync_channel(9);
        let (b, from_b) = sync_channel(9);
        let mut merge = Merge::new([from_a, from_b]);
        assert_eq!(told(&mut merge), (String::new(), Some(0)));
        send(&a, &[1, 4, 6], 7);
        assert_eq!(told(&mut merge), (String::new(), Some(1)));
        send(&b, &[2, 5], 5);
        assert_eq!(told(&mut merge), ("1 2 4 5 ".to_owned(), Some(1)));
        // nothing, but time goes on
        send(&b, &[], 8);
        assert_eq!(told(&mut merge), ("6 ".to_owned(), Some(0)));
        drop(a);
        assert_eq!(told(&mut merge), (String::new(), Some(1)));
        assert!(b.send(Message::News(())).is_ok());
        assert_eq!(merge.hear(1, true), Heard::News(()));
        drop(b);
        assert_eq!(told(&mut merge), (String::new(), None));
    }
}
