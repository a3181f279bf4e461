//! libpcap's functions, forwarded at run time to the installed libpcap, so that nothing is needed to build
