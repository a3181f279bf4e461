//! The command line.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::frames::{self, InnerProtocol, Shape};

/// The help text.
pub(crate) const USAGE: &str = "\
vxload [OPTIONS] DEVICE   send small VXLAN frames on DEVICE (needs CAP_NET_RAW)

  --rate N        frames a second (default: as fast as it goes)
  --seconds S     end after S seconds, at most 600 (default 4)
  --count N       end after N frames
  --size BYTES    length of a frame, 92 (inner UDP) or 104 (inner TCP) to 9000 (default 156)
  --flows N       inner flows, sent in turn, 1 to 16384 (default 64): inner source ports 40000, 40001, ...
  --vni N         (default 1)
  --port P        outer destination port (default 8472)
  --inner PROTO   udp or tcp (default udp)
";

/// What to send, where and how much.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// Name of the device.
    pub(crate) device: String,
    /// Frames a second; none for as many as go.
    pub(crate) rate: Option<u64>,
    /// After this time no frame is sent.
    pub(crate) duration: Duration,
    /// At most so many frames are sent.
    pub(crate) count: u64,
    /// What a frame looks like.
    pub(crate) shape: Shape,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send frames.
    Send(Arguments),
    /// Print the usage.
    Help,
}

/// Reads the command line, without the program's name; the error is a message for the user.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut device = None;
    let mut rate = None;
    let mut seconds = 4.0_f64;
    let mut count = u64::MAX;
    let mut shape = Shape::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "-h" | "--help" => return Ok(Command::Help),
            "--rate" => rate = Some(within(&word, &value()?, 1..=100_000_000)?),
            "--seconds" => seconds = within(&word, &value()?, 0.001..=600.0)?,
            "--count" => count = within(&word, &value()?, 1..=u64::MAX)?,
            "--size" => shape.size = within(&word, &value()?, 1..=9000)?,
            "--flows" => shape.flows = within(&word, &value()?, 1..=16384)?,
            "--vni" => shape.vni = within(&word, &value()?, 0..=0x00ff_ffff)?,
            "--port" => shape.port = within(&word, &value()?, 1..=u16::MAX)?,
            "--inner" => {
                shape.inner = match value()?.as_str() {
                    "udp" => InnerProtocol::Udp,
                    "tcp" => InnerProtocol::Tcp,
                    other => return Err(format!("--inner is udp or tcp, not '{other}'")),
                }
            }
            option if option.starts_with('-') => return Err(format!("unknown option {option}")),
            _ if device.is_some() => return Err(format!("one device, please, not also '{word}'")),
            _ => device = Some(word),
        }
    }
    let least = frames::headers_len(shape.inner);
    if usize::from(shape.size) < least {
        return Err(format!("--size is at least {least}, which the headers need"));
    }
    Ok(Command::Send(Arguments {
        device: device.ok_or("which device?")?,
        rate,
        duration: Duration::from_secs_f64(seconds),
        count,
        shape,
    }))
}

fn within<T>(option: &str, text: &str, bounds: RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.ok_or_else(|| {
        let (least, most) = (bounds.start(), bounds.end());
        format!("{option} is a number from {least} to {most}, not '{text}'")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn reads_every_option() {
        let Ok(Command::Send(read)) = parsed(
            "--rate 1000 --seconds 0.5 --count 7 --size 200 --flows 3 --vni 42 --port 4789 --inner tcp v0",
        ) else {
            panic!("refused");
        };
        assert_eq!(read.device, "v0");
        assert_eq!(read.rate, Some(1000));
        assert_eq!(read.duration, Duration::from_millis(500));
        assert_eq!(read.count, 7);
        assert_eq!((read.shape.size, read.shape.flows, read.shape.vni), (200, 3, 42));
        assert_eq!((read.shape.port, read.shape.inner), (4789, InnerProtocol::Tcp));
    }

    #[test]
    fn says_what_is_wrong() {
        for (line, message) in [
            ("", "which device?"),
            ("v0 v1", "one device, please, not also 'v1'"),
            ("--rate 0 v0", "--rate is a number from 1 to 100000000, not '0'"),
            ("--seconds nan v0", "--seconds is a number from 0.001 to 600, not 'nan'"),
            ("--size 91 v0", "--size is at least 92, which the headers need"),
            ("--vni", "--vni needs a value"),
            ("--bogus v0", "unknown option --bogus"),
        ] {
            assert_eq!(parsed(line).map(|_| ()).expect_err(line), message, "{line}");
        }
    }
}
