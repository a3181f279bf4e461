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
    let one = files::table(frames, config.clone());
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
    let Some(folder) = files::folder() else { return };
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
            let config = Config {
                idle_timeout: Some(50_000_000),
                active_timeout: Some(200_000_000),
                closed_timeout: Some(1_000_000),
                count_copies: false,
                ..Config::default()
            };
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
    const MORE: u16 = 1 << 13;
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
    compare(&Config { max_fragmented: 1, ..config }, &frames, 31, "one remembered");
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
