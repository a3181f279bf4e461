//! Names: what may be one, and the arena that holds them all.

/// A piece of a [`Texts`] arena: byte offset and length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    start: u32,
    len: u32,
}

impl Text {
    /// The part of `len` bytes from byte `from` on.
    pub(crate) fn part(self, from: usize, len: usize) -> Self {
        Self { start: self.start.saturating_add(from as u32), len: len as u32 }
    }
}

/// All names of a map in one allocation, so that records stay small and `Copy`.
#[derive(Debug, Default)]
pub(crate) struct Texts(String);

impl Texts {
    /// Keeps `parts`, one after the other, as one text. A map with more than 4 GiB of names keeps
    /// what fits and leaves the rest empty.
    pub(crate) fn keep(&mut self, parts: &[&str]) -> Text {
        let start = self.0.len();
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let (Ok(start), Ok(_)) = (u32::try_from(start), u32::try_from(start + len)) else {
            return Text::default();
        };
        for part in parts {
            self.0.push_str(part);
        }
        Text { start, len: len as u32 }
    }

    /// The text that was kept.
    #[inline]
    pub(crate) fn text(&self, text: Text) -> &str {
        let start = text.start as usize;
        self.0.get(start..start + text.len as usize).unwrap_or("")
    }

    /// Gives back what the arena reserved too much.
    pub(crate) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}

/// The longest name of a Kubernetes object in bytes (RFC 1123 subdomain, as the API server checks
/// it: k8s.io/apimachinery, `DNS1123SubdomainMaxLength`).
const NAME_MAX: usize = 253;

/// Why a text cannot be the name of a node, namespace, pod or service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing.
    #[error("the name is empty")]
    Empty,
    /// It is longer than names of Kubernetes can be.
    #[error("the name is longer than 253 bytes")]
    TooLong,
    /// It has a character that no name has.
    #[error("a name is made of letters, digits, '-', '.', '_' and ':'")]
    Character,
}

/// Checks the name of a node, namespace, pod or service.
///
/// Wider than Kubernetes' own rule, since plain lines may name anything; but what would break a
/// printed line or a terminal (spaces, control characters, `/`, `@`, `|`) is refused here, once.
pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.len() > NAME_MAX {
        Err(NameError::TooLong)
    } else if name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':')) {
        Ok(())
    } else {
        Err(NameError::Character)
    }
}

/// Reads a MAC address as Linux and flannel write it: six pairs of hex digits between colons.
pub(crate) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut pairs = text.split(':');
    for byte in &mut mac {
        let pair = pairs.next()?;
        if pair.len() != 2 || !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_line_are_refused() {
        for name in ["worker", "ip-10-0-0-1.ec2.internal", "Knoten_ä", "fd00::1", "n1"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let long = "x".repeat(254);
        for name in ["", "a b", "a\tb", "a/b", "a@b", "a|b", "\u{1b}[31m", "a\n", "#", &long] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn macs_are_six_pairs() {
        assert_eq!(parse_mac("4e:1a:7c:33:90:A1"), Some([0x4e, 0x1a, 0x7c, 0x33, 0x90, 0xa1]));
        for bad in
            ["", "4e:1a:7c:33:90", "4e:1a:7c:33:90:a1:00", "4e:1a:7c:33:90:+1", "4:1:7:3:9:a"]
        {
            assert_eq!(parse_mac(bad), None, "{bad}");
        }
    }
}
