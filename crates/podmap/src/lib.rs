//! Whose address is this: podCIDRs, nodes, pods, services and VTEPs of a Kubernetes cluster
