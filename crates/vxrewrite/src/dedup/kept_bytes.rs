//! The latest payloads, to compare copies with, in memory that does not grow.

/// How many bytes are kept: more than pass a node while a packet is on its way through it. Own
/// choice.
const MOST: usize = 32 << 20;

/// A ring of bytes.
#[derive(Default)]
pub(super) struct KeptBytes {
    ring: Vec<u8>,
    /// How many bytes were ever kept, with those left out at the end of the ring.
    written: u64,
}

/// Where bytes are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// How many bytes had been written before them.
    start: u64,
    len: usize,
}

impl KeptBytes {
    /// Keeps bytes until later ones overwrite them.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Kept {
        let bytes = bytes.get(..MOST).unwrap_or(bytes);
        let mut at = place(self.written);
        if at + bytes.len() > MOST {
            // bytes are kept in one piece, so the rest of the ring is left out
            self.written += (MOST - at) as u64;
            at = 0;
        }
        let end = at + bytes.len();
        if self.ring.len() < end {
            self.ring.resize(end, 0);
        }
        if let Some(room) = self.ring.get_mut(at..end) {
            room.copy_from_slice(bytes);
        }
        let kept = Kept { start: self.written, len: bytes.len() };
        self.written += bytes.len() as u64;
        kept
    }

    /// Whether bytes equal those kept from `offset` on, compared over the shorter length. False
    /// where the kept bytes were overwritten.
    pub(super) fn agree(&self, kept: Kept, offset: usize, bytes: &[u8]) -> bool {
        if self.written - kept.start > MOST as u64 {
            return false;
        }
        let len = kept.len.saturating_sub(offset).min(bytes.len());
        let at = place(kept.start) + offset;
        len == 0 || self.ring.get(at..at + len) == bytes.get(..len)
    }
}

/// The place in the ring after this many written bytes.
fn place(written: u64) -> usize {
    (written % MOST as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_agree_as_far_as_both_go() {
        let mut bytes = KeptBytes::default();
        let kept = bytes.keep(b"segment of a stream");
        bytes.keep(b"another");
        for (offset, other, expected) in [
            (0, &b"segment of a stream"[..], true),
            (8, b"of a", true),
            (8, b"of b", false),
            (13, b"stream and more", true),
            (19, b"beyond", true),
            (100, b"beyond", true),
            (0, b"", true),
        ] {
            assert_eq!(bytes.agree(kept, offset, other), expected, "{offset}");
        }
    }

    #[test]
    fn memory_is_bounded_and_what_is_overwritten_agrees_with_nothing() {
        let mut bytes = KeptBytes::default();
        let piece = vec![7; 1_000_003];
        let first = bytes.keep(&piece);
        let mut last = first;
        for _ in 0..100 {
            last = bytes.keep(&piece);
        }
        assert!(bytes.ring.len() <= MOST);
        assert!(!bytes.agree(first, 0, &piece));
        assert!(bytes.agree(last, 0, &piece) && !bytes.agree(last, 1, &[8]));
        let all = bytes.keep(&vec![9; MOST + 5]);
        assert!(bytes.agree(all, MOST - 1, &[9]) && !bytes.agree(last, 0, &piece));
    }
}
