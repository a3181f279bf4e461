//! What the lab's sending programs report.
