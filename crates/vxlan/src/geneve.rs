//! Geneve options (RFC 8926 section 3.5).

/// One option of a Geneve header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GeneveOption<'a> {
    /// Option class: the namespace of the type (IANA "Geneve Option Class").
    pub class: u16,
    /// Option type with its critical bit, as it stands: 0x80 is set where it is critical.
    pub option_type: u8,
    /// Data, 0 to 124 bytes.
    pub data: &'a [u8],
}

impl GeneveOption<'_> {
    /// Must a receiver that does not know the option drop the packet?
    pub const fn is_critical(self) -> bool {
        self.option_type & 0x80 != 0
    }
}

/// Iterates over the options of a Geneve header, and ends where one does not fit.
#[derive(Clone, Debug)]
pub struct GeneveOptions<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Iterator for GeneveOptions<'a> {
    type Item = GeneveOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[class_high, class_low, option_type, len], rest) =
            self.bytes.split_first_chunk::<4>()?;
        // three reserved bits stand before the length, which counts units of 4 bytes
        let (data, rest) = rest.split_at_checked(usize::from(len & 0x1f) * 4)?;
        self.bytes = rest;
        Some(GeneveOption { class: u16::from_be_bytes([class_high, class_low]), option_type, data })
    }
}
