//! The map as rows, for printing it.

use crate::cidr::Cidr;
use crate::kind::Kind;
use crate::map::{PodMap, Record};
use crate::owner::Owner;

/// One row of the map, for printing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row<'m> {
    /// The range; a single address has a prefix of 32 or 128 bits.
    pub cidr: Cidr,
    /// What its owner is.
    pub kind: Kind,
    /// The node.
    pub node: Option<&'m str>,
    /// The namespace of the pod or service.
    pub namespace: Option<&'m str>,
    /// The name of the pod or service.
    pub name: Option<&'m str>,
    /// The owner as text, see [`Owner::label`].
    pub label: &'m str,
    /// The source of the row, by its label.
    pub source: &'m str,
}

impl PodMap {
    /// All ranges and single addresses with the owners that count, IPv4 first, each range before
    /// what it contains.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut records: Vec<&Record> = self.records.iter().collect();
        records.sort_by_key(|record| (record.key, record.single));
        records.into_iter().map(|record| {
            let owner = Owner { map: self, record };
            Row {
                cidr: record.key,
                kind: record.kind,
                node: owner.node(),
                namespace: owner.namespace(),
                name: owner.name(),
                label: owner.label(),
                source: self.source_label(record.source),
            }
        })
    }
}
