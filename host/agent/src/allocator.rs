//! How the C library's allocator is set up for a process that moves memory between threads.
//!
//! A body is allocated by the thread that reads it and freed by the one that has sent it. glibc
//! gives each thread its own arena, up to eight per core, and freed memory goes back to the arena
//! it came from. So each arena grows to what its thread once needed, and keeps it. With one arena,
//! a full channel of 50 MB of bodies takes 68 MB instead of 97 to 115, at no more CPU time: few
//! blocks are allocated for a batch, and the small ones come from a per-thread cache in any case.
//!
//! By default, free memory at the end of the heap goes back to the kernel, and the next batch
//! fetches it again, page by page and zeroed: with a small channel, that is a quarter of the CPU
//! time. So some of it is kept.
//!
//! Other allocators (mimalloc, jemalloc) were measured and take even more memory; see
//! `host/PERFORMANCE.md`.

/// Sets up the allocator. Call it before there are threads. Does nothing with another C library,
/// and does not override the environment (`MALLOC_ARENA_MAX` and so on).
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
    // Free bytes at the end of the heap that are kept.
    (
        "MALLOC_TRIM_THRESHOLD_",
        libc::M_TRIM_THRESHOLD,
        8 * 1024 * 1024,
    ),
    // Blocks of this size or more are mapped and unmapped one by one. It is larger than a batch of
    // 1000 events; once the threshold above is set, glibc no longer adapts this one.
    (
        "MALLOC_MMAP_THRESHOLD_",
        libc::M_MMAP_THRESHOLD,
        4 * 1024 * 1024,
    ),
];
