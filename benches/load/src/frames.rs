//! The frames: one for each inner flow, made once, with every length and checksum right.

/// The headers before the inner transport: Ethernet, IPv4, UDP, VXLAN, Ethernet, IPv4.
const BEFORE_TRANSPORT: usize = 14 + 20 + 8 + 8 + 14 + 20;
/// Inner source port of the first flow; the others follow.
const FIRST_PORT: u16 = 40_000;
/// IP protocol numbers, IANA.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Protocol inside the tunnel.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum InnerProtocol {
    /// RFC 768.
    Udp,
    /// RFC 9293; each frame is an acknowledged segment of data.
    Tcp,
}

/// What the frames look like.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Shape {
    /// Length of the whole frame in bytes, without FCS.
    pub(crate) size: u16,
    /// How many inner flows there are.
    pub(crate) flows: u16,
    /// VXLAN network identifier, 24 bits.
    pub(crate) vni: u32,
    /// Outer UDP destination port.
    pub(crate) port: u16,
    /// Protocol inside the tunnel.
    pub(crate) inner: InnerProtocol,
}

impl Default for Shape {
    /// flannel's VNI and port, and the size and flows of all measurements so far.
    fn default() -> Self {
        Self { size: 156, flows: 64, vni: 1, port: 8472, inner: InnerProtocol::Udp }
    }
}

/// The least length of a frame: its headers.
pub(crate) fn headers_len(inner: InnerProtocol) -> usize {
    BEFORE_TRANSPORT
        + match inner {
            InnerProtocol::Udp => 8,
            InnerProtocol::Tcp => 20,
        }
}

/// One frame for each flow.
pub(crate) fn all(shape: &Shape) -> Vec<Vec<u8>> {
    (0..shape.flows).map(|flow| frame(shape, flow)).collect()
}

/// Addresses as in the lab: node n1 to node n2, pod n1p1 to pod n2p1.
fn frame(shape: &Shape, flow: u16) -> Vec<u8> {
    let size = shape.size;
    let mut frame = Vec::with_capacity(usize::from(size));
    // The destination is nobody's MAC: the receiving stack drops the frame early, and a capture
    // still sees it.
    frame.extend([
        0x02, 0x42, 0xac, 0x12, 0xff, 0xfe, 0x02, 0x42, 0xac, 0x12, 0x00, 0x02, 0x08, 0x00,
    ]);
    ipv4(&mut frame, size - 14, 64, UDP, [172, 18, 0, 2], [172, 18, 0, 3]);
    // A source port in the kernel's ephemeral range, another for each flow. No checksum: RFC 7348,
    // section 5.
    udp(&mut frame, 32_768 + flow, shape.port, size - 34);
    frame.extend((0x0800_0000_u32).to_be_bytes());
    frame.extend((shape.vni << 8).to_be_bytes());
    frame.extend([
        0xee, 0x8d, 0x0f, 0x1a, 0x4b, 0x02, 0xee, 0x8d, 0x0f, 0x1a, 0x4b, 0x01, 0x08, 0x00,
    ]);
    let (protocol, source, target) = match shape.inner {
        InnerProtocol::Udp => (UDP, [10, 244, 1, 2], [10, 244, 2, 2]),
        InnerProtocol::Tcp => (TCP, [10, 244, 1, 2], [10, 244, 2, 2]),
    };
    ipv4(&mut frame, size - 64, 63, protocol, source, target);
    let transport = frame.len();
    let checksum_at = match shape.inner {
        InnerProtocol::Udp => {
            udp(&mut frame, FIRST_PORT + flow, 9000, size - 84);
            transport + 6
        }
        InnerProtocol::Tcp => {
            frame.extend((FIRST_PORT + flow).to_be_bytes());
            frame.extend(9000_u16.to_be_bytes());
            frame.extend([0, 0, 0x10, 0, 0, 0, 0x20, 0]); // sequence and acknowledgement numbers
            frame.extend([0x50, 0x18, 0x01, 0xf6, 0, 0, 0, 0]); // 20 bytes, PSH ACK, window 502
            transport + 16
        }
    };
    let fill = (0_u8..=255).cycle().take(usize::from(size) - frame.len());
    frame.extend(fill);
    let (head, body) = frame.split_at(transport);
    let pseudo =
        [&head[transport - 8..], &[0, protocol], &(body.len() as u16).to_be_bytes()[..]].concat();
    let checksum = internet_checksum(&[pseudo.as_slice(), body].concat());
    // RFC 768: a sum of zero is sent as ones; for TCP both say the same.
    let checksum = if checksum == 0 { 0xffff } else { checksum };
    frame[checksum_at..checksum_at + 2].copy_from_slice(&checksum.to_be_bytes());
    frame
}

fn ipv4(
    frame: &mut Vec<u8>,
    total_len: u16,
    ttl: u8,
    protocol: u8,
    source: [u8; 4],
    target: [u8; 4],
) {
    let start = frame.len();
    frame.extend([0x45, 0]);
    frame.extend(total_len.to_be_bytes());
    frame.extend([0x12, 0x34, 0, 0, ttl, protocol, 0, 0]);
    frame.extend(source);
    frame.extend(target);
    let checksum = internet_checksum(&frame[start..]);
    frame[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
}

fn udp(frame: &mut Vec<u8>, source: u16, target: u16, len: u16) {
    for field in [source, target, len, 0] {
        frame.extend(field.to_be_bytes());
    }
}

/// RFC 1071.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use vxtest::{Folder, command, has_tools, output};

    use super::*;

    /// tshark, told to check every checksum, is the judge of the frames.
    #[test]
    fn tshark_finds_every_field_and_checksum_right() {
        if !has_tools(&["tshark"]) {
            return;
        }
        for (inner, size, port, checksum) in [
            (InnerProtocol::Udp, 156, 8472, "udp.checksum.status"),
            (InnerProtocol::Udp, 92, 4789, "udp.checksum.status"),
            (InnerProtocol::Udp, 157, 8472, "udp.checksum.status"),
            (InnerProtocol::Tcp, 156, 8472, "tcp.checksum.status"),
            (InnerProtocol::Tcp, 1500, 8472, "tcp.checksum.status"),
        ] {
            let shape = Shape { size, flows: 64, vni: 0x00ab_cdef, port, inner };
            let rows = dissect(&shape, checksum);
            assert_eq!(rows.len(), 64, "{shape:?}");
            for (flow, row) in rows.iter().enumerate() {
                let source = 40_000 + flow;
                let ports = match inner {
                    InnerProtocol::Udp => format!("{},{source}\t", 32_768 + flow),
                    InnerProtocol::Tcp => format!("{}\t{source}", 32_768 + flow),
                };
                // Of UDP the outer status is 3, not present, and comes first; 1 is good.
                let status = if inner == InnerProtocol::Udp { "3,1" } else { "1" };
                let wanted =
                    format!("{size}\t11259375\t1,1\t172.18.0.3,10.244.2.2\t{ports}\t{status}\t");
                assert_eq!(row, &wanted, "{shape:?}");
            }
        }
    }

    fn dissect(shape: &Shape, checksum: &str) -> Vec<String> {
        let folder = Folder::new();
        let path = folder.file("frames.pcap");
        std::fs::write(&path, pcap(&all(shape))).expect("a file in the temporary folder");
        let fields = [
            "frame.len",
            "vxlan.vni",
            "ip.checksum.status",
            "ip.dst",
            "udp.srcport",
            "tcp.srcport",
        ];
        let mut tshark = command("tshark");
        tshark.args(["-n", "-r"]).arg(&path);
        tshark.args(["-d", &format!("udp.port=={},vxlan", shape.port)]);
        tshark.args(["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]);
        tshark.args(["-o", "tcp.check_checksum:TRUE", "-T", "fields"]);
        for field in fields.into_iter().chain([checksum, "_ws.malformed"]) {
            tshark.args(["-e", field]);
        }
        let output = output(&mut tshark);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// draft-ietf-opsawg-pcap: little-endian, microseconds, Ethernet.
    fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            file.extend(word.to_le_bytes());
        }
        for frame in frames {
            let len = frame.len() as u32;
            for word in [0, 0, len, len] {
                file.extend(word.to_le_bytes());
            }
            file.extend(frame);
        }
        file
    }
}
