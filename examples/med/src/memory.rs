//! Memory of tables: what one step drops is given back before the next one asks for more.

/// Bytes from which on memory is mapped for itself, and unmapped when it is dropped.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED: i32 = 1 << 20;

/// glibc's allocator lets this limit grow to the size of what was freed, up to 32 MiB, and keeps what is below it in heaps of its own, one
/// or more a thread, where columns leave holes that other columns do not fit into: a run on 100,000 clients held 670 MiB for the 300 that
/// it used. With a limit that stays, columns go back at once. To be called before there is a second thread.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back() {
    // SAFETY: mallopt takes two numbers and keeps no pointer; it is unsafe only as a foreign function. No other thread allocates yet, as its
    // caller promises, and were it so, the limit would be an integer read before or after it is set.
    let taken = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED) };
    debug_assert_eq!(taken, 1, "glibc refuses limits above half of a heap");
}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
