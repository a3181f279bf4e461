//! Live capture against the kernel, with tcpdump beside, in network namespaces of its own. As root.
#![cfg(target_os = "linux")]

mod lab;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vxcap::filter::Program;
use vxcap::filter::pushdown::by_inner_ends;
use vxcap::live::{
    Backend, Capture, DeviceKind, Directions, Error, Fanout, FanoutMode, Netns, devices,
};
use vxcap::{ChecksumHint, Direction, LinkType};
use vxtest::{Lab, tool, wait_until};

use lab::{Cable, Capturing, Record, Tcpdump, assert_same, drain, in_netns};

/// Sends one Ethernet frame from `g0`, in hexadecimal.
fn send(cable: &Cable, frame: &str) {
    let program = format!(
        "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); \
         s.bind(('g0', 0)); s.send(bytes.fromhex('{frame}'))"
    );
    tool("ip", ["netns", "exec", &cable.there, "python3", "-c", &program]);
}

/// Nanoseconds since the epoch.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    i64::try_from(now.as_nanos()).expect("it is not 2262 yet")
}

/// Those between two moments.
fn within(records: Vec<Record>, begin: i64, end: i64) -> Vec<Record> {
    records.into_iter().filter(|record| (begin..end).contains(&record.nanos)).collect()
}

/// To nobody, of an experimental type (IEEE 802 local experimental), with 46 bytes of `fill`.
fn frame(fill: &str) -> String {
    format!("020000000001020000000002{}{}", "88b5", fill.repeat(46))
}

#[test]
fn the_same_packets_as_tcpdump_everywhere_in_the_lab() {
    let Some(lab) = Lab::up(&["--ipv6"]) else { return };
    let points =
        [("n1", "eth0"), ("n1", "flannel.1"), ("n1", "cni0"), ("n1p1", "eth0"), ("n1", "any")];
    let mut running = Vec::new();
    for (place, device) in points {
        let netns = lab.netns(place);
        let capture = Capturing::start(&in_netns(&netns, device));
        running.push((format!("{place} {device}"), capture, Tcpdump::start(&netns, device, &[])));
    }
    // with IPv6 the kernel sends things of its own, before one of the two captures or after
    let begin = now();
    lab.command(&["traffic", "ping", "tcp", "udp", "dns", "large", "ipv6"]);
    let end = now();
    for (point, capture, tcpdump) in running {
        let (ours, mut capture) = capture.stop();
        let captured = ours.len() as u64;
        assert_same(&within(ours, begin, end), &within(tcpdump.stop(), begin, end), &point);
        let statistics = capture.statistics().unwrap();
        assert_eq!(statistics.captured, captured, "{point}");
        assert_eq!(statistics.dropped, 0, "{point}");
    }
}

#[test]
fn devices_are_known_by_their_kind() {
    let Some(lab) = Lab::up(&["--vni", "42", "--port", "4789"]) else { return };
    // a second address with a label, as an alias has
    let node = lab.netns("n1");
    tool("ip", ["-n", &node, "addr", "add", "172.18.0.99/24", "dev", "eth0", "label", "eth0:1"]);
    let netns = Netns::open(&node).unwrap();
    let devices = devices(Some(&netns)).unwrap();
    let named = |name: &str| devices.iter().find(|device| device.name == name).unwrap();
    let DeviceKind::Vxlan(vxlan) = &named("flannel.42").kind else { panic!("{devices:?}") };
    assert_eq!((vxlan.vni, vxlan.port), (Some(42), 4789));
    assert_eq!(vxlan.local, Some("172.18.0.2".parse().unwrap()));
    assert!(!vxlan.learning && !vxlan.gbp && !vxlan.gpe && !vxlan.external);
    assert_eq!(named("flannel.42").mac, Some([0xee, 0x8d, 0x0f, 0x1a, 0x4b, 0x01]));
    assert_eq!(named("flannel.42").addresses, ["10.244.1.0".parse::<std::net::IpAddr>().unwrap()]);
    for address in ["172.18.0.2", "172.18.0.99"] {
        let known = &named("eth0").addresses;
        assert!(known.contains(&address.parse().unwrap()), "{address}: {known:?}");
    }
    assert_eq!(named("cni0").kind, DeviceKind::Bridge);
    assert_eq!(named("eth0").kind, DeviceKind::Veth);
    assert_eq!(named("lo").kind, DeviceKind::Loopback);
    assert_eq!(named("any").kind, DeviceKind::Any);
    assert!(named("eth0").up && named("eth0").running && named("eth0").mtu > 0);
    // as `ip` has it
    let shown = tool("ip", ["-n", &lab.netns("n1"), "-o", "link"]);
    assert_eq!(shown.lines().count() + 1, devices.len(), "{shown}");
}

#[test]
fn every_kind_of_device_has_a_name_and_a_link_type() {
    let Some(cable) = Cable::lay() else { return };
    for command in [
        "link add d0 type ifb",
        "link add x0 type vxlan dstport 4790 gpe external dev c0",
        "link add x1 type vxlan id 6 dstport 4789 gbp local 10.0.0.1 dev c0",
        "link add x2 type vxlan id 7 dstport 8472 local fd00::1 remote fd00::2",
        "tuntap add t0 mode tun",
    ] {
        cable.ip_here(command);
    }
    let devices = devices(Some(&Netns::open(&cable.here).unwrap())).unwrap();
    let shown = |name: &str| {
        let device = devices.iter().find(|device| device.name == name).unwrap();
        (device.kind.to_string(), device.link_type())
    };
    assert_eq!(shown("d0"), ("ifb".to_owned(), LinkType::ETHERNET));
    assert_eq!(shown("x0").0, "vxlan external port 4790 dev c0 gpe");
    assert_eq!(shown("x1").0, "vxlan vni 6 port 4789 local 10.0.0.1 dev c0 gbp");
    assert_eq!(shown("x2").0, "vxlan vni 7 port 8472 local fd00::1");
    assert_eq!(shown("t0"), ("tun".to_owned(), LinkType::RAW));
    assert_eq!(shown("any").1, LinkType::LINUX_SLL2);
}

#[test]
fn vlan_tags_are_in_the_frame() {
    let Some(cable) = Cable::lay() else { return };
    let mut capture = Capture::open(&in_netns(&cable.here, "c0")).unwrap();
    let short = in_netns(&cable.here, "c0").snaplen(30);
    let mut short = Capture::open(&short).unwrap();
    let tcpdump = Tcpdump::start(&cable.here, "c0", &[]);
    let tcpdump_short = Tcpdump::start(&cable.here, "c0", &["-s", "30"]);
    // the receiving kernel takes the first tag out of the frame
    for tags in ["", "81006007", "88a80009", "88a8000981006007"] {
        send(&cable, &format!("020000000001020000000002{tags}88b5{}", "44".repeat(46)));
    }
    let ours = drain(&mut capture);
    assert_same(&ours, &tcpdump.stop(), "VLAN");
    assert_same(&drain(&mut short), &tcpdump_short.stop(), "VLAN, 30 bytes");
    assert_eq!(ours.len(), 4);
    assert_eq!(ours[0].data[12..16], [0x88, 0xb5, 0x44, 0x44]);
    assert_eq!(ours[1].data[12..18], [0x81, 0x00, 0x60, 0x07, 0x88, 0xb5]);
    assert_eq!(ours[3].data[12..22], [0x88, 0xa8, 0, 9, 0x81, 0x00, 0x60, 0x07, 0x88, 0xb5]);
    assert_eq!(ours.iter().map(|o| o.orig_len).collect::<Vec<_>>(), [60, 64, 64, 68]);
    assert!(ours.iter().all(|record| record.orig_len as usize == record.data.len()));
}

#[test]
fn only_what_the_program_accepts_is_delivered() {
    let Some(lab) = Lab::up(&[]) else { return };
    for (device, link_type, expression) in [
        ("eth0", LinkType::ETHERNET, "udp port 8472 and greater 140"),
        // tcpdump's kernel does not count the cooked header as length
        ("any", LinkType::LINUX_SLL2, "udp port 8472 and udp[39] = 6"),
    ] {
        let program = Arc::new(Program::compile(expression, link_type, 0).unwrap());
        let options = in_netns(&lab.netns("n1"), device).program(program);
        let mut capture = Capture::open(&options).unwrap();
        let tcpdump = Tcpdump::start(&lab.netns("n1"), device, &[expression]);
        lab.command(&["traffic", "ping", "tcp"]);
        assert_same(&drain(&mut capture), &tcpdump.stop(), device);
        // and another program while it runs
        capture.set_program(Some(Program::compile("icmp", link_type, 0).unwrap().into())).unwrap();
        lab.command(&["exec", "n1", "ping", "-c", "1", "172.18.0.3"]);
        let pings = drain(&mut capture);
        assert_eq!(pings.len(), 2, "{device}");
        assert!(pings.iter().all(|ping| ping.orig_len >= 98));
    }
}

#[test]
fn directions_are_told_and_chosen() {
    let Some(lab) = Lab::up(&[]) else { return };
    let captures = [Directions::Both, Directions::In, Directions::Out].map(|directions| {
        let options = in_netns(&lab.netns("n1"), "eth0").directions(directions);
        Capture::open(&options).unwrap()
    });
    lab.command(&["exec", "n1", "ping", "-c", "2", "-i", "0.1", "172.18.0.3"]);
    let [both, inbound, outbound] = captures.map(|mut capture| {
        let is_ping = |record: &Record| record.data[12..14] == [8, 0];
        drain(&mut capture).into_iter().filter(is_ping).collect::<Vec<_>>()
    });
    let ways: Vec<Direction> = both.iter().map(|record| record.flags.direction).collect();
    assert_eq!(
        ways,
        [Direction::Outbound, Direction::Inbound, Direction::Outbound, Direction::Inbound]
    );
    let data = |records: &[&Record]| records.iter().map(|r| r.data.clone()).collect::<Vec<_>>();
    assert_eq!(data(&inbound.iter().collect::<Vec<_>>()), data(&[&both[1], &both[3]]));
    assert_eq!(data(&outbound.iter().collect::<Vec<_>>()), data(&[&both[0], &both[2]]));
}

#[test]
fn the_loopback_device_shows_a_packet_once() {
    let Some(lab) = Lab::up(&[]) else { return };
    let netns = lab.netns("n1");
    let mut captures = ["lo", "any"].map(|device| {
        (
            device,
            Capture::open(&in_netns(&netns, device)).unwrap(),
            Tcpdump::start(&netns, device, &[]),
        )
    });
    let begin = now();
    lab.command(&["exec", "n1", "ping", "-c", "2", "-i", "0.1", "127.0.0.1"]);
    let end = now();
    let counts = captures.each_mut().map(|(_, capture, _)| drain(capture));
    for ((device, _, tcpdump), ours) in captures.into_iter().zip(counts) {
        let ours = within(ours, begin, end);
        assert_same(&ours, &within(tcpdump.stop(), begin, end), device);
        // in the namespace there is more on the other devices; the index stands in the cooked
        // header
        let on_lo = |r: &&Record| r.link_type == LinkType::ETHERNET || r.data[4..8] == [0, 0, 0, 1];
        assert_eq!(ours.iter().filter(on_lo).count(), 4, "{device}");
    }
}

#[test]
fn checksums_and_super_frames_are_told() {
    let Some(lab) = Lab::up(&[]) else { return };
    let mut capture = Capture::open(&in_netns(&lab.netns("n1p1"), "eth0")).unwrap();
    lab.command(&["traffic", "tcp", "large", "http"]);
    let records = drain(&mut capture);
    let of = |hint| records.iter().filter(|record| record.flags.checksum == hint).count();
    assert!(of(ChecksumHint::NotReady) > 0, "what a pod sends has no checksum yet");
    let gso: Vec<_> = records.iter().filter(|record| record.flags.gso).collect();
    assert!(!gso.is_empty(), "there are super-frames");
    assert!(gso.iter().any(|record| record.orig_len > 1500));
    assert!(records.iter().all(|record| record.orig_len as usize == record.data.len()));
}

type Check = fn(&Error) -> bool;

#[test]
fn a_device_that_goes_away_is_told_apart_after_its_last_frame() {
    let ways: [(&str, Check); 3] = [
        ("link set c0 down", |e| matches!(e, Error::Down { .. })),
        ("link del c0", |e| matches!(e, Error::Removed { .. })),
        ("link set c0 netns OTHER", |e| matches!(e, Error::Moved { .. })),
    ];
    let Some(other) = Cable::lay() else { return };
    other.ip_here("link del c0");
    // with the longer latency the frames are in a block that the kernel has not handed over when
    // the device goes
    let latencies = [20, 300].map(Duration::from_millis);
    for ((way, is_right), latency) in ways.into_iter().flat_map(|way| latencies.map(|l| (way, l))) {
        let Some(cable) = Cable::lay() else { return };
        let options = in_netns(&cable.here, "c0").latency(latency);
        let mut capture = Capture::open(&options).unwrap();
        send(&cable, &frame("11"));
        send(&cable, &frame("22"));
        cable.ip_here(&way.replace("OTHER", &other.here));
        let begin = Instant::now();
        let mut seen = Vec::new();
        let error = loop {
            assert!(begin.elapsed() < Duration::from_secs(5), "{way}: no end");
            match capture.next_frame(Duration::from_secs(1)) {
                Ok(Some(frame)) => seen.push(frame.data[20]),
                Ok(None) => {}
                Err(error) => break error,
            }
        };
        assert!(is_right(&error), "{way}: {error}");
        assert!(error.is_loss_of_device() && error.to_string().starts_with("c0: "), "{error}");
        assert_eq!(seen, [0x11, 0x22], "{way}");
        assert_eq!(capture.statistics().unwrap().captured, 2);
        // and it stays so
        assert!(is_right(&capture.next_frame(Duration::ZERO).unwrap_err()), "{way}");
    }
}

#[test]
fn what_does_not_fit_the_buffer_is_counted() {
    let Some(cable) = Cable::lay() else { return };
    let options = in_netns(&cable.here, "c0").buffer(0); // the smallest ring
    let mut capture = Capture::open(&options).unwrap();
    let program = "import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('g0', 0))
for i in range(5000): s.send(b'\\x02\\0\\0\\0\\0\\1\\x02\\0\\0\\0\\0\\2\\x88\\xb5' + bytes(200))";
    tool("ip", ["netns", "exec", &cable.there, "python3", "-c", program]);
    let got = drain(&mut capture).len() as u64;
    let statistics = capture.statistics().unwrap();
    assert!(got > 100 && got < 5000, "{got}");
    assert_eq!((statistics.captured, statistics.received), (got, 5000));
    assert_eq!(statistics.dropped, 5000 - got);
    assert_eq!(statistics.interface_dropped, Some(0));
    // reading counters twice changes nothing
    assert_eq!(capture.statistics().unwrap(), statistics);
}

#[test]
fn a_frame_is_there_soon() {
    let Some(cable) = Cable::lay() else { return };
    let options = in_netns(&cable.here, "c0");
    for (options, limit) in [(options.clone(), 50), (options.immediate(), 15)] {
        let mut capture = Capture::open(&options).unwrap();
        // the best of some: the machine may do other work
        let ages = (0..5).map(|_| {
            std::thread::scope(|scope| {
                scope.spawn(|| send(&cable, &frame("33")));
                wait_until("a frame", || {
                    let frame = capture.next_frame(Duration::from_secs(2)).unwrap();
                    frame.map(|frame| now() - frame.time.nanos()).ok_or_else(|| "none".to_owned())
                })
            })
        });
        let age = ages.min().unwrap();
        assert!(age >= 0 && age < limit * 1_000_000, "{age} ns, of {limit} ms");
    }
}

#[test]
fn what_cannot_be_opened_says_why() {
    let Some(cable) = Cable::lay() else { return };
    cable.ip_here("link add d0 type ifb");
    let refused = |device: &str| Capture::open(&in_netns(&cable.here, device)).unwrap_err();
    assert!(matches!(refused("nowhere"), Error::NoSuchDevice { .. }));
    assert!(matches!(refused("d0"), Error::Down { .. }));
    assert!(refused("d0").to_string().ends_with("d0: the device is down"));
    let huge = in_netns(&cable.here, "c0").buffer(1 << 40);
    assert!(matches!(Capture::open(&huge).unwrap_err(), Error::Memory { .. }));
}

#[test]
fn libpcap_captures_the_same() {
    let Some(lab) = Lab::up(&[]) else { return };
    for (device, expression) in [("eth0", Some("udp")), ("any", None)] {
        let options = in_netns(&lab.netns("n1"), device);
        let link_type = if device == "any" { LinkType::LINUX_SLL2 } else { LinkType::ETHERNET };
        let program = Arc::new(Program::compile("udp", link_type, 0).unwrap());
        let ring = options.clone().program(Arc::clone(&program));
        // libpcap compiles the expression, or the program runs in user space
        let pcap = options.backend(Backend::Pcap).expression(expression.map(str::to_owned));
        let pcap = pcap.program(expression.is_none().then_some(program));
        let mut both = [&ring, &pcap].map(|options| Capture::open(options).unwrap());
        lab.command(&["traffic", "ping", "tcp"]);
        let [ring, mut pcap] = both.each_mut().map(drain);
        for record in &mut pcap {
            assert_eq!(record.flags, vxcap::FrameFlags::default());
            if link_type == LinkType::LINUX_SLL2 {
                record.data[18..20].fill(0); // what libpcap leaves of an earlier packet
            }
        }
        assert_same(&ring, &pcap, device);
        let [ring, pcap] = both.each_mut().map(|capture| capture.statistics().unwrap());
        assert_eq!((ring.captured, ring.dropped), (pcap.captured, pcap.dropped), "{device}");
    }
    let Some(cable) = Cable::lay() else { return };
    let options = in_netns(&cable.here, "c0").backend(Backend::Pcap);
    let mut capture = Capture::open(&options).unwrap();
    cable.ip_here("link del c0");
    let error = capture.next_frame(Duration::from_secs(2)).map(|frame| frame.is_some());
    assert!(matches!(error, Err(Error::Removed { .. })), "{error:?}");
}

#[test]
fn several_devices_are_waited_for_together_and_the_others_go_on() {
    let [Some(first), Some(second)] = [Cable::lay(), Cable::lay()] else { return };
    let cables = [first, second];
    let mut captures = Vec::new();
    for (number, cable) in cables.iter().enumerate() {
        let options = in_netns(&cable.here, "c0").interface(number as u32);
        captures.push(Capture::open(&options).unwrap());
    }
    let begin = Instant::now();
    Capture::wait_for_any(&captures, Duration::from_millis(100)).unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(100), "nothing came");

    send(&cables[1], &frame("11"));
    cables[0].ip_here("link set c0 down");
    let (mut seen, mut ended) = (Vec::new(), Vec::new());
    while seen.is_empty() || ended.is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(10));
        Capture::wait_for_any(&captures, Duration::from_secs(5)).unwrap();
        for (number, capture) in captures.iter_mut().enumerate() {
            match capture.next_frame(Duration::ZERO) {
                Ok(Some(frame)) => seen.push(frame.interface),
                Ok(None) => {}
                Err(Error::Down { .. }) => ended.push(number),
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert_eq!((seen.as_slice(), ended[0]), (&[1][..], 0));
}

#[test]
fn captures_of_a_group_share_the_frames() {
    let Some(cable) = Cable::lay() else { return };
    let options = in_netns(&cable.here, "c0").fanout(Fanout::new(FanoutMode::RoundRobin));
    let first = Capture::open(&options).unwrap();
    let group = first.fanout_group();
    assert!(group.is_some());
    let options = options.fanout(Fanout::new(FanoutMode::RoundRobin).group(group));
    let mut captures = [first, Capture::open(&options).unwrap()];
    for fill in ["11", "22", "33", "44"] {
        send(&cable, &frame(fill));
    }
    let shares = captures.each_mut().map(|capture| drain(capture).len());
    assert_eq!(shares, [2, 2]);
}

#[test]
fn the_time_of_a_frame_is_told_before_it_is_handed_out() {
    let Some(cable) = Cable::lay() else { return };
    for backend in [Backend::Native, Backend::Pcap] {
        let options = in_netns(&cable.here, "c0").backend(backend);
        let mut capture = Capture::open(&options).unwrap();
        let clock = vxcap::Timestamp::from_nanos(now());
        assert_eq!(capture.next_time().unwrap(), None);
        // what comes from now on is not earlier than what is said
        let not_before = capture.nothing_before(clock);
        assert!(not_before <= clock && !capture.is_mostly_full());
        for fill in ["11", "22", "33"] {
            send(&cable, &frame(fill));
        }
        Capture::wait_for_any([&capture], Duration::from_secs(5)).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        for fill in [0x11, 0x22, 0x33] {
            let time = capture.next_time().unwrap().expect("it came");
            assert_eq!(capture.next_time().unwrap(), Some(time));
            assert!(time >= not_before);
            let frame = capture.next_frame(Duration::ZERO).unwrap().expect("it came");
            assert_eq!((frame.time, frame.data[20]), (time, fill), "{backend:?}");
        }
        assert_eq!(capture.next_time().unwrap(), None);
        assert_eq!(capture.statistics().unwrap().captured, 3);
    }
}

#[test]
fn packets_between_two_inner_ends_go_to_one_capture_of_a_group() {
    let Some(lab) = Lab::up(&["--ipv6"]) else { return };
    let program = Arc::new(by_inner_ends(&vxlan::Ports::default()).unwrap());
    // on eth0 in tunnels; on flannel.1 and cni0 in none
    for device in ["eth0", "flannel.1", "cni0"] {
        let mut group = None;
        let mut captures = Vec::new();
        for interface in 0..3 {
            let mode = FanoutMode::Program(Arc::clone(&program));
            let fanout = Fanout::new(mode).group(group);
            let options = in_netns(&lab.netns("n1"), device).fanout(fanout).interface(interface);
            let capture = Capture::open(&options).unwrap();
            group = capture.fanout_group();
            captures.push(capture);
        }
        // before, fewer shared
        let begin = now();
        let pings = "for a in 1 2; do for b in 1 2; do for n in 2 3; do
            ip netns exec $P-n1p$a ping -q -c 2 -i 0.01 10.244.$n.$((b + 1)) || exit 1; done; done; done"
            .replace("$P", lab.netns("").trim_end_matches('-'));
        tool("sh", ["-c", &pings]);
        lab.command(&["traffic", "tcp", "udp", "ipv6", "unreachable"]);
        let mut owners: HashMap<[IpAddr; 2], BTreeMap<usize, usize>> = HashMap::new();
        for (number, capture) in captures.iter_mut().enumerate() {
            for record in within(drain(capture), begin, i64::MAX) {
                if let Some(ends) = ends(&record.data) {
                    *owners.entry(ends).or_default().entry(number).or_default() += 1;
                }
            }
        }
        let mut shares = [0; 3];
        for (ends, owners) in &owners {
            assert_eq!(owners.len(), 1, "{device}: {ends:?} {owners:?}");
            for &owner in owners.keys() {
                shares[owner] += 1;
            }
        }
        assert!(owners.len() >= 5 && shares.iter().all(|&share| share > 0), "{shares:?}");
    }
}

/// The ends that a packet is about, in order.
fn ends(frame: &[u8]) -> Option<[IpAddr; 2]> {
    let decoder = vxlan::Decoder::default();
    let packet = decoder.decode(frame, LinkType::ETHERNET);
    let quote = decoder.decode_quote(&packet.inner);
    let headers = quote.as_ref().map_or(&packet.inner, |quote| &quote.outer);
    let mut ends = [headers.source()?, headers.destination()?];
    ends.sort_unstable();
    Some(ends)
}
