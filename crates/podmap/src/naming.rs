//! Which node a source speaks of: names where they are given, and found by address or podCIDR where
//! the source (a kernel, flannel's store) knows no names.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::cidr::Cidr;
use crate::fact::{Entry, Fact, NodeRef};

/// What two sources must share to speak of one node.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Mark {
    Address(IpAddr),
    Range(Cidr),
}

/// The nodes of a map, numbered in the order of their first row.
#[derive(Default)]
pub(crate) struct Naming {
    pub(crate) names: Vec<String>,
    pub(crate) ids: HashMap<String, u32>,
    /// Where the addresses that stand for nodes lead.
    addresses: HashMap<IpAddr, u32>,
    local: Option<u32>,
}

/// The node that a row speaks of, and what else the row ties to it.
fn marks(fact: &Fact) -> Option<(&NodeRef, [Option<Mark>; 2])> {
    match fact {
        Fact::PodCidr { node, cidr, .. } => Some((node, [Some(Mark::Range(*cidr)), None])),
        Fact::NodeAddress { node, address } => Some((node, [Some(Mark::Address(*address)), None])),
        Fact::Vtep { node, vtep } => {
            Some((node, [vtep.underlay.map(Mark::Address), vtep.address.map(Mark::Address)]))
        }
        Fact::Pod { node: Some(node), .. } => Some((node, [None, None])),
        Fact::Pod { .. }
        | Fact::PodNetwork(_)
        | Fact::ServiceCidr(_)
        | Fact::NodeCidr(_)
        | Fact::ServicePorts { .. }
        | Fact::Backends { .. }
        | Fact::Service { .. } => None,
    }
}

impl Naming {
    /// Numbers the nodes of `rows`, which stand in the order of their sources' ranks; `local` is
    /// the name of the node that the sources were read on, if known.
    pub(crate) fn new(rows: &[&Entry], local: Option<&str>) -> Self {
        let mut naming = Self::default();
        let mut known: HashMap<Mark, u32> = HashMap::new();
        for (node, marks) in rows.iter().filter_map(|row| marks(&row.fact)) {
            if let NodeRef::Name(name) = node {
                let id = naming.intern(name);
                known.extend(marks.into_iter().flatten().map(|mark| (mark, id)));
            }
        }

        let nameless =
            || rows.iter().filter_map(|row| marks(&row.fact)).filter(|(node, _)| !is_name(node));
        let mut locals = nameless().filter(|(node, _)| matches!(node, NodeRef::Local)).peekable();
        if locals.peek().is_some() {
            let own: Vec<Mark> = locals.flat_map(|(_, marks)| marks).flatten().collect();
            let found = own.iter().find_map(|mark| known.get(mark).copied());
            let id = match local {
                Some(name) => naming.intern(name),
                None => found.unwrap_or_else(|| naming.intern("local")),
            };
            naming.local = Some(id);
            for mark in own {
                known.entry(mark).or_insert(id);
            }
        }

        let mut unnamed: HashMap<IpAddr, Option<u32>> = HashMap::new();
        for (node, marks) in nameless() {
            if let NodeRef::Address(address) = node {
                let found = unnamed
                    .entry(*address)
                    .or_insert_with(|| known.get(&Mark::Address(*address)).copied());
                if found.is_none() {
                    *found = marks.iter().flatten().find_map(|mark| known.get(mark).copied());
                }
            }
        }
        // sorted, so that the numbers do not depend on the hash table's order
        let mut unnamed: Vec<_> = unnamed.into_iter().collect();
        unnamed.sort_unstable();
        for (address, found) in unnamed {
            let id = found.unwrap_or_else(|| naming.intern(&address.to_string()));
            naming.addresses.insert(address, id);
        }
        naming
    }

    /// The number of the node; every node of the rows has one.
    pub(crate) fn id(&self, node: &NodeRef) -> Option<u32> {
        match node {
            NodeRef::Name(name) => self.ids.get(name).copied(),
            NodeRef::Address(address) => self.addresses.get(address).copied(),
            NodeRef::Local => self.local,
        }
    }

    /// The name of a node that has a number.
    pub(crate) fn name(&self, id: u32) -> &str {
        self.names.get(id as usize).map_or("", String::as_str)
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        id
    }
}

fn is_name(node: &NodeRef) -> bool {
    matches!(node, NodeRef::Name(_))
}
