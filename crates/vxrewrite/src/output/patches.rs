//! Words to be changed in a packet.

/// The most words that are changed in one packet: a port and a checksum at each of 4 levels, the
/// same in what an ICMP error quotes, and its own checksum.
const MOST: usize = 12;

/// Words of 16 bits to be changed in a packet, by their offset. Allocates nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patches {
    words: [(u32, [u8; 2]); MOST],
    len: u8,
}

impl Patches {
    /// None.
    pub(crate) const NONE: Self = Self { words: [(0, [0; 2]); MOST], len: 0 };

    /// One more.
    #[inline]
    pub(crate) fn push(&mut self, at: usize, word: u16) {
        if let Some(place) = self.words.get_mut(usize::from(self.len)) {
            *place = (at as u32, word.to_be_bytes());
            self.len += 1;
        }
    }

    /// Whether nothing is to be changed.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Drops the first `start` bytes of the packet: words in them are forgotten.
    pub(crate) fn cut_front(&mut self, start: usize) {
        let all = *self;
        self.clear();
        for (at, word) in all.iter() {
            if let Some(at) = at.checked_sub(start) {
                self.push(at, u16::from_be_bytes(word));
            }
        }
    }

    /// Changes the words. Words beyond the end were cut off, and are skipped.
    #[inline]
    pub(crate) fn apply(&self, data: &mut [u8]) {
        for (at, word) in self.iter() {
            for (offset, byte) in (at..).zip(word) {
                if let Some(place) = data.get_mut(offset) {
                    *place = byte;
                }
            }
        }
    }

    #[inline]
    fn iter(&self) -> impl Iterator<Item = (usize, [u8; 2])> + '_ {
        self.words.iter().take(usize::from(self.len)).map(|(at, word)| (*at as usize, *word))
    }
}
