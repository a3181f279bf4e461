//! Several threads give what one gives, on every capture.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use vxflow::{Config, FlowRecord, in_parallel};

use crate::files::{self, OwnedFrame};

fn sorted(flows: impl Iterator<Item = FlowRecord>) -> Vec<FlowRecord> {
    let mut flows: Vec<_> = flows.collect();
    flows.sort_by_key(|flow| (flow.key, flow.first));
    flows
}

fn compare(config: &Config, frames: &[OwnedFrame], part_len: usize, name: &str) {
    let mut one = files::table(frames, config.clone());
    one.settle();
    let one_counts = one.counts();
    let one = sorted(one.finish());
    for threads in [1, 2, 5] {
        let mut parts = frames.chunks(part_len);
        let mut early = Vec::new();
        let (flows, result) = in_parallel::<&[OwnedFrame], Infallible>(
            config,
            NonZeroUsize::new(threads).unwrap(),
            |part| {
                *part = parts.next().unwrap_or_default();
                Ok(!part.is_empty())
            },
            |part, feeder| {
                for frame in *part {
                    let wire_len = frame.seen.wire_len;
                    let decoder = &config.decoder;
                    let packet = decoder.decode_captured(&frame.data, frame.link_type, wire_len);
                    feeder.push(&packet, frame.seen);
                }
                Ok(())
            },
            |record| early.push(record),
        );
        assert!(result.is_ok());
        assert_eq!(flows.counts(), one_counts, "{name}, {threads} threads");
        let mut many = sorted(early.into_iter().chain(flows.finish()));
        for (record, other) in many.iter_mut().zip(&one) {
            // how an idle flow comes to its end depends on which packet makes the table look
            record.end = other.end;
        }
        assert_eq!(many, one, "{name}, {threads} threads");
    }
}

#[test]
fn as_one_thread_on_every_capture() {
    let Some(folder) = vxtest::references("") else { return };
    let paths = files::files(&folder);
    assert!(paths.len() > 200, "{} files", paths.len());
    let mut packets = 0;
    for path in paths {
        let frames = files::frames(&path);
        packets += frames.len();
        let name = path.display().to_string();
        let part_len = (frames.len() / 13).max(1);
        compare(&Config::without_timeouts(), &frames, part_len, &name);
        if name.contains("lab") {
            // ends by time, from the smallest on
            let config = Config::default()
                .idle_timeout(Some(50_000_000))
                .active_timeout(Some(200_000_000))
                .closed_timeout(Some(1_000_000))
                .count_copies(false);
            if !name.ends_with("pcapng") {
                compare(&config, &frames, part_len, &name);
            }
        }
    }
    assert!(packets > 20_000, "{packets} packets");
}

/// A UDP packet of 10.0.0.`from` to 10.0.0.`to`, or the fragment of one.
fn udp(from: u8, to: u8, flags_and_offset: u16, port: u8) -> OwnedFrame {
    let mut data = [[2; 12].as_slice(), &[8, 0]].concat();
    let [high, low] = flags_and_offset.to_be_bytes();
    data.extend([0x45, 0, 0, 36, 0, port, high, low, 64, 17, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
    data.extend([0, port, 0, port, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let seen = vxflow::Seen { time: 0, interface: 0, wire_len: data.len() as u32 };
    OwnedFrame { link_type: vxlan::LinkType::ETHERNET, seen, data }
}

#[test]
fn fragments_keep_their_places_among_packets() {
    let mut frames = Vec::new();
    for port in 1..100 {
        // whoever comes first has opened the flow
        let mut flow = [udp(1, 2, 0, port), udp(2, 1, MORE, port), udp(2, 1, 2, port)];
        if port % 2 == 0 {
            flow.rotate_left(1);
        }
        frames.extend(flow);
    }
    let config = Config::without_timeouts();
    let flows = files::table(&frames, config.clone()).finish();
    let openers: Vec<_> = sorted(flows).iter().map(|flow| flow.key.source.to_string()).collect();
    assert_eq!(openers.len(), 99);
    assert_eq!(openers.iter().filter(|source| *source == "10.0.0.1").count(), 50);
    compare(&config, &frames, 31, "fragments");
    compare(&config.max_fragmented(1), &frames, 31, "one remembered");
}

/// The same over IPv6, between hosts of one network.
fn udp6(from: u8, to: u8, flags_and_offset: u16, port: u8) -> OwnedFrame {
    let mut data = [[2; 12].as_slice(), &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 44, 64]].concat();
    for host in [from, to] {
        data.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    // RFC 8200 section 4.5: units of 8 bytes above three bits, M the lowest
    let more = u16::from(flags_and_offset & MORE != 0);
    let [high, low] = ((flags_and_offset & !MORE) << 3 | more).to_be_bytes();
    data.extend([17, 0, high, low, 0, 0, 0, port]);
    data.extend([0, port, 0, port, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let seen = vxflow::Seen { time: 0, interface: 0, wire_len: data.len() as u32 };
    OwnedFrame { link_type: vxlan::LinkType::ETHERNET, seen, data }
}

/// The first fragment's bit, and that of all but the last.
const MORE: u16 = 1 << 13;

/// Later fragments before the first one, both ways, of many packets that overlap: each flow has all
/// of its own.
#[test]
fn fragments_that_come_last_first_join_their_flow() {
    let mut frames = Vec::new();
    for port in 1..=100 {
        for make in [udp, udp6] {
            for (from, to) in [(1, 2), (2, 1)] {
                // the pieces come among those of the next packets, the first one last
                for (flags_and_offset, delay) in [(4, 0), (2 | MORE, 2), (MORE, 5)] {
                    frames.push((port + delay, make(from, to, flags_and_offset, port)));
                }
            }
        }
    }
    frames.sort_by_key(|(turn, _)| *turn);
    let mut frames: Vec<_> = frames.into_iter().map(|(_, frame)| frame).collect();
    for (time, frame) in (1_000..).zip(&mut frames) {
        frame.seen.time = time;
    }
    let config = Config::without_timeouts();
    let flows = sorted(files::table(&frames, config.clone()).finish());
    assert_eq!(flows.len(), 200, "{flows:#?}");
    for flow in &flows {
        let is_its = |frame: &&OwnedFrame| {
            let v4 = frame.data[12] == 8;
            let id = if v4 { frame.data[19] } else { frame.data[61] };
            v4 == flow.key.source.is_ipv4() && Some(u16::from(id)) == flow.key.source_port()
        };
        let times: Vec<_> = frames.iter().filter(is_its).map(|frame| frame.seen.time).collect();
        assert_eq!((flow.forward.packets, flow.reverse.packets), (3, 3), "{flow:?}");
        assert_eq!((Some(&flow.first), Some(&flow.last)), (times.first(), times.last()));
    }
    let counts = files::table(&frames, config.clone()).counts();
    assert_eq!((counts.packets, counts.flows), (1200, 200));
    for part_len in [1, 7, 100] {
        compare(&config, &frames, part_len, "last first");
    }
    for max_fragmented in [0, 1, 5] {
        compare(&config.clone().max_fragmented(max_fragmented), &frames, 31, "few remembered");
    }
}

/// Later fragments whose first one never comes, or too late, are a flow of their own; so are those
/// that there is no room for.
#[test]
fn fragments_wait_for_a_second() {
    const SECOND: i64 = 1_000_000_000;
    let at = |time, mut frame: OwnedFrame| {
        frame.seen.time = time;
        frame
    };
    for make in [udp, udp6] {
        let flows = |late: i64| {
            let other = at(late, make(5, 6, MORE, 9));
            let frames = [at(0, make(1, 2, 2, 7)), other, at(late, make(1, 2, MORE, 7))];
            compare(&Config::default(), &frames, 1, "late");
            let flows = sorted(files::table(&frames, Config::default()).finish());
            flows.iter().map(|f| (f.key.source_port(), f.first, f.forward.packets)).collect()
        };
        let joined: Vec<_> = flows(SECOND);
        assert_eq!(joined, [(Some(7), 0, 2), (Some(9), SECOND, 1)]);
        let apart: Vec<_> = flows(SECOND + 1);
        assert_eq!(apart, [(Some(7), SECOND + 1, 1), (None, 0, 1), (Some(9), SECOND + 1, 1)]);
    }
    // nothing comes any more but time
    let mut table = files::table(&[at(0, udp(1, 2, 2, 7))], Config::default());
    assert_eq!(table.counts().packets, 0);
    table.expire(SECOND);
    assert_eq!(table.counts().packets, 0);
    table.expire(SECOND + 1);
    assert_eq!((table.counts().packets, table.len()), (1, 1));
    // room for one: the older one no longer waits
    let config = Config::without_timeouts().max_fragmented(1);
    let frames = [udp(1, 2, 2, 1), udp(1, 2, 2, 2), udp(1, 2, MORE, 1), udp(1, 2, MORE, 2)];
    let flows = sorted(files::table(&frames, config).finish());
    let packets: Vec<_> = flows.iter().map(|f| (f.key.source_port(), f.forward.packets)).collect();
    assert_eq!(packets, [(Some(1), 1), (Some(2), 2), (None, 1)]);
}

/// Whatever comes, no more wait than there is room for, and all are counted in the end.
#[test]
fn fragments_that_wait_are_bounded() {
    const MOST: usize = 1000;
    for (make, most_bytes) in [(udp as fn(_, _, _, _) -> _, 750), (udp6, 1200)] {
        let config = Config::without_timeouts().max_fragmented(MOST).max_flows(10);
        let mut table = files::table(&[], config.clone());
        for number in 0..20_000_u32 {
            // of one packet many, of others one each, and first ones that nobody waits for
            let [.., high, low] = number.to_be_bytes();
            let mut frame: OwnedFrame = make(1, 2, if number % 4 == 0 { MORE } else { 2 }, low);
            let at = if frame.data[12] == 8 { 18 } else { 60 };
            frame.data[at] = if number % 3 == 0 { 200 } else { high };
            let packet = config.decoder.decode(&frame.data, frame.link_type);
            table.push(&packet, frame.seen);
            table.ended().for_each(drop);
        }
        let bytes = table.heap_bytes();
        assert!((MOST * 100..MOST * most_bytes + 50_000).contains(&bytes), "{bytes}");
        table.settle();
        assert_eq!(table.counts().packets, 20_000);
    }
}

/// The same of outer fragments: what they carry is counted once.
#[test]
fn outer_fragments_that_come_last_first_count_once() {
    let mut first = vxlan::example::SYN.to_vec();
    first[20] = 0x20; // more fragments
    let mut later = first[..54].to_vec();
    (later[20], later[21]) = (0, 14);
    let frame = |data: Vec<u8>| {
        let seen = vxflow::Seen { time: 0, interface: 0, wire_len: data.len() as u32 };
        OwnedFrame { link_type: vxlan::LinkType::ETHERNET, seen, data }
    };
    let frames = [frame(later), frame(first)];
    let table = files::table(&frames, Config::default());
    let counts = table.counts();
    assert_eq!((counts.packets, counts.flows, counts.tunnel_fragments), (1, 1, 1));
    compare(&Config::default(), &frames, 1, "outer");
}

#[test]
fn an_error_keeps_what_came_before_it() {
    let frame = vxlan::example::SYN;
    for threads in [1, 2, 3] {
        let mut number = 0_u32;
        let (flows, result) = in_parallel(
            &Config::default(),
            NonZeroUsize::new(threads).unwrap(),
            |part: &mut u32| {
                *part = number;
                number += 1;
                Ok(number <= 40)
            },
            |part, feeder| {
                let seen = vxflow::Seen { time: 0, interface: 0, wire_len: frame.len() as u32 };
                feeder.push(&vxlan::decode(frame, vxlan::LinkType::ETHERNET), seen);
                if *part == 10 { Err("damaged") } else { Ok(()) }
            },
            |_| {},
        );
        assert_eq!(result, Err("damaged"));
        assert_eq!(flows.counts().packets, 11, "{threads} threads");
    }
}

#[test]
#[should_panic(expected = "a scoped thread panicked")]
fn a_panic_does_not_hang() {
    let main = std::thread::current().id();
    let _ = in_parallel(
        &Config::default(),
        NonZeroUsize::new(3).unwrap(),
        |_: &mut u8| Ok::<_, Infallible>(true),
        |_, _| {
            assert!(std::thread::current().id() == main, "one of the others");
            Ok(())
        },
        |_| {},
    );
}
