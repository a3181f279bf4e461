//! The exported functions: one table, from which the forwarders and their loading follow.

use std::{
    ffi::{CStr, c_char, c_int, c_uchar, c_uint, c_void},
    ptr,
};

use libloading::Library;

use crate::library::loaded;

/// `PCAP_ERROR` of pcap/pcap.h: the generic failure.
const PCAP_ERROR: c_int = -1;

/// `PCAP_ERRBUF_SIZE` of pcap/pcap.h: the caller's error buffer has this many bytes, the
/// terminating zero among them.
const PCAP_ERRBUF_SIZE: usize = 256;

/// A pointer to an object of libpcap, a C `FILE` or a packet header. This crate only passes it on.
type Handle = *mut c_void;
/// Text that ends in a zero byte.
type Text = *const c_char;
/// An error buffer of `PCAP_ERRBUF_SIZE` bytes.
type ErrorBuffer = *mut c_char;
/// `pcap_handler` of pcap/pcap.h.
type Handler = extern "C" fn(*mut c_uchar, *const c_void, *const c_uchar);

/// Takes a list of libpcap's functions, with what each does where libpcap is absent, or where an
/// old libpcap does not have it. Makes the struct of their addresses, the function that loads them,
/// and the exported functions with the same names.
macro_rules! forward {
    (
        required { $($required:ident)* }
        $(fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? { $absent:expr })*
    ) => {
        /// The addresses of libpcap's functions. `None` for one that an old libpcap does not have.
        pub(crate) struct Functions {
            $($name: Option<unsafe extern "C" fn($($type),*) $(-> $result)?>,)*
            pcap_lib_version: Option<unsafe extern "C" fn() -> Text>,
        }

        impl Functions {
            /// Looks up all functions. Fails with the name of the first function that every libpcap
            /// has, and this library has not.
            pub(crate) fn of(library: &Library) -> Result<Self, &'static str> {
                $(
                    // SAFETY: the type is the function's declaration in pcap/pcap.h, which libpcap
                    // keeps for ever.
                    if unsafe { library.get::<Handle>(stringify!($required).as_bytes()) }.is_err() {
                        return Err(stringify!($required));
                    }
                )*
                Ok(Self {
                    // SAFETY: the types are the functions' declarations in pcap/pcap.h, which
                    // libpcap keeps for ever.
                    $($name: unsafe { library.get(stringify!($name).as_bytes()) }.ok().map(|symbol| *symbol),)*
                    // SAFETY: as above.
                    pcap_lib_version: unsafe { library.get(b"pcap_lib_version") }.ok().map(|symbol| *symbol),
                })
            }
        }

        $(
            /// libpcap's function of this name.
            ///
            /// # Safety
            ///
            /// As libpcap's manual says of the function.
            // The unmangled name is what this crate is for: the `pcap` crate's declaration finds
            // it.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($arg: $type),*) $(-> $result)? {
                match loaded().ok().and_then(|functions| functions.$name) {
                    // SAFETY: the caller keeps the rules of the function of this name.
                    Some(function) => unsafe { function($($arg),*) },
                    None => $absent,
                }
            }
        )*
    };
}

forward! {
    // What any libpcap has since its 1.0 (2008). A library without these is not libpcap.
    required {
        pcap_create pcap_activate pcap_close pcap_compile pcap_freecode pcap_geterr pcap_open_dead pcap_offline_filter
        pcap_next_ex pcap_findalldevs
    }

    // Opening
    fn pcap_create(device: Text, errbuf: ErrorBuffer) -> Handle { fail(errbuf) }
    fn pcap_set_snaplen(handle: Handle, snaplen: c_int) -> c_int { PCAP_ERROR }
    fn pcap_set_promisc(handle: Handle, promisc: c_int) -> c_int { PCAP_ERROR }
    fn pcap_set_timeout(handle: Handle, milliseconds: c_int) -> c_int { PCAP_ERROR }
    fn pcap_set_buffer_size(handle: Handle, bytes: c_int) -> c_int { PCAP_ERROR }
    fn pcap_set_rfmon(handle: Handle, rfmon: c_int) -> c_int { PCAP_ERROR }
    fn pcap_set_tstamp_type(handle: Handle, kind: c_int) -> c_int { PCAP_ERROR }
    fn pcap_set_tstamp_precision(handle: Handle, precision: c_int) -> c_int { PCAP_ERROR }
    fn pcap_set_immediate_mode(handle: Handle, immediate: c_int) -> c_int { PCAP_ERROR }
    fn pcap_activate(handle: Handle) -> c_int { PCAP_ERROR }
    fn pcap_open_dead(linktype: c_int, snaplen: c_int) -> Handle { ptr::null_mut() }
    fn pcap_open_dead_with_tstamp_precision(linktype: c_int, snaplen: c_int, precision: c_uint) -> Handle { ptr::null_mut() }
    fn pcap_open_offline(path: Text, errbuf: ErrorBuffer) -> Handle { fail(errbuf) }
    fn pcap_open_offline_with_tstamp_precision(path: Text, precision: c_uint, errbuf: ErrorBuffer) -> Handle { fail(errbuf) }
    fn pcap_fopen_offline(file: Handle, errbuf: ErrorBuffer) -> Handle { fail(errbuf) }
    fn pcap_fopen_offline_with_tstamp_precision(file: Handle, precision: c_uint, errbuf: ErrorBuffer) -> Handle { fail(errbuf) }
    fn pcap_close(handle: Handle) { () }

    // Reading
    fn pcap_loop(handle: Handle, count: c_int, handler: Handler, user: *mut c_uchar) -> c_int { PCAP_ERROR }
    fn pcap_dispatch(handle: Handle, count: c_int, handler: Handler, user: *mut c_uchar) -> c_int { PCAP_ERROR }
    fn pcap_next_ex(handle: Handle, header: *mut Handle, data: *mut *const c_uchar) -> c_int { PCAP_ERROR }
    fn pcap_breakloop(handle: Handle) { () }
    fn pcap_stats(handle: Handle, stat: Handle) -> c_int { PCAP_ERROR }
    fn pcap_setdirection(handle: Handle, direction: c_uint) -> c_int { PCAP_ERROR }
    fn pcap_setnonblock(handle: Handle, nonblock: c_int, errbuf: ErrorBuffer) -> c_int { say(errbuf, PCAP_ERROR) }
    fn pcap_sendpacket(handle: Handle, data: *const c_uchar, length: c_int) -> c_int { PCAP_ERROR }
    fn pcap_fileno(handle: Handle) -> c_int { PCAP_ERROR }
    fn pcap_get_selectable_fd(handle: Handle) -> c_int { PCAP_ERROR }
    fn pcap_major_version(handle: Handle) -> c_int { 0 }
    fn pcap_minor_version(handle: Handle) -> c_int { 0 }
    fn pcap_geterr(handle: Handle) -> Text { ABSENT.as_ptr() }

    // Filters
    fn pcap_compile(handle: Handle, program: Handle, expression: Text, optimize: c_int, netmask: c_uint) -> c_int { PCAP_ERROR }
    fn pcap_freecode(program: Handle) { () }
    fn pcap_setfilter(handle: Handle, program: Handle) -> c_int { PCAP_ERROR }
    fn pcap_offline_filter(program: *const c_void, header: *const c_void, data: *const c_uchar) -> c_int { 0 }

    // Link types
    fn pcap_datalink(handle: Handle) -> c_int { PCAP_ERROR }
    fn pcap_list_datalinks(handle: Handle, list: *mut *mut c_int) -> c_int { PCAP_ERROR }
    fn pcap_set_datalink(handle: Handle, linktype: c_int) -> c_int { PCAP_ERROR }
    fn pcap_free_datalinks(list: *mut c_int) { () }
    fn pcap_datalink_name_to_val(name: Text) -> c_int { PCAP_ERROR }
    fn pcap_datalink_val_to_name(linktype: c_int) -> Text { ptr::null() }
    fn pcap_datalink_val_to_description(linktype: c_int) -> Text { ptr::null() }

    // Writing
    fn pcap_dump_open(handle: Handle, path: Text) -> Handle { ptr::null_mut() }
    fn pcap_dump_open_append(handle: Handle, path: Text) -> Handle { ptr::null_mut() }
    fn pcap_dump_fopen(handle: Handle, file: Handle) -> Handle { ptr::null_mut() }
    fn pcap_dump_flush(dumper: Handle) -> c_int { PCAP_ERROR }
    fn pcap_dump_close(dumper: Handle) { () }
    fn pcap_dump(dumper: *mut c_uchar, header: *const c_void, data: *const c_uchar) { () }

    // Devices
    fn pcap_findalldevs(list: *mut Handle, errbuf: ErrorBuffer) -> c_int { say(errbuf, PCAP_ERROR) }
    fn pcap_freealldevs(list: Handle) { () }
}

/// The message in an error buffer where libpcap is absent. [`crate::Missing`] has a longer one.
const ABSENT: &CStr =
    c"libpcap cannot be loaded; install libpcap (libpcap0.8 on Debian and Ubuntu, libpcap elsewhere)";
const _: () = assert!(ABSENT.count_bytes() < PCAP_ERRBUF_SIZE);

/// Fails a function that returns a handle.
fn fail(errbuf: ErrorBuffer) -> Handle {
    say(errbuf, ptr::null_mut())
}

/// Writes the reason into the caller's error buffer and gives `result` back.
fn say<T>(errbuf: ErrorBuffer, result: T) -> T {
    if !errbuf.is_null() {
        // SAFETY: the caller's buffer has PCAP_ERRBUF_SIZE bytes, as libpcap asks; the text is
        // shorter (checked at compile time), and a constant does not overlap it.
        unsafe { ptr::copy_nonoverlapping(ABSENT.as_ptr(), errbuf, ABSENT.count_bytes() + 1) };
    }
    result
}

/// libpcap's name and version, by its own function.
pub(crate) fn version() -> Option<String> {
    let function = loaded().ok()?.pcap_lib_version?;
    // SAFETY: the function takes nothing and returns a static text that ends in a zero byte.
    let text = unsafe { CStr::from_ptr(function()) };
    Some(text.to_string_lossy().into_owned())
}
