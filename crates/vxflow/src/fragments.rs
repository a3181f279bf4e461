//! Which flow the later fragments of a packet belong to.
//!
//! Those that come before their first one (some senders send the last one first, and networks
//! reorder) wait for it. What is decided depends on nothing but the fragments themselves and their
//! order, so that it is the same wherever it is done.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use crate::digest::{Digest, What};
use crate::key::{Address, Key, KeyHasher, Kind, Side};

/// What names a fragmented packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Name<A: Address> {
    /// without ports
    key: Key<A>,
    from_high: bool,
    id: u32,
}

/// How long a later fragment waits for its first one, in nanoseconds: far longer than fragments
/// overtake each other, and far less than an identification takes to come again.
pub(crate) const PATIENCE: i64 = 1_000_000_000;

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<D> {
    /// To this flow, maybe another than it said, and as a packet of it.
    Flow(D),
    /// A later fragment of a tunnel packet.
    Carried,
}

impl<D> Place<D> {
    pub(crate) fn map<T>(self, into: impl FnOnce(D) -> T) -> Place<T> {
        match self {
            Self::Flow(digest) => Place::Flow(into(digest)),
            Self::Carried => Place::Carried,
        }
    }
}

/// What the first fragment was.
#[derive(Clone, Copy, Debug)]
enum First<A> {
    /// A packet of this flow, from this side.
    Flow(Key<A>, Side),
    /// A tunnel packet: what it carries has been counted.
    Tunnel,
}

/// A later fragment that came before its first one.
#[derive(Clone, Copy, Debug)]
struct Early<A: Address> {
    name: Name<A>,
    digest: Digest<A>,
    /// number of the one before it with the same name, if that is still here
    previous: Option<u64>,
}

/// First fragments, and later ones that wait for theirs, at most a fixed number of each.
#[derive(Clone, Debug)]
pub(crate) struct Fragments<A: Address> {
    names: HashMap<Name<A>, First<A>, RandomState>,
    /// oldest first; each name is here once
    order: VecDeque<Name<A>>,
    /// in the order in which they came; `None`: it waits no more
    early: VecDeque<Option<Early<A>>>,
    /// number of the first of `early`
    begin: u64,
    /// number of the last one that waits, by name
    newest: HashMap<Name<A>, u64, RandomState>,
    settled: VecDeque<Place<Digest<A>>>,
    most: usize,
}

impl<A: Address> Fragments<A> {
    pub(crate) fn new(most: usize, hasher: &KeyHasher) -> Self {
        let hasher = hasher.state();
        Self {
            names: HashMap::with_hasher(hasher.clone()),
            order: VecDeque::new(),
            early: VecDeque::new(),
            begin: 0,
            newest: HashMap::with_hasher(hasher.clone()),
            settled: VecDeque::new(),
            most,
        }
    }

    /// Finds the flow of a fragment, and remembers a first fragment. [`Self::settled`] then gives
    /// this fragment, and others that waited for it, as far as their flows are known. `hasher`
    /// makes the hashes of keys.
    #[cold]
    pub(crate) fn place(&mut self, digest: &Digest<A>, hasher: &KeyHasher) {
        self.give_up(digest.time);
        match digest.what {
            What::Packet | What::Quoted => self.settle(*digest),
            What::TunnelFragment => self.first(digest, digest.key, First::Tunnel, hasher),
            What::FirstFragment => {
                self.settle(*digest);
                let first = First::Flow(digest.key, digest.side);
                self.first(digest, portless(digest), first, hasher);
            }
            What::LaterFragment => {
                let name = name(digest, digest.key);
                match self.names.get(&name) {
                    Some(&first) => self.settled.push_back(first.place(*digest, hasher)),
                    None => self.wait(name, *digest),
                }
            }
        }
    }

    /// Takes the next fragment whose flow is known, in order.
    pub(crate) fn settled(&mut self) -> Option<Place<Digest<A>>> {
        self.settled.pop_front()
    }

    /// Do later fragments wait for their first one?
    #[inline]
    pub(crate) fn any_wait(&self) -> bool {
        !self.early.is_empty()
    }

    /// Gives up on first fragments for which others have waited too long at `time`.
    #[inline]
    pub(crate) fn give_up(&mut self, time: i64) {
        while let Some(oldest) = self.early.front()
            && oldest.is_none_or(|early| time.saturating_sub(early.digest.time) > PATIENCE)
        {
            self.give_up_oldest();
        }
    }

    /// Gives up on all first fragments that others wait for: no further fragments come.
    pub(crate) fn give_up_all(&mut self) {
        while !self.early.is_empty() {
            self.give_up_oldest();
        }
    }

    fn give_up_oldest(&mut self) {
        let number = self.begin;
        let Some(oldest) = self.early.pop_front() else { return };
        self.begin += 1;
        let Some(Early { name, digest, .. }) = oldest else { return };
        if self.newest.get(&name) == Some(&number) {
            self.newest.remove(&name);
        }
        self.settle(digest);
    }

    /// It is a packet of the flow that it says.
    fn settle(&mut self, digest: Digest<A>) {
        self.settled.push_back(Place::Flow(Digest { what: What::Packet, ..digest }));
    }

    /// Lets a later fragment wait.
    fn wait(&mut self, name: Name<A>, digest: Digest<A>) {
        if self.most == 0 {
            return self.settle(digest);
        }
        if self.early.len() >= self.most {
            self.give_up_oldest();
        }
        let number = self.begin + self.early.len() as u64;
        let previous = self.newest.insert(name, number);
        self.early.push_back(Some(Early { name, digest, previous }));
    }

    /// Remembers a first fragment, for which others may have waited. `portless` is its key without
    /// ports.
    fn first(&mut self, digest: &Digest<A>, portless: Key<A>, first: First<A>, hasher: &KeyHasher) {
        let name = name(digest, portless);
        if self.names.insert(name, first).is_none() {
            self.order.push_back(name);
            if self.order.len() > self.most
                && let Some(oldest) = self.order.pop_front()
            {
                self.names.remove(&oldest);
            }
        }
        // the newest comes first, and each stands before the one that was found before it
        let at = self.settled.len();
        let mut number = self.newest.remove(&name);
        while let Some(early) = number.and_then(|number| self.take(number)) {
            self.settled.push_back(first.place(early.digest, hasher));
            number = early.previous;
        }
        if let Some(own) = self.settled.make_contiguous().get_mut(at..) {
            own.reverse();
        }
    }

    /// Takes out one that waits; `None` where it waits no more.
    fn take(&mut self, number: u64) -> Option<Early<A>> {
        let at = usize::try_from(number.checked_sub(self.begin)?).ok()?;
        self.early.get_mut(at)?.take()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.names.capacity() * size_of::<(Name<A>, First<A>)>()
            + self.order.capacity() * size_of::<Name<A>>()
            + self.early.capacity() * size_of::<Option<Early<A>>>()
            + self.newest.capacity() * size_of::<(Name<A>, u64)>()
            + self.settled.capacity() * size_of::<Place<Digest<A>>>()
    }
}

impl<A: Address> First<A> {
    /// Where a later fragment of this packet belongs.
    fn place(self, digest: Digest<A>, hasher: &KeyHasher) -> Place<Digest<A>> {
        match self {
            Self::Flow(key, side) => {
                let hash = hasher.hash(&key);
                Place::Flow(Digest { key, side, hash, what: What::Packet, ..digest })
            }
            Self::Tunnel => Place::Carried,
        }
    }
}

fn name<A: Address>(digest: &Digest<A>, key: Key<A>) -> Name<A> {
    // between equal addresses the ports decide which side is the higher, and later fragments have
    // none
    let from_high = digest.side == Side::High && key.low != key.high;
    Name { key, from_high, id: digest.fragment }
}

/// The key that the later fragments of this packet have.
fn portless<A: Address>(digest: &Digest<A>) -> Key<A> {
    let key = digest.key;
    Key::new((key.low, 0), (key.high, 0), key.vni, key.protocol, Kind::Fragments).0
}
