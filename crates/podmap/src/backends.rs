//! Which service a pod answers for: what the destination of a packet was before kube-proxy changed
//! it to a backend's.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::fact::{Entry, Fact, ServiceClaim};
use crate::text::{Text, Texts};

/// So many sets of ports are kept of one address; a pod has a few services.
const MOST: usize = 64;

/// A service that has a backend at some address and port; see
/// [`PodMap::service_behind`](crate::PodMap::service_behind).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service<'m> {
    /// Its namespace.
    pub namespace: &'m str,
    /// Its name.
    pub name: &'m str,
    /// Both as [`Owner::label`](crate::Owner::label) writes its own addresses: `svc:NS/NAME`.
    pub label: &'m str,
    /// The service's own port, where the map has it.
    pub port: Option<u16>,
}

/// Backends of services, by address: as much memory as the rows that tell them, and no more of an
/// address than [`MOST`].
#[derive(Debug, Default)]
pub(crate) struct Backends {
    /// where the address's sets stand in `sets`, and how many
    addresses: HashMap<IpAddr, (u32, u32), RandomState>,
    /// of each address those that count first first: indexes of `services`, and of `ports`
    sets: Vec<Set>,
    services: Vec<Named>,
    ports: Vec<Port>,
}

/// The ports that an address has for one service.
#[derive(Clone, Copy, Debug)]
struct Set {
    service: u32,
    /// begin and end in [`Backends::ports`]
    ports: (u32, u32),
}

#[derive(Clone, Copy, Debug)]
struct Named {
    label: Text,
    namespace: Text,
    name: Text,
}

/// A backend's port, `None` for any, and the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    protocol: u8,
    number: Option<u16>,
    of_service: Option<u16>,
}

type Names<'b> = (&'b str, &'b str);

impl Backends {
    /// Gathers what `rows`, in the order of their sources' ranks, say of backends.
    pub(crate) fn new(rows: &[&Entry], texts: &mut Texts) -> Self {
        let mut own_ports: HashMap<(Names<'_>, u8, &str), u16> = HashMap::new();
        let mut has_address: HashSet<Names<'_>> = HashSet::new();
        for row in rows {
            match &row.fact {
                Fact::ServicePorts { namespace, name, ports } => {
                    for port in ports {
                        let key = ((namespace.as_str(), name.as_str()), port.protocol, &*port.name);
                        own_ports.extend(port.number.map(|number| (key, number)));
                    }
                }
                Fact::Service { namespace, name, claim: ServiceClaim::Cluster, .. } => {
                    has_address.insert((namespace, name));
                }
                _ => {}
            }
        }

        let mut backends = Self::default();
        let mut numbers: HashMap<Names<'_>, u32> = HashMap::new();
        // address, and what its sets are sorted by
        let mut found: Vec<(IpAddr, bool, Names<'_>, Set)> = Vec::new();
        for row in rows {
            let Fact::Backends { namespace, name, addresses, ports } = &row.fact else { continue };
            let names = (namespace.as_str(), name.as_str());
            let service = *numbers.entry(names).or_insert_with(|| {
                backends.services.push(named(names, texts));
                (backends.services.len() - 1) as u32
            });
            let begin = backends.ports.len();
            backends.ports.extend(ports.iter().map(|port| Port {
                protocol: port.protocol,
                number: port.number,
                of_service: own_ports.get(&(names, port.protocol, &*port.name)).copied(),
            }));
            backends.ports[begin..].sort_unstable();
            let set = Set { service, ports: (begin as u32, backends.ports.len() as u32) };
            let is_headless = !has_address.contains(&names);
            found.extend(addresses.iter().map(|address| (*address, is_headless, names, set)));
        }
        found.sort_by_key(|(address, is_headless, names, _)| (*address, *is_headless, *names));
        for of_one in found.chunk_by(|a, b| a.0 == b.0) {
            let Some((address, ..)) = of_one.first() else { continue };
            let begin = backends.sets.len();
            backends.sets.extend(of_one.iter().take(MOST).map(|(.., set)| *set));
            let count = backends.sets.len() - begin;
            backends.addresses.insert(*address, (begin as u32, count as u32));
        }
        backends
    }

    /// The service that has a backend there.
    pub(crate) fn find<'m>(
        &'m self,
        address: IpAddr,
        protocol: u8,
        port: u16,
        texts: &'m Texts,
    ) -> Option<Service<'m>> {
        let &(begin, count) = self.addresses.get(&address)?;
        let sets = self.sets.get(begin as usize..)?.get(..count as usize)?;
        // one that names the port before one that has any
        let exact = sets.iter().find_map(|set| Some((set, self.port(*set, protocol, Some(port))?)));
        let any = || sets.iter().find_map(|set| Some((set, self.port(*set, protocol, None)?)));
        let (set, port) = exact.or_else(any)?;
        let service = self.services.get(set.service as usize)?;
        Some(Service {
            namespace: texts.text(service.namespace),
            name: texts.text(service.name),
            label: texts.text(service.label),
            port: port.of_service,
        })
    }

    /// The port of a set, if it has that; `None` for any is what a set without ports has too.
    fn port(&self, set: Set, protocol: u8, number: Option<u16>) -> Option<Port> {
        let (begin, end) = set.ports;
        let ports = self.ports.get(begin as usize..end as usize)?;
        if ports.is_empty() && number.is_none() {
            return Some(Port { protocol, number, of_service: None });
        }
        let at = ports.partition_point(|port| (port.protocol, port.number) < (protocol, number));
        ports.get(at).copied().filter(|port| (port.protocol, port.number) == (protocol, number))
    }
}

fn named((namespace, name): Names<'_>, texts: &mut Texts) -> Named {
    const PREFIX: &str = "svc:";
    let label = texts.keep(&[PREFIX, namespace, "/", name]);
    Named {
        label,
        namespace: label.part(PREFIX.len(), namespace.len()),
        name: label.part(PREFIX.len() + namespace.len() + 1, name.len()),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Builder, ServiceClaim, ServicePort};

    const TCP: u8 = 6;
    const UDP: u8 = 17;

    fn port(name: &str, protocol: u8, number: impl Into<Option<u16>>) -> ServicePort {
        ServicePort { name: name.to_owned(), protocol, number: number.into() }
    }

    #[test]
    fn who_counts() {
        let mut builder = Builder::new();
        let source = builder.source("test");
        let pod = "10.244.1.5".parse().unwrap();
        let other = "10.244.1.6".parse().unwrap();
        let mut add = |name: &str, addresses: &[_], ports: &[ServicePort]| {
            builder.add_backends(source, ("shop", name), addresses.to_vec(), ports.to_vec());
        };
        add("all", &[pod], &[]);
        add("any-udp", &[pod], &[port("", UDP, None)]);
        add("b", &[pod, other], &[port("web", TCP, 8080), port("dns", UDP, 53)]);
        add("a-headless", &[pod], &[port("", TCP, 8080), port("", TCP, 9000)]);
        add("c", &[other], &[port("web", TCP, 8080)]);
        builder.add_service(
            source,
            ("shop", "b"),
            "10.96.0.1".parse().unwrap(),
            ServiceClaim::Cluster,
        );
        builder.add_service_ports(
            source,
            ("shop", "b"),
            vec![port("dns", TCP, 53), port("web", TCP, 80)],
        );
        let map = builder.build();
        let found = |address, protocol, port| {
            let service = map.service_behind(address, protocol, port)?;
            assert_eq!(service.label, format!("svc:{}/{}", service.namespace, service.name));
            Some((service.name, service.port))
        };
        // one with a cluster IP first, though another one's name comes before
        assert_eq!(found(pod, TCP, 8080), Some(("b", Some(80))));
        assert_eq!(found(pod, UDP, 53), Some(("b", None)));
        assert_eq!(found(pod, TCP, 9000), Some(("a-headless", None)));
        // no port of any: one that has all, by name
        assert_eq!(found(pod, UDP, 5000), Some(("all", None)));
        assert_eq!(found(other, TCP, 8080), Some(("b", Some(80))));
        assert_eq!(found(other, TCP, 80), None);
        assert_eq!(found("10.244.1.7".parse().unwrap(), TCP, 8080), None);
        // nothing of it makes an address anybody's
        assert_eq!(map.owner(pod).label(), "external");
        builder.forget(source);
        assert_eq!(builder.build().service_behind(pod, TCP, 8080), None);
    }

    /// Addresses times ports are not multiplied, and an address in many slices is found as fast.
    #[test]
    fn hostile_slices_stay_small() {
        let mut builder = Builder::new();
        let source = builder.source("test");
        let addresses: Vec<_> =
            (0..20_000_u32).map(|bits| std::net::Ipv4Addr::from(bits).into()).collect();
        let ports: Vec<_> = (0..20_000).map(|number| port("", TCP, number)).collect();
        builder.add_backends(source, ("a", "wide"), addresses.clone(), ports);
        for number in 0..20_000 {
            let name = format!("n{number}");
            builder.add_backends(source, ("b", &name), vec![addresses[7]], vec![port("", UDP, 1)]);
        }
        let map = builder.build();
        assert_eq!(map.service_behind(addresses[19_999], TCP, 19_999).unwrap().name, "wide");
        assert_eq!(map.service_behind(addresses[7], UDP, 1).unwrap().name, "n0");
        for port in 0..20_000 {
            assert_eq!(map.service_behind(addresses[7], UDP, port).is_some(), port == 1);
        }
    }
}
