//! Rewrite capture files: decapsulate, re-port, annotate, split, merge, and lose nothing
