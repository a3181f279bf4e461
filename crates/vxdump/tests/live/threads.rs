//! Several threads print what one prints.

use vxtest::{Lab, run};

use crate::lab::{VXDUMP, end, vxdump};
use crate::order::{assert_in_order, time_and_device};

const DEVICES: [&str; 6] = ["-i", "eth0", "-i", "flannel.1", "-i", "cni0"];

#[test]
fn several_threads_print_what_one_prints_in_the_order_of_time() {
    let Some(lab) = Lab::up(&[]) else { return };
    // without what depends on who began when: a kernel's own packets at the begin and the end
    let selected = ["--inner", "net 10.244.0.0/16 and not arp and not igmp"];
    let text = ["-tt", "--nano"];
    let capture = |more: &[&str]| vxdump(&lab, "n1", &[&DEVICES, &selected[..], more].concat());
    let one = capture(&text);
    let three = capture(&[&text[..], &["--threads", "3"]].concat());
    let json = capture(&["--format", "json"]);
    let json_three = capture(&["--format", "json", "--threads", "3"]);
    let count = capture(&["--count", "--threads", "2"]);
    let few = capture(&["-c", "10", "-tt", "-#", "--threads", "2"]);
    lab.command(&["traffic", "ping", "tcp", "http", "udp", "dns", "large"]);
    let (status, few, said) = few.ended();
    assert!(status.success() && said.contains("10 packets captured"), "{said}");
    let numbers: Vec<&str> = few.lines().map(|line| &line[..7]).collect();
    assert_eq!(numbers.len(), 10, "{few}");
    assert!(numbers.iter().zip(1..).all(|(text, n)| **text == format!("{n:5}  ")), "{few}");

    let mut captures = [one, three, json, json_three, count];
    for capture in &mut captures {
        capture.signal("INT");
    }
    let [one, three, json, json_three, count] = captures.map(|running| {
        let (status, out, said) = running.ended();
        assert!(status.success() && said.contains("0 packets dropped by kernel"), "{said}");
        out
    });
    assert_in_order(three.lines().map(time_and_device), "three threads");
    assert_eq!(count, format!("{} packets\n", one.lines().count()));
    // each capture stamps packets itself, some microseconds apart
    assert_same(&one, &three, |line| {
        line.split_once(' ').map(|(_, rest)| rest.to_owned()).expect("a time")
    });
    // numbers are given in order; what was seen and not selected counts somewhere between
    let number = |line: &str| -> u64 {
        let (_, rest) = line.split_once("\"number\":").expect("it has a number");
        rest.split(',').next().expect("a number").parse().expect("a number")
    };
    assert!(json_three.lines().map(number).is_sorted_by(|a, b| a < b));
    assert_same(&json, &json_three, |line| {
        let number = format!("\"number\":{},", number(line));
        let (_, rest) = line.split_once(&number).expect("it has a number");
        rest.to_owned()
    });
}

fn assert_same(one: &str, several: &str, of: impl Fn(&str) -> String) {
    let sorted = |out: &str| {
        let mut lines: Vec<String> = out.lines().map(&of).collect();
        lines.sort_unstable();
        lines
    };
    let (one, several) = (sorted(one), sorted(several));
    assert!(one.len() > 1000, "{} lines", one.len());
    let differs = one.iter().zip(&several).find(|(a, b)| a != b);
    assert!(one == several, "{} and {} lines; {differs:#?}", one.len(), several.len());
}

#[test]
fn what_several_threads_cannot_do_is_refused_and_a_device_that_vanishes_is_told_once() {
    let Some(lab) = Lab::up(&[]) else { return };
    let refused = run(VXDUMP, ["-i", "eth0", "-w", "nothing.pcap", "--threads", "2"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("with one thread"));

    let capture = vxdump(&lab, "n1", &[&DEVICES[..], &["--threads", "3", "-tt"]].concat());
    lab.command(&["traffic", "ping"]);
    lab.command(&["exec", "n1", "ip", "link", "del", "flannel.1"]);
    lab.command(&["exec", "n1", "ping", "-c", "2", "-i", "0.2", "172.18.0.3"]);
    let (status, lines, said) = end(capture, "TERM");
    assert_eq!(status.code(), Some(1), "{said}");
    assert_eq!(said.matches("flannel.1: the device ").count(), 1, "{said}");
    assert!(said.contains("the capture on 1 of 3 devices ended early"), "{said}");
    assert!(lines.contains(" flannel.1 ") && lines.contains(" eth0 "), "{lines}");
}
