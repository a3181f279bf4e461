//! What makes no sense is refused, with the place and what to do, to the letter; what is odd but
//! possible is read.

use std::fmt::Write;

use podmap::{Builder, PodMap};

fn read(text: &str) -> Result<PodMap, String> {
    let mut builder = Builder::new();
    match builder.read_bytes("FILE", text.as_bytes()) {
        Ok(_) => Ok(builder.build()),
        Err(error) => {
            assert!(builder.build().is_empty(), "a refused file leaves rows: {text}");
            Err(error.to_string())
        }
    }
}

fn refused(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("was read: {text}"),
        Err(error) => error,
    }
}

fn node(fields: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"n1"}},{fields}}}"#)
}

#[test]
fn json_that_makes_no_sense_is_told_with_its_path() {
    let four = format!(
        r#"{{"kind":"List","apiVersion":"v1","items":[{0},{0},{0},{1}]}}"#,
        node(r#""spec":{"podCIDR":"10.244.0.0/24"}"#),
        node(r#""spec":{"podCIDR":"10.244.0.0/99"}"#),
    );
    for (text, error) in [
        (
            four,
            r#"FILE: items[3].spec.podCIDR: "10.244.0.0/99" is not a CIDR: the prefix length must be a number from 0 to 32"#,
        ),
        (
            node(r#""spec":{"podCIDRs":["10.244.1.0/24","10.244.1.1/24"]}"#),
            r#"FILE: spec.podCIDRs[1]: "10.244.1.1/24" is not a CIDR: bits are set after the prefix; 10.244.1.0/24 is the range"#,
        ),
        (
            node(r#""spec":{"podCIDR":5}"#),
            "FILE: spec.podCIDR: a text is needed, not a number",
        ),
        (node(r#""spec":[]"#), "FILE: spec: an object is needed, not a list"),
        (
            node(r#""spec":{"podCIDRs":"10.244.1.0/24"}"#),
            "FILE: spec.podCIDRs: a list is needed, not a text",
        ),
        (
            node(r#""status":{"addresses":[{"type":"InternalIP","address":"worker"}]}"#),
            r#"FILE: status.addresses[0].address: "worker" is not an IP address: 10.244.1.5 or fd00::5 would be one"#,
        ),
        (r#"{"kind":"Node","metadata":{}}"#.to_owned(), "FILE: metadata.name: missing"),
        (r#"{"kind":"Pod"}"#.to_owned(), "FILE: metadata: missing"),
        (r#"{"metadata":{"name":"n1"}}"#.to_owned(), "FILE: kind: missing"),
        (r#"{"items":[{"spec":{}}]}"#.to_owned(), "FILE: items[0].kind: missing"),
        (
            r#"{"kind":"Node","metadata":{"name":"a b"}}"#.to_owned(),
            r#"FILE: metadata.name: "a b" is not a name: a name is made of letters, digits, '-', '.', '_' and ':'"#,
        ),
        (
            r#"{"kind":"ConfigMap"} {"kind":"Node","metadata":7}"#.to_owned(),
            "FILE: document 2, metadata: an object is needed, not a number",
        ),
        (
            r#"{"kind":"ConfigMap"} 7"#.to_owned(),
            "FILE: document 2: an object is needed, not a number",
        ),
        (
            r#"{"kind":"Node","metadata":{"name":"n1","annotations":{"flannel.alpha.coreos.com/backend-type":"vxlan","flannel.alpha.coreos.com/backend-data":"{\"VNI\":1,\"VtepMAC\":\"x\"}"}}}"#
                .to_owned(),
            r#"FILE: metadata.annotations["flannel.alpha.coreos.com/backend-data"]: "{\"VNI\":1,\"VtepMAC\":\"x\"}" is not flannel's backend data: VtepMAC "x" is no MAC address"#,
        ),
        (
            r#"{"kind":"Node","metadata":{"name":"n1","annotations":{"flannel.alpha.coreos.com/backend-type":"vxlan","flannel.alpha.coreos.com/backend-data":"{\"VNI\":16777216}"}}}"#
                .to_owned(),
            r#"FILE: metadata.annotations["flannel.alpha.coreos.com/backend-data"]: "{\"VNI\":16777216}" is not flannel's backend data: VNI 16777216 has more than 24 bits"#,
        ),
        (
            r#"{"kind":"Pod","metadata":{"name":"p"},"spec":{"hostNetwork":"yes"},"status":{}}"#.to_owned(),
            "FILE: spec.hostNetwork: true or false is needed, not a text",
        ),
        (
            r#"{"kind":"IPAMBlock","apiVersion":"crd.projectcalico.org/v1","spec":{}}"#.to_owned(),
            "FILE: spec.cidr: missing",
        ),
    ] {
        assert_eq!(refused(&text), error);
    }
}

#[test]
fn json_that_is_none_is_told_with_its_line() {
    for (text, error) in [
        (
            "{\n",
            "FILE:2: the JSON ends too early (EOF while parsing an object): is the file whole?",
        ),
        ("{\n \"kind\": \"Node\",,\n}", "FILE:2:17: this is not JSON: key must be a string"),
        (
            "{\"kind\":\"Node\",\n\"kind\":\"Pod\"}",
            "FILE:2:6: this is not JSON: the key \"kind\" stands there twice",
        ),
        ("{\"kind\":\"ConfigMap\"}\n}", "FILE:2:1: this is not JSON: expected value"),
    ] {
        assert_eq!(refused(text), error);
    }
    let deep = format!("{{\"items\":{}", "[".repeat(100_000));
    assert!(refused(&deep).ends_with("recursion limit exceeded"), "{}", refused(&deep));
}

#[test]
fn yaml_that_makes_no_sense_is_told_with_its_line_and_path() {
    for (text, error) in [
        (
            "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\nspec:\n  podCIDR: 10.244.0.0/99\n",
            r#"FILE:6: spec.podCIDR: "10.244.0.0/99" is not a CIDR: the prefix length must be a number from 0 to 32"#,
        ),
        (
            "kind: ConfigMap\n---\nkind: Node\nmetadata:\n  labels: {}\n",
            "FILE:5: document 2, metadata.name: missing",
        ),
        (
            "kind: Node\nmetadata: {name: n1}\nspec: [",
            "FILE:3: this is not YAML: while parsing a node, did not find expected node content",
        ),
        ("kind: Node\nspec: ]\nmetadata: {}\n", "FILE:2:7: this is not YAML: misplaced bracket"),
        ("kind: Node\nkind: Pod\n", "FILE:2: the key \"kind\" stands there twice"),
        (
            "kind: Node\nmetadata: &m {name: n1}\nspec: *m\n",
            "FILE:3: YAML aliases (*name, <<) are not read: write the value in their place",
        ),
        (
            "kind: Node\nmetadata:\n  <<: {name: n1}\n",
            "FILE:3: YAML aliases (*name, <<) are not read: write the value in their place",
        ),
    ] {
        assert_eq!(refused(text), error);
    }
    // nested far deeper than the stack would hold
    let deep = format!("items:\n{}", "- ".repeat(100_000));
    assert_eq!(refused(&deep), "FILE:2: nested deeper than 128 values");
}

/// The "billion laughs": ten levels of ten aliases each. Where it would be a value it is refused at
/// once; in what is stepped over it is never expanded.
#[test]
fn yaml_alias_bombs_do_nothing() {
    let mut bomb = "a0: &a0 lol\n".to_owned();
    for level in 1..=30 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        let before = before.trim_end_matches(", ");
        writeln!(bomb, "a{level}: &a{level} [{before}]").unwrap();
    }
    let error = refused(&format!("{bomb}kind: List\nitems: *a30\n"));
    assert!(error.contains("YAML aliases"), "{error}");
    assert!(read(&format!("kind: ConfigMap\n{bomb}")).unwrap().is_empty());
}

#[test]
fn lines_that_make_no_sense_are_told_with_their_number() {
    for (text, error) in [
        (
            "10.244.1.0/24 n1\n10.244.2.0/99 n2\n",
            r#"FILE:2: "10.244.2.0/99" is not a CIDR or an address: the prefix length must be a number from 0 to 32"#,
        ),
        ("10.244.1.0/24\n", r#"FILE:1: a name is needed after "10.244.1.0/24""#),
        ("\n# x\n10.244.1.0/24 n1 n2", r#"FILE:3: "n2" after the name: a line is CIDR NAME"#),
        (
            "10.244.1.0/24 svc:a/b",
            r#"FILE:1: "svc:a/b" names one owner, who has an address, not a range such as 10.244.1.0/24"#,
        ),
        ("10.96.0.1 svc:web", r#"FILE:1: "web" has no namespace: NAMESPACE/NAME is needed"#),
        ("10.244.1.0 vtep:n1 zz", r#"FILE:1: "zz" is not a MAC address"#),
        ("10.244.1.5 a/b@", r#"FILE:1: "" is not a name: the name is empty"#),
        (
            "10.244.1.0/24 n|1",
            r#"FILE:1: "n|1" is not a name: a name is made of letters, digits, '-', '.', '_' and ':'"#,
        ),
        (
            "10.244.1/24 n1",
            r#"FILE:1: "10.244.1/24" is not a CIDR or an address: what stands before the / is no IP address"#,
        ),
        (
            "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1\n",
            r#"FILE:2: FLANNEL_SUBNET="10.244.1.1" is not a CIDR: the prefix length is missing, as in 10.244.1.0/24"#,
        ),
        ("FLANNEL_MTU=1450\nrubbish\n", r#"FILE:2: KEY=VALUE is needed, not "rubbish""#),
        (
            "/coreos.com/network/subnets/10.5.52.0\n{}\n",
            r#"FILE:1: "10.5.52.0" is not a subnet of flannel: the prefix length is missing, as in 10.244.1.0/24"#,
        ),
        ("/coreos.com/network/subnets/10.5.52.0-24\n{}\n", "FILE:2: the lease has no PublicIP"),
        (
            "/coreos.com/network/subnets/10.5.52.0-24\n",
            "FILE:1: the key's value is missing: is the file whole?",
        ),
    ] {
        assert_eq!(refused(text), error);
    }
}

#[test]
fn what_is_no_map_at_all_is_told_so() {
    let kinds = "which is neither kubectl's JSON or YAML, nor flannel's subnet.env, nor lines of the form CIDR NAME";
    assert_eq!(refused(""), "FILE: empty, or nothing but comments");
    assert_eq!(refused("# nothing\n\n"), "FILE: empty, or nothing but comments");
    assert_eq!(
        refused("NAME   STATUS   ROLES\nn1   Ready   <none>\n"),
        format!(r#"FILE: starts with "NAME   STATUS   ROLES", {kinds}"#)
    );
    assert_eq!(
        refused("No resources found in default namespace."),
        format!(r#"FILE: starts with "No resources found in default namespace.", {kinds}"#)
    );
    let error = Builder::new().read_bytes("FILE", b"\n\xd4\xc3\xb2\xa1\x02\0").unwrap_err();
    assert_eq!(error.to_string(), "FILE:2: this is not text: bytes that are not UTF-8");
    let error = Builder::new().read_file("no/such/file").unwrap_err().to_string();
    assert!(error.starts_with("no/such/file: "), "{error}");
}

#[test]
fn contradictions_are_warnings_that_name_both_sides() {
    let mut builder = Builder::new();
    builder.read_bytes("a.txt", b"10.244.1.0/24 n1\n10.244.0.0/20 n0\n10.244.1.0/24 n1\n").unwrap();
    builder.read_bytes("b.txt", b"10.244.1.0/24 n2\n172.18.0.2 n1\n172.18.0.2 n2\n").unwrap();
    builder.read_bytes("c.json", br#"{"kind":"List","items":[]}"#).unwrap();
    let map = builder.build();
    let warnings: Vec<String> = map.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "c.json: it says nothing about addresses",
            "podCIDR 10.244.1.0/24 of node n1 (a.txt) overlaps 10.244.0.0/20 of node n0 (a.txt)",
            "podCIDR 10.244.1.0/24 of node n2 (b.txt) overlaps 10.244.1.0/24 of node n1 (a.txt)",
            "node address 172.18.0.2 is claimed by node:n2 (b.txt) and by node:n1 (b.txt); node:n2 is used",
        ]
    );
    assert_eq!(map.owner("10.244.1.1".parse().unwrap()).label(), "n2");
    assert_eq!(map.owner("10.244.2.1".parse().unwrap()).label(), "n0");
}

#[test]
fn odd_forms_of_kubectls_output_are_read() {
    let label = |text: &str, address: &str| {
        read(text)
            .unwrap_or_else(|error| panic!("{error}"))
            .owner(address.parse().unwrap())
            .label()
            .to_owned()
    };
    // the API server's own list, whose items do not say their kind, and whose kind comes last
    let typed = r#"{"items":[{"metadata":{"name":"n1"},"spec":{"podCIDR":"10.1.0.0/24"}}],"apiVersion":"v1","kind":"NodeList"}"#;
    assert_eq!(label(typed, "10.1.0.1"), "n1");
    // several objects one after the other, a bare list, a byte order mark, UTF-16
    let one = node(r#""spec":{"podCIDR":"10.1.0.0/24"}"#);
    assert_eq!(label(&format!("{one}\n{one}"), "10.1.0.1"), "n1");
    assert_eq!(label(&format!("[{one}]"), "10.1.0.1"), "n1");
    assert_eq!(label(&format!("\u{feff}{one}"), "10.1.0.1"), "n1");
    let mut wide = vec![0xff, 0xfe];
    wide.extend(one.encode_utf16().flat_map(u16::to_le_bytes));
    let mut builder = Builder::new();
    builder.read_bytes("FILE", &wide).unwrap();
    assert_eq!(builder.build().owner("10.1.0.1".parse().unwrap()).label(), "n1");
    // escapes, which cannot be borrowed
    assert_eq!(label(&one.replace("10.1", "1\\u0030.1"), "10.1.0.1"), "n1");
    // CRLF, and a document that is nothing
    let yaml = "---\r\n---\r\nkind: Node\r\nmetadata:\r\n  name: n1\r\nspec:\r\n  podCIDR: 10.1.0.0/24\r\n";
    assert_eq!(label(yaml, "10.1.0.1"), "n1");
    // another API's Service is none of ours
    let knative = r#"{"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":7}"#;
    assert!(read(knative).unwrap().is_empty());
    // a pod with its node's network has the node's address, and no name
    let host = r#"{"kind":"Pod","metadata":{"name":"p","namespace":"d"},"spec":{"hostNetwork":true,"nodeName":"n1"},
        "status":{"podIP":"172.18.0.2"}}"#;
    assert_eq!(label(host, "172.18.0.2"), "node:n1");
    // a node without anything yet; a pod without an address yet
    assert!(read(&node(r#""spec":{"podCIDR":null},"status":null"#)).unwrap().is_empty());
    let pending = r#"{"kind":"Pod","metadata":{"name":"p","namespace":"d"},"spec":{},"status":{"phase":"Pending"}}"#;
    assert!(read(pending).unwrap().is_empty());
}

#[test]
fn cilium_and_calico_say_where_their_own_addresses_are() {
    let cilium = r#"{"apiVersion":"cilium.io/v2","kind":"CiliumNode","metadata":{"name":"n1"},"spec":{
        "addresses":[{"ip":"172.18.0.2","type":"InternalIP"},{"ip":"10.0.1.77","type":"CiliumInternalIP"}],
        "ipam":{"podCIDRs":["10.0.1.0/24"]}}}"#;
    let map = read(cilium).unwrap();
    let label =
        |map: &PodMap, address: &str| map.owner(address.parse().unwrap()).label().to_owned();
    assert_eq!(label(&map, "10.0.1.5"), "n1");
    assert_eq!(label(&map, "10.0.1.77"), "vtep:n1");
    assert_eq!(label(&map, "172.18.0.2"), "node:n1");

    // no MAC address is stored: it follows from the name
    let calico = r#"{"apiVersion":"projectcalico.org/v3","kind":"Node","metadata":{"name":"n1"},"spec":{
        "bgp":{"ipv4Address":"172.18.0.2/16"},"ipv4VXLANTunnelAddr":"10.0.1.0",
        "ipv6VXLANTunnelAddr":"fd00::1","addresses":[{"address":"172.18.0.2/16","type":"CalicoNodeIP"}]}}"#;
    let map = read(calico).unwrap();
    assert_eq!(label(&map, "10.0.1.0"), "vtep:n1");
    assert_eq!(map.node_by_vtep("172.18.0.2".parse().unwrap()), Some("n1"));
    assert_eq!(map.node_by_vtep_mac([0x66, 0x40, 0xb3, 0xea, 0xb6, 0x3f]), Some("n1"));
    assert_eq!(map.node_by_vtep_mac([0x66, 0x46, 0x32, 0x55, 0x72, 0x28]), Some("n1"));

    // k3s' ServiceLB announces the nodes' own addresses
    let balancer = r#"{"kind":"Service","metadata":{"name":"lb"},"spec":{"clusterIP":"10.96.0.7"},
        "status":{"loadBalancer":{"ingress":[{"ip":"172.18.0.2"},{"ip":"203.0.113.7"}]}}}"#;
    let map = read(&format!("{calico}\n{balancer}")).unwrap();
    assert_eq!(label(&map, "172.18.0.2"), "node:n1");
    assert_eq!(label(&map, "203.0.113.7"), "svc:default/lb");
    assert_eq!(label(&map, "10.96.0.7"), "svc:default/lb");
    assert_eq!(map.warnings(), []);
}
