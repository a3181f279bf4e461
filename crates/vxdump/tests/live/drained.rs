//! What is in the ring when a capture is told to end belongs to it.

use vxtest::Lab;

use crate::lab::{VXDUMP, inside};

#[test]
fn a_packet_sent_just_before_the_end_is_captured() {
    let Some(lab) = Lab::up(&[]) else { return };
    let commands =
        ["-i eth0", "-i eth0 --format json", "-i eth0 --threads 2", "flows -i eth0 --format csv"];
    for command in commands {
        for _ in 0..3 {
            let mut words: Vec<&str> = command.split(' ').collect();
            words.extend(["--map", "none", "udp port 4444"]);
            let running = inside(&lab.netns("n1p1"), VXDUMP, &words);
            // the signal follows the packet at once
            let script = format!("echo x > /dev/udp/10.244.1.1/4444; kill -INT {}", running.id());
            lab.command(&["exec", "n1p1", "bash", "-c", &script]);
            let (status, out, said) = running.ended();
            assert!(status.success(), "{command}: {said}");
            assert!(out.contains("4444"), "{command}: {out}\n{said}");
            assert!(said.contains("1 packet captured"), "{command}: {said}");
        }
    }
}

/// The rings of the other threads are not open yet then.
#[test]
fn a_signal_right_after_the_first_word_ends_it_in_order() {
    let Some(lab) = Lab::up(&[]) else { return };
    for signal in ["INT", "TERM", "HUP"] {
        let words = ["-i", "eth0", "--map", "none", "--threads", "8", "udp port 4444"];
        let mut running = inside(&lab.netns("n1p1"), VXDUMP, &words);
        running.signal(signal);
        let (status, _, said) = running.ended();
        assert!(status.success(), "{signal}: {said}");
        assert!(said.contains("0 packets captured"), "{signal}: {said}");
    }
}
