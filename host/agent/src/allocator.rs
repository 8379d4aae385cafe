//! How the C library's allocator is set up for a process that moves memory between threads.
//!
//! A body is allocated by the thread that reads it and freed by the one that has sent it. glibc gives
//! threads arenas of their own, up to eight for each core, and what is freed goes back to the arena
//! it came from: each of them grows to what its thread once needed, and keeps it. With one arena a
//! full channel of 50 MB of bodies takes 68 MB and not 97 to 115, at no more CPU time: few blocks
//! are allocated for a batch, and the small ones come from a cache of each thread in any case.
//!
//! The end of the heap, once free, is given back to the kernel and fetched again, page by page and
//! zeroed, with the next batch: a quarter of the CPU time where a channel is small. So some of it is
//! kept.
//!
//! Other allocators (mimalloc, jemalloc) were measured and take more memory still; see
//! `host/PERFORMANCE.md`.

/// Sets it up. To be called before there are threads. Does nothing where the C library is another
/// one, and leaves alone what the environment says (`MALLOC_ARENA_MAX` and so on).
pub fn set_up() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (variable, parameter, value) in PARAMETERS {
        if std::env::var_os(variable).is_none() {
            #[expect(unsafe_code, reason = "the C library offers no other way")]
            // SAFETY: takes two numbers, and is called while there is one thread.
            let accepted = unsafe { libc::mallopt(parameter, value) };
            debug_assert_eq!(accepted, 1, "glibc knows {variable}");
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
const PARAMETERS: [(&str, libc::c_int, libc::c_int); 3] = [
    ("MALLOC_ARENA_MAX", libc::M_ARENA_MAX, 1),
    // Bytes at the end of the heap that are kept when they are free.
    (
        "MALLOC_TRIM_THRESHOLD_",
        libc::M_TRIM_THRESHOLD,
        8 * 1024 * 1024,
    ),
    // Blocks from this size on are mapped and unmapped one by one: larger than a batch of 1000, since
    // with a threshold of its own for the heap's end glibc no longer adapts this one.
    (
        "MALLOC_MMAP_THRESHOLD_",
        libc::M_MMAP_THRESHOLD,
        4 * 1024 * 1024,
    ),
];
