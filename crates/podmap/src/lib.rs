//! Whose address is this: podCIDRs, nodes, pods, services and VTEPs of a Kubernetes cluster.
//!
//! A capture of an overlay network shows addresses, but people ask about pods and nodes. This crate
//! reads what a cluster says about itself, and then names the owner of any address:
//!
//! ```
//! use std::net::IpAddr;
//!
//! use podmap::{Builder, Kind};
//!
//! // what `kubectl get nodes -o json` prints, shortened to what the map needs
//! let nodes = br#"{"apiVersion": "v1", "kind": "List", "items": [{
//!     "apiVersion": "v1", "kind": "Node",
//!     "metadata": {"name": "worker", "annotations": {
//!         "flannel.alpha.coreos.com/backend-type": "vxlan",
//!         "flannel.alpha.coreos.com/backend-data": "{\"VNI\":1,\"VtepMAC\":\"4e:1a:7c:33:90:a1\"}",
//!         "flannel.alpha.coreos.com/public-ip": "172.18.0.3"}},
//!     "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:10:244:1::/64"]}
//! }]}"#;
//! // plain lines, as a second source
//! let more = b"10.96.0.0/12 svc\n10.244.1.5 shop/web-0\n10.96.0.80 svc:shop/web\n";
//!
//! let mut builder = Builder::new();
//! builder.read_bytes("nodes.json", nodes)?;
//! builder.read_bytes("more.txt", more)?;
//! let given = builder.source("given");
//! builder.add_pod_cidr(given, "worker2", "10.244.2.0/24".parse()?);
//! let map = builder.build();
//! assert!(map.warnings().is_empty());
//!
//! let label = |address: &str| map.owner(address.parse().unwrap()).label();
//! assert_eq!(label("10.244.1.5"), "shop/web-0@worker"); // a pod by name
//! assert_eq!(label("10.244.1.6"), "worker"); // some pod on that node
//! assert_eq!(label("fd00:10:244:1::6"), "worker");
//! assert_eq!(label("10.244.2.7"), "worker2");
//! assert_eq!(label("10.244.1.0"), "vtep:worker"); // the node itself, through its tunnel
//! assert_eq!(label("172.18.0.3"), "node:worker");
//! assert_eq!(label("10.96.0.80"), "svc:shop/web");
//! assert_eq!(label("10.96.0.10"), "svc");
//! assert_eq!(label("8.8.8.8"), "external");
//!
//! let owner = map.owner("10.244.1.5".parse()?);
//! assert_eq!(owner.kind(), Kind::Pod);
//! assert_eq!(owner.cidr(), Some("10.244.1.0/24".parse()?));
//! assert_eq!((owner.namespace(), owner.pod()), (Some("shop"), Some("web-0")));
//!
//! // who carried a packet: by its outer address, and by its inner MAC address
//! assert_eq!(map.node_by_vtep(IpAddr::from([172, 18, 0, 3])), Some("worker"));
//! assert_eq!(map.node_by_vtep_mac([0x4e, 0x1a, 0x7c, 0x33, 0x90, 0xa1]), Some("worker"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Ways in, by task
//!
//! | to … | use |
//! |---|---|
//! | read kubectl's output, flannel's `subnet.env`, plain lines | [`Builder::read_file`] |
//! | add rows from elsewhere, such as a kernel's tables | [`Builder::source`], then the `add_` methods |
//! | follow changes | [`Builder::forget`], then add or [read](Builder::read_into) again |
//! | ask who has an address | [`PodMap::owner`], [`Owner::label`] |
//! | ask which service a pod answers for | [`PodMap::service_behind`] |
//! | ask who carried a packet | [`PodMap::node_by_vtep`], [`PodMap::node_by_vtep_mac`] |
//! | select by node or pod | [`PodMap::node_named`], [`PodMap::pods_named`], [`Owner::node_id`], [`Owner::pod_id`] |
//! | print the map | [`PodMap::rows`], [`PodMap::vteps`], [`PodMap::warnings`] |
//!
//! # What it promises
//!
//! - Reading never panics, whatever the file holds. Memory and time grow with the size of the file
//!   and the number of its rows, times the logarithm of that number.
//! - A file that makes no sense is refused as a whole, with the line or JSON path of what is wrong.
//! - A built map is immutable, [`Send`] and [`Sync`].
//! - [`PodMap::owner`] allocates nothing: it looks the address up in a hash table, and where it is
//!   not there, in a sorted table of ranges.
//!
//! # Sources
//!
//! Kubernetes API objects: the reference of kubernetes.io; flannel, Calico and Cilium: their own
//! source code, named at each reader. CIDR notation: RFC 4632 and RFC 4291.

#![forbid(unsafe_code)]

mod assemble;
mod backends;
mod builder;
mod calico;
mod cidr;
mod error;
mod fact;
mod kind;
mod map;
mod naming;
mod owner;
mod ranges;
mod readers;
mod row;
mod text;
mod warning;

pub use backends::Service;
pub use builder::Builder;
pub use cidr::{Cidr, CidrError};
pub use error::{MapError, Place};
pub use fact::{NodeRef, PodClaim, ServiceClaim, ServicePort, SourceId, VtepRecord};
pub use kind::Kind;
pub use map::{NodeId, PodId, PodMap, Vtep};
pub use owner::Owner;
pub use readers::{FileSummary, MAX_FILE_LEN};
pub use row::Row;
pub use text::NameError;
pub use warning::Warning;

/// The examples of the README are compiled and run with those of this page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
