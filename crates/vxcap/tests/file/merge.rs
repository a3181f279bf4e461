//! Several files in time order.

use std::fs;
use std::io::Read;

use proptest::prelude::*;
use vxcap::Error;
use vxcap::file::{ByteOrder, Merge, Reader};

use crate::sample;

const ORDER: ByteOrder = ByteOrder::Little;

/// A pcap file of packets at these times (seconds), each with its file's number and its own as
/// data.
fn file(number: u8, times: &[u32]) -> Vec<u8> {
    let mut file = sample::pcap_header(ORDER, 0xa1b2_c3d4, 1);
    for (index, &time) in times.iter().enumerate() {
        file.extend(sample::pcap_record(ORDER, time, 0, 2, &[number, index as u8]));
    }
    file
}

/// Time in seconds, file and data of a packet.
type Seen = (i64, usize, Vec<u8>);

/// All packets of the merged files, and all errors.
fn merged(files: &[Vec<u8>]) -> (Vec<Seen>, Vec<String>) {
    let readers = files.iter().map(|file| Reader::new(file.as_slice()).unwrap()).collect();
    all(Merge::new(readers))
}

fn all<R: Read>(mut merge: Merge<R>) -> (Vec<Seen>, Vec<String>) {
    let mut packets = Vec::new();
    let mut errors = Vec::new();
    loop {
        match merge.next_frame() {
            Ok(Some(packet)) => {
                packets.push((
                    packet.frame.time.seconds(),
                    packet.file,
                    packet.frame.data.to_vec(),
                ));
            }
            Ok(None) => return (packets, errors),
            Err(error) => errors.push(error.to_string()),
        }
    }
}

#[test]
fn equal_times_keep_the_order_of_files() {
    let (packets, errors) = merged(&[file(0, &[1, 3, 3, 9]), file(1, &[1, 2, 3]), file(2, &[])]);
    assert!(errors.is_empty());
    let seen: Vec<_> = packets.iter().map(|(time, file, _)| (*time, *file)).collect();
    assert_eq!(seen, [(1, 0), (1, 1), (2, 1), (3, 0), (3, 0), (3, 1), (9, 0)]);
}

#[test]
fn a_damaged_file_does_not_stop_the_others() {
    let mut cut = file(0, &[1, 2, 3]);
    cut.truncate(cut.len() - 1);
    let mut long = file(1, &[1]);
    long.extend([0xff; 16]);
    let (packets, errors) = merged(&[cut, long, file(2, &[5, 6])]);
    assert_eq!(packets.iter().map(|packet| packet.0).collect::<Vec<_>>(), [1, 1, 2, 5, 6]);
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[test]
fn what_is_no_capture_does_not_stop_the_others() {
    let folder = vxtest::Folder::new();
    let mut cut = file(2, &[2, 3]);
    cut.truncate(cut.len() - 1);
    let files = [b"no capture".to_vec(), file(1, &[1, 4]), Vec::new(), cut];
    let paths: Vec<_> = (0..).map(|number: u8| folder.file(&number.to_string())).take(4).collect();
    for (path, bytes) in paths.iter().zip(&files) {
        fs::write(path, bytes).unwrap();
    }
    let merge = Merge::open(&paths).unwrap();
    assert_eq!(merge.origin(1), Some((3, 0)));
    let (packets, errors) = all(merge);
    // each packet with the number of its own file
    let seen: Vec<_> = packets.iter().map(|(time, file, data)| (*time, *file, data[0])).collect();
    assert_eq!(seen, [(1, 1, 1), (2, 3, 2), (4, 1, 1)]);
    let told: Vec<_> =
        errors.iter().map(|error| error.contains("cut off inside a packet")).collect();
    assert_eq!(told, [true, false, false], "{errors:?}");
    assert!(errors[1].contains("not a pcap") && errors[2].contains("empty"), "{errors:?}");

    let missing = folder.file("missing");
    let refused = Merge::open([&paths[0], &missing, &paths[1]]).err().expect("it is not there");
    assert!(matches!(refused.cause(), Error::Open(_)), "{refused}");
    assert_eq!(refused.path(), Some(missing.as_path()));
}

#[test]
fn interfaces_are_numbered_apart() {
    let section = |names: &[&str], times: &[(u32, u64)]| {
        let mut file = sample::section(ORDER);
        for name in names {
            let name = sample::option(ORDER, 2, name.as_bytes());
            file.extend(sample::interface(ORDER, 1, 0, &[name]));
        }
        for &(interface, micros) in times {
            file.extend(sample::enhanced(ORDER, interface, micros, 0, b"", &[]));
        }
        file
    };
    let files = [
        section(&["a0", "a1"], &[(1, 10), (0, 30)]),
        [section(&["b0"], &[(0, 20)]), section(&["c0", "c1"], &[(1, 40)])].concat(),
        sample::small_pcap(ORDER),
    ];
    let readers = files.iter().map(|file| Reader::new(file.as_slice()).unwrap()).collect();
    let mut merge = Merge::new(readers);
    let mut seen = Vec::new();
    while let Some(packet) = merge.next_frame().unwrap() {
        let (interface, file) = (packet.frame.interface, packet.file);
        assert_eq!(merge.origin(interface).unwrap().0, file);
        let name = merge.interfaces()[interface as usize].name.clone();
        seen.push(name.unwrap_or_default());
    }
    assert_eq!(seen, ["a1", "b0", "a0", "c1", "", "", "", ""]);
    assert_eq!(merge.interfaces().len(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn as_a_stable_sort(files in prop::collection::vec(prop::collection::vec(0_u32..50, 0..20), 1..6)) {
        let files: Vec<_> = files.into_iter().map(|mut times| { times.sort_unstable(); times }).collect();
        let bytes: Vec<_> = files.iter().enumerate().map(|(number, times)| file(number as u8, times)).collect();
        let mut expected: Vec<_> = files
            .iter()
            .enumerate()
            .flat_map(|(number, times)| {
                times.iter().enumerate().map(move |(index, &time)| (i64::from(time), number, vec![number as u8, index as u8]))
            })
            .collect();
        expected.sort_by_key(|packet| packet.0);
        prop_assert_eq!(merged(&bytes).0, expected);
    }
}
