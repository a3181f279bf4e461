//! A JSON or YAML document without what no map needs.
//!
//! A pod as kubectl prints it has 5 to 10 kB, of which the map wants five words. Both parsers keep
//! only values whose keys (all of them, from the top) stand in [`KEYS`], and step over the rest
//! without keeping it; so a dump of a large cluster needs little memory, and nobody's odd field
//! of another kind can make the file unreadable. What is kept is checked when it is used, where
//! the path to it is known.

use std::borrow::Cow;
use std::fmt::{Display, Write};

use crate::error::{Fault, Place, quoted};

/// The keys that the readers ask for, sorted. Sources: the Kubernetes API (core/v1,
/// discovery.k8s.io/v1, networking.k8s.io/v1), flannel's annotations
/// (pkg/subnet/kube/annotations.go), Calico's (libcalico-go,
/// lib/backend/k8s/resources/node.go) and custom resources, Cilium's (pkg/annotation/k8s.go).
const KEYS: &[&str] = &[
    "VXLANTunnelMACAddr",
    "VXLANTunnelMACAddrV6",
    "address",
    "addressType",
    "addresses",
    "affinity",
    "annotations",
    "apiVersion",
    "bgp",
    "cidr",
    "cidrs",
    "clusterIP",
    "clusterIPs",
    "deleted",
    "endpoints",
    "externalIPs",
    "flannel.alpha.coreos.com/backend-data",
    "flannel.alpha.coreos.com/backend-type",
    "flannel.alpha.coreos.com/backend-v6-data",
    "flannel.alpha.coreos.com/public-ip",
    "flannel.alpha.coreos.com/public-ip-overwrite",
    "flannel.alpha.coreos.com/public-ipv6",
    "flannel.alpha.coreos.com/public-ipv6-overwrite",
    "hostIP",
    "hostIPs",
    "hostNetwork",
    "ingress",
    "io.cilium.network.ipv4-cilium-host",
    "io.cilium.network.ipv4-pod-cidr",
    "io.cilium.network.ipv6-cilium-host",
    "io.cilium.network.ipv6-pod-cidr",
    "ip",
    "ipam",
    "ipv4Address",
    "ipv4VXLANTunnelAddr",
    "ipv6Address",
    "ipv6VXLANTunnelAddr",
    "items",
    "kind",
    "kubernetes.io/service-name",
    "labels",
    "loadBalancer",
    "metadata",
    "name",
    "namespace",
    "network.cilium.io/ipv4-cilium-host",
    "network.cilium.io/ipv4-pod-cidr",
    "network.cilium.io/ipv6-cilium-host",
    "network.cilium.io/ipv6-pod-cidr",
    "node",
    "nodeName",
    "notReadyAddresses",
    "phase",
    "podCIDR",
    "podCIDRs",
    "podIP",
    "podIPs",
    "port",
    "ports",
    "projectcalico.org/IPv4Address",
    "projectcalico.org/IPv4VXLANTunnelAddr",
    "projectcalico.org/IPv6Address",
    "projectcalico.org/IPv6VXLANTunnelAddr",
    "projectcalico.org/VXLANTunnelMACAddr",
    "projectcalico.org/VXLANTunnelMACAddrV6",
    "protocol",
    "spec",
    "state",
    "status",
    "subsets",
    "targetRef",
    "type",
    "vxlanTunnelMACAddr",
    "vxlanTunnelMACAddrV6",
];

/// The key as the table has it, if a reader asks for it.
pub(super) fn wanted(key: &str) -> Option<&'static str> {
    KEYS.binary_search(&key).ok().and_then(|index| KEYS.get(index)).copied()
}

/// A value, and the line it starts in (0 where the parser does not tell).
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    pub(super) line: usize,
    pub(super) value: Value<'a>,
}

/// What a value is; texts are borrowed from the file where they stand there without escapes.
#[derive(Debug, Default)]
pub(super) enum Value<'a> {
    #[default]
    Null,
    Bool(bool),
    /// `None` where it is not a whole number from 0 on.
    Number(Option<u64>),
    Text(Cow<'a, str>),
    List(Vec<Tree<'a>>),
    Map(Vec<(&'static str, Tree<'a>)>),
}

impl Value<'_> {
    /// What it is, for an error.
    const fn as_noun(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

/// One step from a value to what it holds.
#[derive(Clone, Copy, Debug)]
enum Step<'s> {
    /// The document, by its number among several, from 1; 0 where it is the only one so far.
    Document(usize),
    Key(&'s str),
    Index(usize),
}

/// A value, and the way to it, which is only spelled out for an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'s> {
    tree: &'s Tree<'s>,
    step: Step<'s>,
    up: Option<&'s Spot<'s>>,
}

impl<'s> Spot<'s> {
    /// The top of a document, `number` from 1.
    pub(super) fn document(tree: &'s Tree<'s>, number: usize) -> Self {
        Self { tree, step: Step::Document(number), up: None }
    }

    /// What stands at `key`; `None` where nothing or null does. A key must be one of [`KEYS`].
    pub(super) fn key(&'s self, key: &'static str) -> Result<Option<Spot<'s>>, Fault> {
        debug_assert!(wanted(key).is_some(), "{key} is missing in KEYS");
        let pairs = match &self.tree.value {
            Value::Map(pairs) => pairs,
            Value::Null => return Ok(None),
            other => {
                return Err(self.fault(format!("an object is needed, not {}", other.as_noun())));
            }
        };
        Ok(pairs.iter().find(|(name, _)| *name == key).and_then(|(_, tree)| {
            let spot = Spot { tree, step: Step::Key(key), up: Some(self) };
            (!matches!(tree.value, Value::Null)).then_some(spot)
        }))
    }

    /// The values of the list at `key`; none where nothing or null stands there.
    pub(super) fn list(
        &'s self,
        key: &'static str,
        mut each: impl FnMut(Spot<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self.key(key)? {
            Some(list) => list.items(&mut each),
            None => Ok(()),
        }
    }

    /// The values of this list.
    pub(super) fn items(
        &self,
        each: &mut impl FnMut(Spot<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Value::List(trees) = &self.tree.value else {
            return Err(self.needs("a list"));
        };
        for (index, tree) in trees.iter().enumerate() {
            each(Spot { tree, step: Step::Index(index), up: Some(self) })?;
        }
        Ok(())
    }

    /// Whether this is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.tree.value, Value::List(_))
    }

    /// Whether this is null, as an empty YAML document is.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.tree.value, Value::Null)
    }

    /// The text here.
    pub(super) fn text(&self) -> Result<&'s str, Fault> {
        match &self.tree.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.needs("a text")),
        }
    }

    /// The number here. YAML has it as text.
    pub(super) fn number(&self) -> Result<u64, Fault> {
        match &self.tree.value {
            Value::Number(Some(number)) => Ok(*number),
            Value::Text(text) => {
                text.parse().map_err(|_| self.is_no("a number", "80 would be one"))
            }
            _ => Err(self.needs("a number")),
        }
    }

    /// The text at `key`; `None` where nothing, null or an empty text stands there.
    pub(super) fn text_at(&'s self, key: &'static str) -> Result<Option<&'s str>, Fault> {
        match self.key(key)? {
            Some(spot) => {
                // the borrow is of the tree, which outlives the step taken here
                let Value::Text(text) = &spot.tree.value else { return Err(spot.needs("a text")) };
                Ok((!text.is_empty()).then_some(text.as_ref()))
            }
            None => Ok(None),
        }
    }

    /// Whether true stands at `key`.
    pub(super) fn is_true(&'s self, key: &'static str) -> Result<bool, Fault> {
        match self.key(key)? {
            Some(Spot { tree: Tree { value: Value::Bool(value), .. }, .. }) => Ok(*value),
            Some(spot) => Err(spot.needs("true or false")),
            None => Ok(false),
        }
    }

    /// Something is wrong here.
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        let place = Place { line: self.tree.line, column: 0, path: self.path() };
        Fault { place, message: message.into() }
    }

    /// What stands here is no `what`.
    pub(super) fn is_no(&self, what: &str, reason: impl Display) -> Fault {
        let here = match &self.tree.value {
            Value::Text(text) => quoted(text),
            other => other.as_noun().to_owned(),
        };
        self.fault(format!("{here} is not {what}: {reason}"))
    }

    /// What must stand at `key` does not.
    pub(super) fn lacks(&'s self, key: &'static str) -> Fault {
        let nothing = Tree { line: self.tree.line, value: Value::Null };
        Spot { tree: &nothing, step: Step::Key(key), up: Some(self) }.fault("missing")
    }

    fn needs(&self, what: &str) -> Fault {
        self.fault(format!("{what} is needed, not {}", self.tree.value.as_noun()))
    }

    /// The way from the top: `items[3].spec.podCIDR`, with `document 2, ` before it in a file of
    /// several documents.
    fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(spot) = at {
            steps.push(spot.step);
            at = spot.up;
        }
        let mut path = String::new();
        let mut document = String::new();
        for step in steps.into_iter().rev() {
            // writing to a String does not fail
            let _ = match step {
                Step::Document(number) if number > 1 => write!(document, "document {number}"),
                Step::Document(_) => Ok(()),
                Step::Index(index) => write!(path, "[{index}]"),
                Step::Key(key) if key.contains('.') => write!(path, "[{key:?}]"),
                Step::Key(key) if path.is_empty() => path.write_str(key),
                Step::Key(key) => write!(path, ".{key}"),
            };
        }
        match (document.is_empty(), path.is_empty()) {
            (true, _) => path,
            (false, true) => document,
            (false, false) => format!("{document}, {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_sorted() {
        assert!(KEYS.is_sorted());
        assert_eq!(wanted("podCIDR"), Some("podCIDR"));
        assert_eq!(wanted("podCID"), None);
    }
}
