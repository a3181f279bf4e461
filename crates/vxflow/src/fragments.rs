//! Which flow the later fragments of a packet belong to.

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

/// Where a fragment belongs.
pub(crate) enum Place<D> {
    /// To this flow, maybe another than it said, and as a packet of it.
    Flow(D),
    /// A later fragment of a tunnel packet.
    Carried,
    /// To no flow.
    Nowhere,
}

impl<D> Place<D> {
    pub(crate) fn map<T>(self, into: impl FnOnce(D) -> T) -> Place<T> {
        match self {
            Self::Flow(digest) => Place::Flow(into(digest)),
            Self::Carried => Place::Carried,
            Self::Nowhere => Place::Nowhere,
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

/// First fragments, at most a fixed number of them.
#[derive(Clone, Debug)]
pub(crate) struct Fragments<A: Address> {
    names: HashMap<Name<A>, First<A>, RandomState>,
    /// oldest first; each name is here once
    order: VecDeque<Name<A>>,
    most: usize,
}

impl<A: Address> Fragments<A> {
    pub(crate) fn new(most: usize, hasher: &KeyHasher) -> Self {
        let hasher = hasher.state().clone();
        Self { names: HashMap::with_hasher(hasher), order: VecDeque::new(), most }
    }

    /// Finds out what a fragment belongs to, and remembers it if it is a first one. `hasher` makes the hashes of keys.
    #[cold]
    pub(crate) fn place(&mut self, digest: &Digest<A>, hasher: &KeyHasher) -> Place<Digest<A>> {
        let mut digest = *digest;
        match digest.what {
            What::Packet | What::Quoted => {}
            What::TunnelFragment => {
                self.first(&digest, digest.key);
                return Place::Nowhere;
            }
            What::FirstFragment => self.first(&digest, portless(&digest)),
            What::LaterFragment => match self.find(&digest) {
                Some(First::Flow(key, side)) => {
                    (digest.key, digest.side) = (key, side);
                    digest.hash = hasher.hash(&key);
                }
                Some(First::Tunnel) => return Place::Carried,
                None => {}
            },
        }
        digest.what = What::Packet;
        Place::Flow(digest)
    }

    /// Remembers a first fragment. `portless` is its key without ports.
    fn first(&mut self, digest: &Digest<A>, portless: Key<A>) {
        let name = name(digest, portless);
        let first = match digest.what {
            What::TunnelFragment => First::Tunnel,
            _ => First::Flow(digest.key, digest.side),
        };
        if self.names.insert(name, first).is_none() {
            self.order.push_back(name);
            if self.order.len() > self.most
                && let Some(oldest) = self.order.pop_front()
            {
                self.names.remove(&oldest);
            }
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.names.capacity() * size_of::<(Name<A>, First<A>)>()
            + self.order.capacity() * size_of::<Name<A>>()
    }

    fn find(&self, digest: &Digest<A>) -> Option<First<A>> {
        self.names.get(&name(digest, digest.key)).copied()
    }
}

fn name<A: Address>(digest: &Digest<A>, key: Key<A>) -> Name<A> {
    // between equal addresses the ports decide which side is the higher, and later fragments have none
    let from_high = digest.side == Side::High && key.low != key.high;
    Name { key, from_high, id: digest.fragment }
}

/// The key that the later fragments of this packet have.
fn portless<A: Address>(digest: &Digest<A>) -> Key<A> {
    let key = digest.key;
    Key::new((key.low, 0), (key.high, 0), key.vni, key.protocol, Kind::Fragments).0
}
