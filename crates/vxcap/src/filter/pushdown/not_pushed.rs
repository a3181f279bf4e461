//! Why a program was not made for the kernel.

use crate::filter::{MAX_KERNEL_INSTRUCTIONS, ProgramError};

/// Why a program was not made for the kernel. User space must decide instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPushed {
    /// The program would be longer than [`MAX_KERNEL_INSTRUCTIONS`].
    #[error("it needs {instructions} instructions, and a kernel takes {MAX_KERNEL_INSTRUCTIONS}")]
    TooLong {
        /// How many instructions it needs at least.
        instructions: usize,
    },
    /// The program jumps back, as those for `protochain` do.
    #[error("it has a loop, as `protochain` needs")]
    Loop,
    /// The program shifts by a number that it loads from the packet. The kernel and libpcap do this
    /// differently if the number is above 31.
    #[error("it shifts by a number from the packet")]
    Shift,
    /// The program loads words of scratch memory that it has not stored, or needs more words than
    /// there are.
    #[error("it needs more scratch memory than there is")]
    Scratch,
    /// The program asks for what the kernel knows of the outer packet, but not of the inner one.
    #[error("it asks for what the kernel knows of the outer packet only")]
    Ancillary,
    /// The program asks for a field of the cooked header that the kernel does not have.
    #[error("it asks for what is in the cooked header only")]
    CookedHeader,
    /// The program that was made is not valid.
    #[error("it is not valid: {0}")]
    Invalid(#[from] ProgramError),
}
