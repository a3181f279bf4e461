//! Cutting packets.

use vxlan::{Decoder, LinkType};

use crate::headers_end::HeadersEnd;
use crate::report::Losses;

/// Where packets are cut.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cut {
    pub(crate) snaplen: Option<u32>,
    pub(crate) headers_only: bool,
}

impl Cut {
    /// Whether nothing is cut.
    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self.snaplen.is_none() && !self.headers_only
    }

    /// The part of `data` that stays.
    pub(crate) fn keep<'a>(
        self,
        data: &'a [u8],
        link_type: LinkType,
        orig_len: u32,
        decoder: &Decoder,
        losses: &mut Losses,
    ) -> &'a [u8] {
        let mut keep = data.len();
        if self.headers_only {
            let headers = HeadersEnd::of(data, link_type, orig_len, decoder);
            keep = keep.min(headers.at);
            if let Some(unknown) = headers.unknown {
                losses.add(unknown);
            }
        }
        if let Some(snaplen) = self.snaplen {
            keep = keep.min(snaplen as usize);
        }
        data.get(..keep).unwrap_or(data)
    }
}
