//! Why a program was not made for the kernel.

use crate::filter::{MAX_KERNEL_INSTRUCTIONS, ProgramError};

/// Why a program was not made for the kernel. User space decides in its stead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPushed {
    /// The program would be longer than [`MAX_KERNEL_INSTRUCTIONS`].
    #[error("it takes {instructions} instructions, and a kernel takes {MAX_KERNEL_INSTRUCTIONS}")]
    TooLong {
        /// How many instructions it takes, at least.
        instructions: usize,
    },
    /// The program jumps back, as those for `protochain` do.
    #[error("it has a loop, as `protochain` needs")]
    Loop,
    /// The program shifts by a number out of the packet, which the kernel does otherwise than
    /// libpcap where it is above 31.
    #[error("it shifts by a number out of the packet")]
    Shift,
    /// The program loads words of scratch memory that it has not stored, or needs more than there
    /// are.
    #[error("it needs scratch memory that is not there")]
    Scratch,
    /// The program asks for what the kernel knows of the outer packet only.
    #[error("it asks for what is known of the outer packet only")]
    Ancillary,
    /// The program asks for what stands in the cooked header, and the kernel does not tell.
    #[error("it asks for what is in the cooked header only")]
    CookedHeader,
    /// A program that is not sound came out.
    #[error("it is not sound: {0}")]
    Unsound(#[from] ProgramError),
}
