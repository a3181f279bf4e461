//! Capture and read Kubernetes overlay traffic: pod-to-pod packets with their nodes, pods and tunnels
