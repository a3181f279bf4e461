//! Text that packets share: who their ends are, and how they were carried.

/// How many texts are kept. A power of two; traffic has fewer pairs of hosts at a time.
const SLOTS: usize = 1 << 12;

/// Keeps texts by a key of three numbers, each in the one place that its key has: a look-up is one comparison, and a key
/// whose place another one took is made anew.
pub(crate) struct Memo {
    slots: Vec<([u32; 3], Vec<u8>)>,
}

impl Memo {
    pub(crate) fn new() -> Self {
        Self { slots: vec![([0; 3], Vec::new()); SLOTS] }
    }

    /// Appends the text of `key`, made by `make` where it is not kept.
    #[inline]
    pub(crate) fn append(
        &mut self,
        out: &mut Vec<u8>,
        key: [u32; 3],
        make: impl FnOnce(&mut Vec<u8>),
    ) {
        let [a, b, c] = key;
        // multiplicative hashing (Knuth); an outsider who makes keys collide makes them slower to print, no more
        let hash = a.wrapping_mul(0x9e37_79b1)
            ^ b.rotate_left(13).wrapping_mul(0x85eb_ca6b)
            ^ c.wrapping_mul(0xc2b2_ae35);
        let slot = &mut self.slots[hash as usize >> 20 & (SLOTS - 1)];
        if slot.0 != key || slot.1.is_empty() {
            slot.0 = key;
            slot.1.clear();
            make(&mut slot.1);
        }
        out.extend_from_slice(&slot.1);
    }

    /// Forgets all texts.
    pub(crate) fn clear(&mut self) {
        for (_, text) in &mut self.slots {
            text.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_text_of_each_key() {
        let mut memo = Memo::new();
        let mut made = 0;
        for _ in 0..3 {
            for number in 0..20_000_u32 {
                let mut out = Vec::new();
                memo.append(&mut out, [number, number / 7, 1], |text| {
                    made += 1;
                    text.extend_from_slice(number.to_string().as_bytes());
                });
                assert_eq!(out, number.to_string().as_bytes());
            }
        }
        assert!(made >= 20_000);
        let mut out = Vec::new();
        memo.append(&mut out, [1, 0, 1], |text| text.push(b'1'));
        memo.clear();
        memo.append(&mut out, [1, 0, 1], |text| text.push(b'x'));
        assert_eq!(out, b"1x");
    }
}
