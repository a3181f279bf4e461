//! Frames of several devices come in the order of their times.

use std::collections::HashMap;

use vxcap::file::Reader;
use vxtest::Lab;

use crate::lab::{end, vxdump};

/// Devices that see the same packets within microseconds, and one that sees little.
const DEVICES: [&str; 8] = ["-i", "eth0", "-i", "flannel.1", "-i", "cni0", "-i", "lo"];

/// Times and devices in the order in which they came: none goes back, but where the kernel itself
/// gave a device's frames in another order (two CPUs at once).
pub(crate) fn assert_in_order<'a>(came: impl IntoIterator<Item = (i64, &'a str)>, what: &str) {
    let mut latest = i64::MIN;
    let mut of_devices: HashMap<&str, i64> = HashMap::new();
    let mut count = 0;
    for (time, device) in came {
        let own = of_devices.entry(device).or_insert(i64::MIN);
        assert!(time >= latest || time < *own, "{what}: {device} {time} comes after {latest}");
        (latest, *own) = (latest.max(time), time.max(*own));
        count += 1;
    }
    assert!(count > 100 && of_devices.len() > 2, "{what}: {count} frames of {of_devices:?}");
}

/// Time and device of a line of `-tt --nano` with several devices.
pub(crate) fn time_and_device(line: &str) -> (i64, &str) {
    let mut words = line.split(' ');
    let time = words.next().expect("a time").replace('.', "");
    let time = time.parse().unwrap_or_else(|e| panic!("{line}: {e}"));
    (time, words.next().expect("a device"))
}

#[test]
fn lines_and_records_of_several_devices_are_in_the_order_of_their_times() {
    let Some(lab) = Lab::up(&[]) else { return };
    let file = lab.file("order.pcapng");
    let lines = vxdump(&lab, "n1", &[&DEVICES[..], &["-tt", "--nano"]].concat());
    // unhurried, with another delay
    let records = vxdump(&lab, "n1", &[&DEVICES[..], &["-w", &file]].concat());
    lab.command(&["traffic", "ping", "tcp", "http", "udp", "dns", "large"]);
    lab.command(&["exec", "n1", "ping", "-c", "3", "-i", "0.1", "127.0.0.1"]);
    let (status, lines, said) = end(lines, "INT");
    assert!(status.success() && said.contains("0 packets dropped by kernel"), "{said}");
    let captured = lines.lines().count();
    assert!(said.contains(&format!("{captured} packets captured")), "{said}");
    assert_in_order(lines.lines().map(time_and_device), "lines");

    let (status, _, said) = end(records, "TERM");
    assert!(status.success() && said.contains("0 packets dropped by kernel"), "{said}");
    let mut reader = Reader::open(&file).unwrap_or_else(|e| panic!("{e}"));
    let mut records = Vec::new();
    while let Some((frame, interface)) = reader.next_with_interface().expect("it is whole") {
        let device = interface.and_then(|i| i.name.clone()).expect("it has a name");
        records.push((frame.time.nanos(), device));
    }
    assert_in_order(records.iter().map(|(time, device)| (*time, device.as_str())), "records");
}
