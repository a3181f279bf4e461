//! From rows to a map: names are found, what is said twice is merged, who counts is decided, and
//! what cannot all be true becomes a warning. Every step sorts or hashes; none is quadratic.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::backends::Backends;
use crate::builder::Builder;
use crate::cidr::Cidr;
use crate::fact::{Entry, Fact, Grant, PodClaim, ServiceClaim, VtepRecord};
use crate::kind::Kind;
use crate::map::{PodMap, Record, VtepEntry};
use crate::naming::Naming;
use crate::ranges::{NONE, Ranges};
use crate::text::{Text, Texts};
use crate::warning::Warning;

/// What a single address is claimed as; the first in this order has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Pod,
    ClusterIp,
    Vtep,
    Node,
    Endpoint,
    ExternalIp,
    EndedPod,
}

impl Claim {
    const fn kind(self) -> Kind {
        match self {
            Self::Pod | Self::Endpoint | Self::EndedPod => Kind::Pod,
            Self::ClusterIp | Self::ExternalIp => Kind::Service,
            Self::Vtep => Kind::Vtep,
            Self::Node => Kind::Node,
        }
    }

    /// Whether two owners of one address are a contradiction. An external address may serve
    /// several services (by port), and endpoints and ended pods come and go.
    const fn is_exclusive(self) -> bool {
        matches!(self, Self::Pod | Self::ClusterIp | Self::Vtep | Self::Node)
    }
}

/// A single address and who claims it.
#[derive(Clone, Copy)]
struct Candidate<'b> {
    address: IpAddr,
    claim: Claim,
    order: usize,
    node: u32,
    /// Namespace and name of a pod or service.
    names: Option<(&'b str, &'b str)>,
    source: u32,
}

/// A range and whose it is. Of equal ranges, the lower rank counts: a node's pods, pods, services,
/// nodes.
#[derive(Clone, Copy)]
struct Range {
    cidr: Cidr,
    rank: u8,
    order: usize,
    node: u32,
    source: u32,
}

const RANK_NODE_PODS: u8 = 0;
const RANK_PODS: u8 = 1;
const RANK_SERVICES: u8 = 2;

/// A map in the making.
struct Assembly<'b> {
    naming: Naming,
    sources: &'b [String],
    texts: Texts,
    nodes: Vec<Text>,
    records: Vec<Record>,
    pods: HashMap<(&'b str, &'b str), u32>,
    warnings: Vec<Warning>,
}

impl Builder {
    /// Makes the map. The builder stays as it is, for more rows and another map.
    pub fn build(&self) -> PodMap {
        let mut rows: Vec<&Entry> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.source);
        let naming = Naming::new(&rows, self.local.as_deref());
        let mut texts = Texts::default();
        let nodes = naming.names.iter().map(|name| texts.keep(&[name])).collect();
        let mut assembly = Assembly {
            naming,
            sources: &self.sources,
            texts,
            nodes,
            records: Vec::new(),
            pods: HashMap::new(),
            warnings: Vec::new(),
        };

        for barren in &self.barren {
            let source = assembly.source_label(barren.0);
            assembly.warnings.push(Warning::NothingIn { source });
        }
        let (ranges4, ranges6) = assembly.ranges(&rows);
        let addresses = assembly.addresses(&rows, &ranges4, &ranges6);
        let (vteps, macs) = vteps(&assembly.naming, &rows);
        let underlays = underlays(&assembly.naming, &rows);
        let backends = Backends::new(&rows, &mut assembly.texts);

        let known = !assembly.records.is_empty() || !vteps.is_empty();
        let sees_all = rows.iter().any(|row| !self.partial.contains(&row.source));
        let unknown = assembly.owner_of_nothing(Kind::Unknown, "?");
        let (nobody, somebody) = if known {
            let external = assembly.owner_of_nothing(Kind::External, "external");
            (external, (!sees_all).then_some(unknown))
        } else {
            (unknown, None)
        };
        let mut map = PodMap {
            texts: assembly.texts,
            nobody,
            somebody,
            records: assembly.records,
            addresses4: HashMap::default(),
            addresses6: HashMap::default(),
            ranges4,
            ranges6,
            nodes: assembly.nodes,
            node_ids: assembly.naming.ids,
            underlays: underlays.into_iter().collect(),
            macs: macs.into_iter().collect(),
            vnis: vnis(&vteps),
            vteps,
            backends,
            sources: self.sources.clone(),
            warnings: assembly.warnings,
        };
        map.texts.shrink();
        for (address, record) in addresses {
            match address {
                IpAddr::V4(a) => map.addresses4.insert(a.to_bits(), record),
                IpAddr::V6(a) => map.addresses6.insert(a.to_bits(), record),
            };
        }
        map
    }
}

impl<'b> Assembly<'b> {
    fn source_label(&self, source: u32) -> String {
        self.sources.get(source as usize).cloned().unwrap_or_default()
    }

    /// Who has addresses that no row has.
    fn owner_of_nothing(&mut self, kind: Kind, label: &str) -> Record {
        Record {
            kind,
            key: Cidr::host(IpAddr::from([0, 0, 0, 0])),
            single: true,
            within: NONE,
            node: NONE,
            pod: NONE,
            namespace: Text::default(),
            name: Text::default(),
            label: self.texts.keep(&[label]),
            source: NONE,
        }
    }

    /// Takes the ranges of `rows` into the records, and makes the tables of IPv4 and IPv6.
    fn ranges(&mut self, rows: &[&Entry]) -> (Ranges<u32>, Ranges<u128>) {
        let mut ranges = self.all_ranges(rows);
        ranges.sort_by_key(|range| (range.cidr, range.rank, range.order));
        self.warn_of_overlaps(&ranges);
        // of equal ranges the lowest rank counts, and of its claims the last
        ranges.sort_by_key(|range| (range.cidr, range.rank, Reverse(range.order)));
        ranges.dedup_by_key(|range| range.cidr);

        let (mut four, mut six) = (Vec::new(), Vec::new());
        for range in ranges {
            let id = self.records.len() as u32;
            match (range.cidr.address(), range.cidr.last()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    four.push((first.to_bits(), last.to_bits(), id));
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    six.push((first.to_bits(), last.to_bits(), id));
                }
                // the first and last address of a range are of one family
                _ => continue,
            }
            let (kind, label) = match range.rank {
                RANK_NODE_PODS => (Kind::Pod, None),
                RANK_PODS => (Kind::Pod, Some("pod")),
                RANK_SERVICES => (Kind::Service, Some("svc")),
                _ => (Kind::Node, Some("node")),
            };
            let label = match label {
                Some(label) => self.texts.keep(&[label]),
                None => self.nodes.get(range.node as usize).copied().unwrap_or_default(),
            };
            self.records.push(Record {
                kind,
                key: range.cidr,
                single: false,
                within: NONE,
                node: range.node,
                pod: NONE,
                namespace: Text::default(),
                name: Text::default(),
                label,
                source: range.source,
            });
        }
        (Ranges::new(&four), Ranges::new(&six))
    }

    /// The ranges that count, a podCIDR of a Node object only where no block says otherwise.
    fn all_ranges(&mut self, rows: &[&Entry]) -> Vec<Range> {
        let blocks: HashSet<(u32, Cidr)> = rows
            .iter()
            .filter_map(|row| match &row.fact {
                Fact::PodCidr { node, cidr, grant: Grant::Block } => {
                    Some((self.naming.id(node)?, *cidr))
                }
                _ => None,
            })
            .collect();
        let mut set_aside = 0;
        let mut ranges = Vec::new();
        for (order, row) in rows.iter().enumerate() {
            let (cidr, rank, node) = match &row.fact {
                Fact::PodCidr { node, cidr, grant } => {
                    let node = self.naming.id(node).unwrap_or(NONE);
                    if *grant == Grant::Spec && !blocks.is_empty() {
                        set_aside += usize::from(!blocks.contains(&(node, *cidr)));
                        continue;
                    }
                    (*cidr, RANK_NODE_PODS, node)
                }
                Fact::PodNetwork(cidr) => (*cidr, RANK_PODS, NONE),
                Fact::ServiceCidr(cidr) => (*cidr, RANK_SERVICES, NONE),
                Fact::NodeCidr(cidr) => (*cidr, RANK_SERVICES + 1, NONE),
                _ => continue,
            };
            ranges.push(Range { cidr, rank, order, node, source: row.source.0 });
        }
        if set_aside > 0 {
            self.warnings.push(Warning::PodCidrsSetAside { count: set_aside });
        }
        ranges
    }

    /// Warns of podCIDRs of two nodes that overlap. Each is compared with the nearest one around it
    /// only, so that a hostile map gets as many warnings as it has rows, not their square.
    fn warn_of_overlaps(&mut self, sorted: &[Range]) {
        let mut around: Vec<Range> = Vec::new();
        let mut told: HashSet<(Cidr, u32)> = HashSet::new();
        for range in sorted.iter().filter(|range| range.rank == RANK_NODE_PODS) {
            while let Some(outer) = around.last()
                && !outer.cidr.contains(range.cidr.address())
            {
                around.pop();
            }
            if !told.insert((range.cidr, range.node)) {
                continue;
            }
            if let Some(outer) = around.last()
                && outer.node != range.node
            {
                self.warnings.push(Warning::OverlappingPodCidrs {
                    cidr: outer.cidr,
                    node: self.naming.name(outer.node).to_owned(),
                    source: self.source_label(outer.source),
                    other_cidr: range.cidr,
                    other_node: self.naming.name(range.node).to_owned(),
                    other_source: self.source_label(range.source),
                });
            }
            around.push(*range);
        }
    }

    /// Takes the single addresses of `rows` into the records, and tells each one's record.
    fn addresses(
        &mut self,
        rows: &[&'b Entry],
        four: &Ranges<u32>,
        six: &Ranges<u128>,
    ) -> Vec<(IpAddr, u32)> {
        let mut candidates: Vec<Candidate<'b>> = Vec::new();
        for (order, row) in rows.iter().enumerate() {
            self.claims(order, row, &mut candidates);
        }
        candidates.sort_by_key(|c| (c.address, c.claim, Reverse(c.order)));

        let mut addresses = Vec::new();
        for claims in candidates.chunk_by(|a, b| a.address == b.address) {
            let Some(&winner) = claims.first() else { continue };
            let within = match winner.address {
                IpAddr::V4(a) => four.find(a.to_bits()),
                IpAddr::V6(a) => six.find(a.to_bits()),
            };
            let node = self.node_of(claims, winner, within);
            let winner = Candidate { node, ..winner };
            self.warn_of_rivals(claims, winner);
            addresses.push((winner.address, self.records.len() as u32));
            self.push_address(winner, within);
        }
        addresses
    }

    /// What a row claims of single addresses.
    fn claims(&self, order: usize, row: &'b Entry, candidates: &mut Vec<Candidate<'b>>) {
        let source = row.source.0;
        let mut push = |address, claim, node, names| {
            candidates.push(Candidate { address, claim, order, node, names, source });
        };
        match &row.fact {
            Fact::NodeAddress { node, address } => {
                push(*address, Claim::Node, self.naming.id(node).unwrap_or(NONE), None);
            }
            Fact::Vtep { node, vtep } => {
                let node = self.naming.id(node).unwrap_or(NONE);
                if let Some(address) = vtep.address {
                    push(address, Claim::Vtep, node, None);
                }
                if let Some(underlay) = vtep.underlay {
                    push(underlay, Claim::Node, node, None);
                }
            }
            Fact::Pod { namespace, name, address, node, claim } => {
                let claim = match claim {
                    PodClaim::Status => Claim::Pod,
                    PodClaim::Endpoint => Claim::Endpoint,
                    PodClaim::Ended => Claim::EndedPod,
                };
                let node = node.as_ref().and_then(|node| self.naming.id(node)).unwrap_or(NONE);
                push(*address, claim, node, Some((namespace, name)));
            }
            Fact::Service { namespace, name, address, claim } => {
                let claim = match claim {
                    ServiceClaim::Cluster => Claim::ClusterIp,
                    ServiceClaim::External => Claim::ExternalIp,
                };
                push(*address, claim, NONE, Some((namespace, name)));
            }
            Fact::PodCidr { .. }
            | Fact::PodNetwork(_)
            | Fact::ServiceCidr(_)
            | Fact::NodeCidr(_)
            | Fact::ServicePorts { .. }
            | Fact::Backends { .. } => {}
        }
    }

    /// The node of who has an address: as said, else as another source says of the same pod, else
    /// of the podCIDR around it.
    fn node_of(&self, claims: &[Candidate<'_>], winner: Candidate<'_>, within: u32) -> u32 {
        if winner.node != NONE || winner.claim.kind() != Kind::Pod {
            return winner.node;
        }
        claims
            .iter()
            .filter(|claim| claim.claim.kind() == Kind::Pod && claim.names == winner.names)
            .map(|claim| claim.node)
            .find(|node| *node != NONE)
            .or_else(|| {
                let around = self.records.get(within as usize)?;
                (around.kind == Kind::Pod).then_some(around.node)
            })
            .unwrap_or(NONE)
    }

    /// Warns of the first other owner that claims an address in the same right as the winner.
    fn warn_of_rivals(&mut self, claims: &[Candidate<'b>], winner: Candidate<'b>) {
        let rival = claims.iter().find(|claim| {
            let differs = match winner.names {
                Some(_) => claim.names != winner.names,
                None => claim.node != winner.node,
            };
            claim.claim == winner.claim && winner.claim.is_exclusive() && differs
        });
        if let Some(rival) = rival {
            let warning = Warning::AddressTwice {
                address: winner.address,
                kind: winner.claim.kind(),
                label: self.label(*rival),
                source: self.source_label(rival.source),
                other_label: self.label(winner),
                other_source: self.source_label(winner.source),
            };
            self.warnings.push(warning);
        }
    }

    fn label(&self, candidate: Candidate<'_>) -> String {
        label_parts(candidate, self.naming.name(candidate.node)).concat()
    }

    fn push_address(&mut self, candidate: Candidate<'b>, within: u32) {
        let parts = label_parts(candidate, self.naming.name(candidate.node));
        let label = self.texts.keep(&parts);
        let kind = candidate.claim.kind();
        let (mut namespace, mut name, mut pod) = (Text::default(), Text::default(), NONE);
        if let Some((ns, of)) = candidate.names {
            // the label holds both names already: prefix, namespace, '/', name
            let prefix = parts.first().map_or(0, |prefix| prefix.len());
            namespace = label.part(prefix, ns.len());
            name = label.part(prefix + ns.len() + 1, of.len());
            if kind == Kind::Pod {
                let next = self.pods.len() as u32;
                pod = *self.pods.entry((ns, of)).or_insert(next);
            }
        }
        self.records.push(Record {
            kind,
            key: Cidr::host(candidate.address),
            single: true,
            within,
            node: candidate.node,
            pod,
            namespace,
            name,
            label,
            source: candidate.source,
        });
    }
}

/// The pieces of an owner's text; see [`Owner::label`](crate::Owner::label).
fn label_parts<'t>(candidate: Candidate<'t>, node: &'t str) -> [&'t str; 6] {
    let (namespace, name) = candidate.names.unwrap_or_default();
    match candidate.claim.kind() {
        Kind::Service => ["svc:", namespace, "/", name, "", ""],
        Kind::Vtep => ["vtep:", node, "", "", "", ""],
        Kind::Node => ["node:", node, "", "", "", ""],
        _ if node.is_empty() => ["", namespace, "/", name, "", ""],
        _ => ["", namespace, "/", name, "@", node],
    }
}

/// What two mentions of a tunnel endpoint may share.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum VtepKey {
    Mac([u8; 6]),
    Address(IpAddr),
    Underlay(IpAddr),
}

/// The tunnel endpoints of `rows`, what is said of one in several rows put together, and whose
/// each MAC address is. One whose MAC address changed stands there with either.
fn vteps(naming: &Naming, rows: &[&Entry]) -> (Vec<VtepEntry>, HashMap<[u8; 6], u32>) {
    let mut entries: Vec<VtepEntry> = Vec::new();
    let mut found: HashMap<(u32, VtepKey), usize> = HashMap::new();
    for row in rows {
        let Fact::Vtep { node, vtep } = &row.fact else { continue };
        let node = naming.id(node).unwrap_or(NONE);
        let keys = [
            vtep.mac.map(VtepKey::Mac),
            vtep.address.map(VtepKey::Address),
            vtep.underlay.map(VtepKey::Underlay),
        ];
        let same = keys.iter().flatten().find_map(|key| {
            let index = *found.get(&(node, *key))?;
            let merged = merged(entries.get(index)?.vtep, *vtep)?;
            Some((index, merged))
        });
        let index = if let Some((index, merged)) = same {
            if let Some(entry) = entries.get_mut(index) {
                entry.vtep = merged;
            }
            index
        } else {
            entries.push(VtepEntry { node, vtep: *vtep, source: row.source.0 });
            entries.len() - 1
        };
        for key in keys.into_iter().flatten() {
            found.insert((node, key), index);
        }
    }
    let mut macs = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(mac) = entry.vtep.mac {
            macs.insert(mac, index as u32);
        }
    }
    (entries, macs)
}

/// The identifiers of all endpoints that are one: what is known of by an address only may be none.
fn vnis(vteps: &[VtepEntry]) -> Option<Vec<u32>> {
    let endpoints = vteps.iter().filter(|entry| entry.vtep.mac.is_some());
    let mut vnis: Vec<u32> = endpoints.map(|entry| entry.vtep.vni).collect::<Option<_>>()?;
    vnis.sort_unstable();
    vnis.dedup();
    Some(vnis)
}

/// Both records as one, unless they contradict each other.
fn merged(a: VtepRecord, b: VtepRecord) -> Option<VtepRecord> {
    fn agree<T: PartialEq + Copy>(a: Option<T>, b: Option<T>) -> bool {
        a.is_none() || b.is_none() || a == b
    }
    let agrees = agree(a.underlay, b.underlay)
        && agree(a.address, b.address)
        && agree(a.mac, b.mac)
        && agree(a.vni, b.vni);
    agrees.then(|| VtepRecord {
        underlay: a.underlay.or(b.underlay),
        address: a.address.or(b.address),
        mac: a.mac.or(b.mac),
        vni: a.vni.or(b.vni),
    })
}

/// Which node an outer address leads to; the last one that claims it.
fn underlays(naming: &Naming, rows: &[&Entry]) -> HashMap<IpAddr, u32> {
    let mut underlays = HashMap::new();
    for row in rows {
        let (node, address) = match &row.fact {
            Fact::NodeAddress { node, address } => (node, Some(*address)),
            Fact::Vtep { node, vtep } => (node, vtep.underlay),
            _ => continue,
        };
        if let (Some(node), Some(address)) = (naming.id(node), address) {
            underlays.insert(address, node);
        }
    }
    underlays
}
