#!/usr/bin/env python3
"""describe.py SETTINGS nodes|pods|services|truth: a lab as kubectl would print it, or in full."""

import json
import signal
import sys

from lab import Lab, links

SERVICES = (
    ("default", "web", "10.96.0.80", "TCP", 80, 8080),
    ("kube-system", "kube-dns", "10.96.0.10", "UDP", 53, 53),
)


def backend_data(lab, mac):
    # a JSON object inside a string, as flanneld writes it
    return json.dumps({"VNI": lab.vni, "VtepMAC": mac}, separators=(",", ":"))


def annotations(lab, node):
    if lab.variant == "calico":
        found = {
            "projectcalico.org/IPv4Address": f"{node.ip}/16",
            "projectcalico.org/IPv4VXLANTunnelAddr": node.vtep_ip,
            "projectcalico.org/VXLANTunnelMACAddr": node.vtep_mac,
        }
        if lab.ipv6:
            found["projectcalico.org/IPv6Address"] = f"{node.ip6}/64"
            found["projectcalico.org/IPv6VXLANTunnelAddr"] = node.vtep_ip6
            found["projectcalico.org/VXLANTunnelMACAddrV6"] = node.vtep_mac6
        return found
    start = "flannel.alpha.coreos.com/"
    found = {
        start + "backend-data": backend_data(lab, node.vtep_mac),
        start + "backend-type": "vxlan",
        start + "kube-subnet-manager": "true",
        start + "public-ip": node.ip,
    }
    if lab.ipv6:
        found[start + "backend-v6-data"] = backend_data(lab, node.vtep_mac6)
        found[start + "public-ipv6"] = node.ip6
    return found


def kube_node(lab, node):
    cidrs = [node.pod_cidr] + ([node.pod_cidr6] if lab.ipv6 else [])
    addresses = [{"type": "InternalIP", "address": node.ip}]
    if lab.ipv6:
        addresses.append({"type": "InternalIP", "address": node.ip6})
    addresses.append({"type": "Hostname", "address": node.name})
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": {"kubernetes.io/hostname": node.name},
            "annotations": annotations(lab, node),
        },
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
        "status": {"addresses": addresses},
    }


def kube_pod(lab, node, pod):
    addresses = [pod.ip] + ([pod.ip6] if lab.ipv6 else [])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": "default"},
        "spec": {"nodeName": node.name},
        "status": {
            "phase": "Running",
            "hostIP": node.ip,
            "podIP": addresses[0],
            "podIPs": [{"ip": address} for address in addresses],
        },
    }


def kube_service(namespace, name, address, protocol, port, target):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ports": [{"port": port, "protocol": protocol, "targetPort": target}],
        },
    }


def kube_list(items):
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}


def true_pod(pod):
    return {
        "name": pod.name,
        "netns": pod.netns,
        "ip": pod.ip,
        "ip6": pod.ip6,
        "mac": pod.mac,
        "host_veth": pod.host_veth,
    }


def true_node(lab, node):
    return {
        "name": node.name,
        "netns": node.netns,
        "underlay_ip": node.ip,
        "underlay_ip6": node.ip6,
        "underlay_mac": node.mac,
        "pod_cidr": node.pod_cidr,
        "pod_cidr6": node.pod_cidr6,
        "vtep_dev": lab.vtep,
        "vtep_ip": node.vtep_ip,
        "vtep_mac": node.vtep_mac,
        "vtep_dev6": lab.vtep6 if lab.ipv6 else None,
        "vtep_ip6": node.vtep_ip6,
        "vtep_mac6": node.vtep_mac6,
        "vtep_mtu": lab.mtu,
        "vni": lab.vni,
        "port": lab.port,
        "ifindex": {link["ifname"]: link["ifindex"] for link in links(node.netns)},
        "pods": [true_pod(pod) for pod in node.pods],
    }


def describe(lab, what):
    if what == "nodes":
        return kube_list([kube_node(lab, node) for node in lab.nodes])
    if what == "pods":
        return kube_list([kube_pod(lab, node, pod) for node in lab.nodes for pod in node.pods])
    if what == "services":
        return kube_list([kube_service(*row) for row in SERVICES] if lab.services else [])
    return {
        "net": lab.variant,
        "underlay_mtu": 1500,
        "plain_nic": lab.plain_nic,
        "services": lab.services,
        "nodes": [true_node(lab, node) for node in lab.nodes],
    }


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it quietly
    json.dump(describe(Lab(sys.argv[1]), sys.argv[2]), sys.stdout, indent=2)
    print()
