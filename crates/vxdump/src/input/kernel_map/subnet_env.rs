//! Flannel's note of the cluster's network and its node's part of it, followed while it changes.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use podmap::{Builder, Cidr, MapError, SourceId};

/// Where the file lies; flannel writes it anew beside itself and renames it.
pub const FOLDER: &str = "/run/flannel";
/// The file.
pub(super) const PATH: &str = "/run/flannel/subnet.env";

/// It changes when a node gets another subnet: seldom.
const PAUSE: Duration = Duration::from_secs(1);
/// It has five lines; what is longer is something else.
const MAX_LEN: u64 = 64 << 10;

/// The file as it was read last.
#[derive(Debug)]
pub(super) struct SubnetEnv {
    path: PathBuf,
    source: SourceId,
    bytes: Vec<u8>,
    networks: Vec<Cidr>,
    not_before: Instant,
}

impl SubnetEnv {
    /// Reads the file, if it is there, into a new source. One that makes no sense is handed to
    /// `complain`.
    pub(super) fn open(
        path: &Path,
        builder: &mut Builder,
        complain: &mut dyn FnMut(&dyn Display),
    ) -> Self {
        let source = builder.source(path.display().to_string());
        builder.mark_partial(source);
        let mut subnet_env = Self {
            path: path.to_owned(),
            source,
            bytes: Vec::new(),
            networks: Vec::new(),
            not_before: Instant::now() + PAUSE,
        };
        match read(path) {
            Ok(bytes) => {
                if let Err(error) = builder.read_into(source, &bytes) {
                    complain(&error);
                }
                subnet_env.take(bytes);
            }
            // no flannel here, or not for us
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                ) => {}
            Err(cause) => complain(&MapError::Io { file: path.display().to_string(), cause }),
        }
        subnet_env
    }

    /// Looks once a second whether the file says something else, and if so, `builder` does too and
    /// `true` is returned. What was known stays where the file is gone or makes no sense.
    pub(super) fn refresh(&mut self, builder: &mut Builder, now: Instant) -> bool {
        if now < self.not_before {
            return false;
        }
        self.not_before = now + PAUSE;
        let Ok(bytes) = read(&self.path) else { return false };
        if bytes == self.bytes {
            return false;
        }
        let makes_sense = Builder::new().read_bytes("", &bytes).is_ok();
        if makes_sense {
            builder.forget(self.source);
            // it was read without an error just now
            let _ = builder.read_into(self.source, &bytes);
        }
        self.take(bytes);
        makes_sense
    }

    /// The cluster's networks of pods.
    pub(super) fn networks(&self) -> &[Cidr] {
        &self.networks
    }

    fn take(&mut self, bytes: Vec<u8>) {
        let text = String::from_utf8_lossy(&bytes);
        let values = text.lines().filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            matches!(key.trim(), "FLANNEL_NETWORK" | "FLANNEL_IPV6_NETWORK").then_some(value)
        });
        let networks = values.flat_map(|value| value.trim().trim_matches('"').split(','));
        let networks = networks.filter_map(|text| text.parse::<Cidr>().ok());
        // flannel writes the empty range for a family that is not used
        self.networks = networks.filter(|network| network.prefix_len() > 0).collect();
        self.bytes = bytes;
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_LEN).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_new_subnet_takes_the_place_of_the_old_one() {
        let path = std::env::temp_dir().join(format!("vxdump-subnet-{}.env", std::process::id()));
        let write = |subnet: &str| {
            fs::write(&path, format!("FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET={subnet}\n"))
                .expect("a file");
        };
        let mut builder = Builder::new();
        builder.local_node("here");
        let mut complain = |error: &dyn Display| panic!("{error}");
        let mut subnet_env = SubnetEnv::open(&path, &mut builder, &mut complain);
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        let label = |builder: &mut Builder, address: &str| {
            builder.build().owner(address.parse().expect("an address")).label().to_owned()
        };
        assert!(subnet_env.networks().is_empty());

        write("10.244.1.1/24");
        assert!(subnet_env.refresh(&mut builder, later(5)));
        assert_eq!(subnet_env.networks(), ["10.244.0.0/16".parse().expect("a network")]);
        assert_eq!(label(&mut builder, "10.244.1.9"), "here");
        assert!(!subnet_env.refresh(&mut builder, later(10)), "it says the same");

        write("10.244.7.1/24");
        assert!(!subnet_env.refresh(&mut builder, later(10)), "not twice in a second");
        assert!(subnet_env.refresh(&mut builder, later(15)));
        assert_eq!(label(&mut builder, "10.244.7.9"), "here");
        assert_ne!(label(&mut builder, "10.244.1.9"), "here");

        fs::write(&path, "FLANNEL_SUBNET=nonsense\n").expect("a file");
        assert!(!subnet_env.refresh(&mut builder, later(20)));
        fs::remove_file(&path).expect("it is there");
        assert!(!subnet_env.refresh(&mut builder, later(25)));
        assert_eq!(label(&mut builder, "10.244.7.9"), "here");
    }
}
