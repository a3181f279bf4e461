//! Which packets stay.

use std::error::Error as StdError;

use vxcap::Frame;
use vxlan::{Decoder, Packet};

/// Why it cannot be told whether a packet stays: any error.
pub type SelectError = Box<dyn StdError + Send + Sync>;

/// Decides which packets stay.
///
/// Both methods are asked in turn, and a packet stays where both say so. The second one is asked of
/// what the pipeline decoded, so nothing needs to be decoded again.
pub trait Select {
    /// Whether a frame stays, as it was captured. By default every frame does.
    ///
    /// # Errors
    ///
    /// Where it cannot be told, as for an expression that makes no sense for the frame's link type.
    /// The run ends with [`Error::Select`](crate::Error::Select).
    fn wants_frame(&mut self, frame: &Frame<'_>) -> Result<bool, SelectError> {
        let _ = frame;
        Ok(true)
    }

    /// Whether a packet stays that `decoder` decoded. `inner_len`: length of its innermost frame on
    /// the wire, in bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::wants_frame`].
    fn wants_packet(
        &mut self,
        packet: &Packet<'_>,
        decoder: &Decoder,
        inner_len: u32,
    ) -> Result<bool, SelectError>;
}

/// A closure that decides by what was decoded.
impl<F: FnMut(&Packet<'_>) -> bool> Select for F {
    fn wants_packet(
        &mut self,
        packet: &Packet<'_>,
        _decoder: &Decoder,
        _inner_len: u32,
    ) -> Result<bool, SelectError> {
        Ok(self(packet))
    }
}
