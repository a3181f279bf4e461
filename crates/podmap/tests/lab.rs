//! Every reader on the bundled lab's map files: all must tell the same truth.

use std::net::IpAddr;
use std::path::PathBuf;

use podmap::{Builder, Kind, PodMap, VtepRecord, Warning};

fn path(file: &str) -> PathBuf {
    vxtest::testdata("maps").join(file)
}

fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn map(files: &[&str]) -> PodMap {
    let mut builder = Builder::new();
    for file in files {
        builder.read_bytes(file, &bytes(file)).unwrap_or_else(|error| panic!("{error}"));
    }
    builder.build()
}

fn label<'m>(map: &'m PodMap, address: &str) -> &'m str {
    map.owner(address.parse().unwrap()).label()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn nodes_are_the_same_from_json_and_yaml() {
    for file in ["nodes.json", "nodes.yaml"] {
        let map = map(&[file]);
        assert_eq!(map.warnings(), []);
        assert_eq!(map.nodes().collect::<Vec<_>>(), ["n1", "n2", "n3"]);
        assert_eq!(label(&map, "10.244.1.2"), "n1");
        assert_eq!(label(&map, "10.244.3.255"), "n3");
        assert_eq!(label(&map, "10.244.4.1"), "external");
        assert_eq!(label(&map, "fd00:10:244:2::2"), "n2");
        assert_eq!(label(&map, "10.244.2.0"), "vtep:n2");
        assert_eq!(label(&map, "fd00:10:244:2::"), "vtep:n2");
        assert_eq!(label(&map, "172.18.0.4"), "node:n3");
        assert_eq!(label(&map, "fd00:172:18::4"), "node:n3");
        assert_eq!(map.node_by_vtep(ip("172.18.0.3")), Some("n2"));
        assert_eq!(map.node_by_vtep(ip("fd00:172:18::3")), Some("n2"));
        assert_eq!(map.node_by_vtep(ip("10.244.2.0")), None, "not an outer address");
        assert_eq!(map.node_by_vtep_mac([0xd2, 0x5f, 0x08, 0xb1, 0x6e, 0xb2]), Some("n2"));
        let vteps: Vec<_> = map.vteps().collect();
        assert_eq!(vteps.len(), 6);
        assert_eq!(vteps[3].node, "n2");
        assert_eq!(vteps[3].source, file);
        assert_eq!(
            vteps[3].record,
            VtepRecord {
                underlay: Some(ip("fd00:172:18::3")),
                address: Some(ip("fd00:10:244:2::")),
                mac: Some([0xc6, 0x0e, 0x77, 0x52, 0x9f, 0xb2]),
                vni: Some(1),
            }
        );
    }
}

#[test]
fn a_file_of_everything_equals_its_parts() {
    let parts = map(&["nodes.json", "pods.json", "services.json", "endpointslices.json"]);
    let mut builder = Builder::new();
    let summary = builder.read_file(path("cluster.yaml")).unwrap();
    assert_eq!(summary.passed_over.into_iter().collect::<Vec<_>>(), [("ConfigMap".to_owned(), 1)]);
    let whole = builder.build();
    // the file also has a ServiceCIDR, which the parts lack
    let rows = |map: &PodMap| {
        map.rows()
            .filter(|row| row.kind != Kind::Service || row.name.is_some())
            .map(|row| format!("{} {} {}", row.cidr, row.kind.as_str(), row.label))
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(&parts), rows(&whole));
    assert_eq!(label(&whole, "10.96.7.7"), "svc");
    assert_eq!(whole.warnings(), []);
    assert_eq!(parts.warnings(), []);
}

#[test]
fn pods_and_services_have_names() {
    let map = map(&["cluster.yaml"]);
    assert_eq!(label(&map, "10.244.1.2"), "default/n1p1@n1");
    assert_eq!(label(&map, "fd00:10:244:1::2"), "default/n1p1@n1");
    assert_eq!(label(&map, "10.244.2.2"), "default/n2p1@n2", "not the ended job's pod");
    assert_eq!(label(&map, "10.244.2.9"), "n2");
    assert_eq!(label(&map, "172.18.0.2"), "node:n1", "a pod with its node's network has no name");
    assert_eq!(label(&map, "10.96.0.80"), "svc:default/web");
    assert_eq!(label(&map, "10.96.0.10"), "svc:kube-system/kube-dns");

    let owner = map.owner(ip("10.244.2.3"));
    assert_eq!(owner.kind(), Kind::Pod);
    assert_eq!(owner.cidr().unwrap().to_string(), "10.244.2.0/24");
    assert_eq!(owner.node(), Some("n2"));
    assert_eq!((owner.namespace(), owner.pod()), (Some("default"), Some("n2p2")));
    assert_eq!(owner.service(), None);

    let service = map.owner(ip("10.96.0.80"));
    assert_eq!((service.namespace(), service.service()), (Some("default"), Some("web")));
    assert_eq!((service.pod(), service.node()), (None, None));
    assert_eq!(service.cidr().unwrap().to_string(), "10.96.0.0/16");

    // both addresses of a pod are one pod
    assert_eq!(map.pods_named("n1p1"), map.pods_named("default/n1p1"));
    assert_eq!(map.pods_named("n1p1"), [map.owner(ip("fd00:10:244:1::2")).pod_id().unwrap()]);
    assert_eq!(map.pods_named("kube-system/n1p1"), []);
    assert_eq!(map.node_named("n3"), map.owner(ip("10.244.3.77")).node_id());
    assert_eq!(map.node_named("n4"), None);
}

#[test]
fn pods_alone_tell_their_nodes_addresses() {
    let map = map(&["pods.json"]);
    assert_eq!(label(&map, "10.244.1.2"), "default/n1p1@n1");
    assert_eq!(label(&map, "172.18.0.3"), "node:n2");
    assert_eq!(map.node_by_vtep(ip("172.18.0.3")), Some("n2"));
    assert_eq!(map.owner(ip("10.244.1.2")).cidr(), None, "no range is known");
}

#[test]
fn endpoints_name_pods_but_never_nodes() {
    let map = map(&["nodes.json", "endpointslices.json"]);
    assert_eq!(label(&map, "10.244.3.2"), "default/n3p1@n3");
    assert_eq!(label(&map, "172.18.0.2"), "node:n1");
}

#[test]
fn calico_blocks_count_and_spec_pod_cidrs_do_not() {
    let map = map(&["calico.yaml"]);
    assert_eq!(map.warnings(), [Warning::PodCidrsSetAside { count: 3 }]);
    assert_eq!(label(&map, "10.244.1.2"), "default/n1p1@n1");
    assert_eq!(label(&map, "10.244.1.63"), "n1");
    assert_eq!(label(&map, "10.244.1.64"), "pod", "in the pool, but in nobody's block");
    assert_eq!(label(&map, "10.244.0.5"), "pod", "spec.podCIDR of n1 says otherwise");
    assert_eq!(label(&map, "10.244.2.0"), "vtep:n2");
    assert_eq!(map.owner(ip("10.244.1.2")).cidr().unwrap().to_string(), "10.244.1.0/26");
    assert_eq!(map.node_by_vtep_mac([0x66, 0x8f, 0x3a, 0xd1, 0x1c, 0x52]), Some("n2"));
    assert_eq!(map.node_by_vtep(ip("172.18.0.3")), Some("n2"));
}

#[test]
fn subnet_env_speaks_of_this_node() {
    let alone = map(&["subnet.env"]);
    assert_eq!(label(&alone, "10.244.1.5"), "local");
    assert_eq!(label(&alone, "10.244.1.0"), "vtep:local");
    assert_eq!(label(&alone, "10.244.2.5"), "pod");
    assert_eq!(label(&alone, "fd00:10:244:1::5"), "local");
    assert_eq!(label(&alone, "fd00:10:244:2::5"), "pod");

    let mut builder = Builder::new();
    builder.local_node("worker");
    builder.read_bytes("subnet.env", &bytes("subnet.env")).unwrap();
    assert_eq!(label(&builder.build(), "10.244.1.5"), "worker");

    // its name is found where another source knows the same podCIDR, in either order
    for files in [["subnet.env", "nodes.json"], ["cidrs.txt", "subnet.env"]] {
        let map = map(&files);
        assert_eq!(label(&map, "10.244.1.9"), "n1");
        assert_eq!(map.nodes().count(), 3);
        assert_eq!(map.warnings(), []);
    }
}

#[test]
fn flannels_store_finds_names_elsewhere() {
    let alone = map(&["flannel-etcd.txt"]);
    assert_eq!(label(&alone, "10.244.2.5"), "172.18.0.3");
    assert_eq!(label(&alone, "fd00:10:244:2::5"), "172.18.0.3");
    assert_eq!(label(&alone, "10.244.9.9"), "pod");
    assert_eq!(alone.node_by_vtep_mac([0x7e, 0xd8, 0x13, 0xac, 0x60, 0xc3]), Some("172.18.0.4"));

    let mut builder = Builder::new();
    builder.read_bytes("etcd", &bytes("flannel-etcd.txt")).unwrap();
    builder.read_bytes("lines", b"10.244.2.0/24 worker2\n").unwrap();
    let map = builder.build();
    assert_eq!(map.warnings(), []);
    assert_eq!(label(&map, "10.244.2.5"), "worker2");
    assert_eq!(label(&map, "fd00:10:244:2::5"), "worker2");
    assert_eq!(map.node_by_vtep(ip("172.18.0.3")), Some("worker2"));
}

#[test]
fn plain_lines_have_a_form_for_each_kind() {
    let map = map(&["cidrs.txt"]);
    assert_eq!(map.warnings(), []);
    assert_eq!(label(&map, "10.244.1.2"), "default/n1p1@n1");
    assert_eq!(label(&map, "10.244.2.2"), "default/n2p1@n2");
    assert_eq!(label(&map, "10.244.3.2"), "n3");
    assert_eq!(label(&map, "10.244.3.0"), "vtep:n3");
    assert_eq!(label(&map, "10.96.0.80"), "svc:default/web");
    assert_eq!(label(&map, "10.96.0.81"), "svc");
    assert_eq!(map.node_by_vtep(ip("172.18.0.4")), Some("n3"));
    assert_eq!(map.node_by_vtep_mac([0x9a, 0xc4, 0xe1, 0x27, 0x5d, 0xc3]), Some("n3"));
}

#[test]
fn no_map_knows_nothing() {
    let map = Builder::new().build();
    assert!(map.is_empty());
    assert_eq!(map.owner(ip("10.244.1.2")).kind(), Kind::Unknown);
    assert_eq!(label(&map, "10.244.1.2"), "?");
    assert_eq!(map.rows().count(), 0);
}

/// A file that is cut off anywhere is refused or gives less; it never panics. Every length through
/// the first object, which has all there is in the others, then some.
#[test]
fn files_cut_at_every_length_never_panic() {
    for file in
        ["nodes.json", "nodes.yaml", "calico.yaml", "subnet.env", "cidrs.txt", "flannel-etcd.txt"]
    {
        let bytes = bytes(file);
        let json = file.ends_with("json");
        for len in (0..bytes.len()).filter(|len| *len < 2200 || len % 37 == 0) {
            let mut builder = Builder::new();
            let result = builder.read_bytes(file, &bytes[..len]);
            if json && len + 1 < bytes.len() {
                let error = result.expect_err("half a JSON object is none").to_string();
                assert!(error.starts_with("nodes.json"), "{error}");
            }
            let map = builder.build();
            let _ = (map.owner(ip("10.244.1.2")).label(), map.rows().count());
        }
    }
}

/// Each byte of a file replaced by others: refused or read, but no panic.
#[test]
fn files_with_any_byte_changed_never_panic() {
    for file in ["nodes.yaml", "subnet.env", "cidrs.txt", "flannel-etcd.txt", "endpointslices.json"]
    {
        let bytes = bytes(file);
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 600) {
            for flip in [1, 2, 16, 128] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let mut builder = Builder::new();
                let _ = builder.read_bytes(file, &changed);
                let _ = builder.build().rows().count();
            }
        }
    }
}

#[test]
fn who_sees_a_part_only_does_not_call_private_addresses_external() {
    let mut builder = Builder::new();
    let kernel = builder.source("kernel");
    builder.mark_partial(kernel);
    builder.add_pod_cidr(kernel, "n1", "10.244.1.0/24".parse().unwrap());
    let part = builder.build();
    assert_eq!(label(&part, "10.244.1.2"), "n1");
    for address in
        ["10.96.0.10", "172.31.0.1", "192.168.7.7", "100.64.0.1", "100.127.0.1", "169.254.20.10"]
            .into_iter()
            .chain([
                "224.0.0.251",
                "255.255.255.255",
                "0.0.0.0",
                "198.19.0.1",
                "fd00::1",
                "fe80::1",
                "ff02::1",
                "::",
            ])
    {
        assert_eq!((label(&part, address), part.owner(ip(address)).kind()), ("?", Kind::Unknown));
    }
    for address in
        ["8.8.8.8", "100.63.0.1", "100.128.0.1", "172.32.0.1", "198.20.0.1", "2606:4700::1111"]
    {
        assert_eq!(label(&part, address), "external");
    }
    // a file tells the whole
    builder.read_bytes("more.txt", b"10.96.0.0/12 svc\n").unwrap();
    assert_eq!(label(&builder.build(), "192.168.7.7"), "external");
}

/// Which service a backend serves, and at which of the service's ports, from slices and from
/// Endpoints, in JSON and YAML.
#[test]
fn backends_tell_their_service() {
    const ENDPOINTS: &[u8] = br#"{"apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": "old", "namespace": "shop"},
        "subsets": [{"addresses": [{"ip": "10.244.9.1"}], "notReadyAddresses": [{"ip": "10.244.9.2"}],
                     "ports": [{"port": 5432}, {"name": "dns", "port": 53, "protocol": "UDP"}]}]}"#;
    for files in [&["cluster.yaml"][..], &["services.json", "endpointslices.json"]] {
        let map = map(files);
        let found = |address: &str, protocol, port| {
            let service = map.service_behind(address.parse().unwrap(), protocol, port)?;
            Some((service.label, service.port))
        };
        for pod in ["10.244.2.2", "10.244.3.2"] {
            assert_eq!(found(pod, 6, 8080), Some(("svc:default/web", Some(80))), "{files:?}");
            assert_eq!(found(pod, 17, 8080), None);
            assert_eq!(found(pod, 6, 80), None);
        }
        // the API server has its node's address
        assert_eq!(found("172.18.0.2", 6, 6443), Some(("svc:default/kubernetes", Some(443))));
        assert_eq!(found("10.244.2.3", 17, 53), Some(("svc:kube-system/kube-dns", Some(53))));
    }
    let mut builder = Builder::new();
    builder.read_bytes("endpoints.json", ENDPOINTS).unwrap();
    let map = builder.build();
    for address in ["10.244.9.1", "10.244.9.2"] {
        let address = address.parse().unwrap();
        let service = map.service_behind(address, 6, 5432).unwrap();
        assert_eq!((service.namespace, service.name, service.port), ("shop", "old", None));
        assert!(map.service_behind(address, 17, 53).is_some());
    }
}
