//! Options of pcapng blocks (draft-ietf-opsawg-pcapng, section 3.5).

use super::{ByteOrder, option};

/// An option: its code, its value, and its place in the block.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionField<'a> {
    /// What it is: see [`option`](super::option).
    pub code: u16,
    /// The value, without padding. Numbers in it are in the section's byte order.
    pub value: &'a [u8],
    /// Offset of the option (of its code) in the block.
    pub offset: usize,
    /// The byte order of the section.
    pub order: ByteOrder,
}

impl<'a> OptionField<'a> {
    /// The value as text, without zero bytes at its end. `None` where it is not UTF-8.
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value).ok().map(|text| text.trim_end_matches('\0'))
    }

    /// The value as a 32-bit number. `None` where it has another length.
    pub fn u32(&self) -> Option<u32> {
        Some(self.order.u32(self.value.try_into().ok()?))
    }

    /// The value as a 64-bit number. `None` where it has another length.
    pub fn u64(&self) -> Option<u64> {
        Some(self.order.u64(self.value.try_into().ok()?))
    }

    /// The value as a time in ticks (`isb_starttime`, `isb_endtime`): two 32-bit numbers, the high
    /// half first in both byte orders. `None` where it has another length.
    pub fn ticks(&self) -> Option<u64> {
        let (high, low) = self.value.split_first_chunk::<4>()?;
        let low: [u8; 4] = low.try_into().ok()?;
        Some(u64::from(self.order.u32(*high)) << 32 | u64::from(self.order.u32(low)))
    }
}

/// The options of a block, in their order, up to the end-of-options mark or the end of the block.
///
/// They end early at an option that is longer than its block: see [`Self::is_damaged`].
#[derive(Clone, Debug)]
pub struct OptionFields<'a> {
    rest: &'a [u8],
    offset: usize,
    order: ByteOrder,
    damaged: bool,
}

impl<'a> OptionFields<'a> {
    /// The options in these bytes, which are at `offset` in their block.
    pub(crate) fn new(bytes: &'a [u8], offset: usize, order: ByteOrder) -> Self {
        Self { rest: bytes, offset, order, damaged: false }
    }

    /// Whether the options that were read ended at one that is longer than its block.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// The first option with this code.
    pub fn find(mut self, code: u16) -> Option<OptionField<'a>> {
        self.by_ref().find(|field| field.code == code)
    }

    /// The comments that are UTF-8.
    pub fn comments(self) -> impl Iterator<Item = &'a str> {
        self.filter(|field| field.code == option::COMMENT).filter_map(|field| field.text())
    }

    /// Reads all options. Gives the offset in the block at which another one could be inserted.
    pub(crate) fn end(mut self) -> usize {
        while self.next().is_some() {}
        self.offset
    }
}

impl<'a> Iterator for OptionFields<'a> {
    type Item = OptionField<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let header: &[u8; 4] = self.rest.first_chunk()?;
        let [a, b, c, d] = *header;
        let (code, len) = (self.order.u16([a, b]), usize::from(self.order.u16([c, d])));
        if code == option::END {
            self.rest = &[];
            return None;
        }
        let Some(value) = self.rest.get(4..4 + len) else {
            self.damaged = true;
            self.rest = &[];
            return None;
        };
        let field = OptionField { code, value, offset: self.offset, order: self.order };
        // the padding of the last option may be missing
        let whole = (4 + len.next_multiple_of(4)).min(self.rest.len());
        self.rest = self.rest.get(whole..).unwrap_or_default();
        self.offset += whole;
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_both_byte_orders() {
        let big = [0, 1, 0, 2, b'h', b'i', 0, 0, 0, 2, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0, 0xff];
        let options = OptionFields::new(&big, 32, ByteOrder::Big);
        let all: Vec<_> = options.clone().collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].text(), all[0].offset), (Some("hi"), 32));
        assert_eq!((all[1].u32(), all[1].offset), (Some(9), 40));
        assert_eq!(options.end(), 48);
        let little = [2, 0, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0];
        let field = OptionFields::new(&little, 0, ByteOrder::Little).next().unwrap();
        assert_eq!(field.u64(), Some(0x2_0000_0001));
        assert_eq!(field.ticks(), Some(0x1_0000_0002));
    }

    #[test]
    fn a_long_option_ends_them() {
        let bytes = [1, 0, 1, 0, b'x', 0, 0, 0, 1, 0, 200, 0, 1, 2, 3, 4];
        let mut options = OptionFields::new(&bytes, 0, ByteOrder::Little);
        assert_eq!(options.by_ref().count(), 1);
        assert!(options.is_damaged());
        assert_eq!(options.end(), 8);
    }
}
