//! Files one after the other, and whose they are.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use vxtest::Lab;

use crate::lab::{end, vxdump};

/// A folder of the lab's in which everybody may write.
fn open_folder(lab: &Lab) -> String {
    let folder = lab.file("open");
    fs::create_dir(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("a mode");
    folder
}

/// As tcpdump's, whose user makes the first file too: names that come around again can be written
/// over.
#[test]
fn all_files_are_those_of_the_user_of_z() {
    let Some(lab) = Lab::up(&[]) else { return };
    let folder = open_folder(&lab);
    let file = format!("{folder}/r.pcapng");
    let capture =
        vxdump(&lab, "n1", &["-i", "eth0", "-Z", "nobody", "-C", "8k", "-W", "2", "-w", &file]);
    lab.command(&["traffic", "ping", "http", "udp"]);
    let (status, _, said) = end(capture, "TERM");
    assert!(status.success(), "{said}");
    for number in 0..2 {
        let made = fs::metadata(format!("{file}{number}")).expect("both files");
        assert_ne!(made.uid(), 0, "{number}");
    }
}

/// As tcpdump's: each period of -G begins with a file without a number.
#[test]
fn numbers_begin_anew_with_each_period() {
    let Some(lab) = Lab::up(&[]) else { return };
    let folder = open_folder(&lab);
    let pattern = format!("{folder}/%s.pcap");
    let capture = vxdump(&lab, "n1", &["-i", "eth0", "-G", "1", "-C", "4k", "-w", &pattern]);
    for _ in 0..2 {
        lab.command(&["traffic", "ping", "http", "udp"]);
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    let (status, _, said) = end(capture, "TERM");
    assert!(status.success(), "{said}");
    let names: Vec<String> = fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    let mut periods = 0;
    let has_no_number = |name: &str| name.split_once('.').is_some_and(|(_, end)| end == "pcap");
    for name in names.iter().filter(|name| has_no_number(name)) {
        let of_period = names.iter().filter(|other| other.starts_with(name.as_str())).count();
        let numbered = (1..of_period).map(|number| format!("{folder}/{name}{number}"));
        assert!(numbered.into_iter().all(|file| Path::new(&file).exists()), "{names:?}");
        periods += usize::from(of_period > 1);
    }
    assert!(periods > 1, "{names:?}");
}

#[test]
fn a_pcap_file_is_refused_for_several_link_types() {
    let Some(lab) = Lab::up(&[]) else { return };
    let file = lab.file("mixed.pcap");
    let (status, _, said) = vxdump(&lab, "n1", &["-i", "any", "-i", "eth0", "-w", &file]).ended();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("write pcapng") && !Path::new(&file).exists(), "{said}");
}
