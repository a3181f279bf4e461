//! Which flow the later fragments of a packet belong to.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use crate::digest::{Digest, What};
use crate::key::{Address, Key, Side};

/// What names a fragmented packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Name<A: Address> {
    /// without ports
    key: Key<A>,
    from_high: bool,
    id: u32,
}

/// What the first fragment was.
#[derive(Clone, Copy, Debug)]
pub(crate) enum First<A> {
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
    pub(crate) fn new(most: usize, hasher: RandomState) -> Self {
        Self { names: HashMap::with_hasher(hasher), order: VecDeque::new(), most }
    }

    /// Remembers a first fragment. `portless` is its key without ports.
    pub(crate) fn first(&mut self, digest: &Digest<A>, portless: Key<A>) {
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

    pub(crate) fn find(&self, digest: &Digest<A>) -> Option<First<A>> {
        self.names.get(&name(digest, digest.key)).copied()
    }
}

fn name<A: Address>(digest: &Digest<A>, key: Key<A>) -> Name<A> {
    // between equal addresses the ports decide which side is the higher, and later fragments have none
    let from_high = digest.side == Side::High && key.low != key.high;
    Name { key, from_high, id: digest.fragment }
}
