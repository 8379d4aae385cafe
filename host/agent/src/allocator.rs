//! How the C library's allocator is set up for a process that moves memory between threads.
//!
//! A body is allocated by the thread that reads it and freed by the one that has sent it. glibc gives
//! threads arenas of their own, up to eight for each core, and what is freed goes back to the arena
//! it came from: each of them grows to what its thread once needed, and keeps it. With one arena a
//! full channel of 50 MB of bodies takes 68 MB and not 97 to 115, at no more CPU time: few blocks
//! are allocated for a batch, and the small ones come from a cache of each thread in any case.
//! Other allocators (mimalloc, jemalloc) were measured and take more memory still; see
//! `host/PERFORMANCE.md`.

/// Makes all threads share one arena. To be called before there are threads. Does nothing where the
/// C library is another one, or where the environment says something else (`MALLOC_ARENA_MAX`).
pub fn share_one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        #[expect(unsafe_code, reason = "the C library offers no other way")]
        // SAFETY: takes two numbers, and is called while there is one thread.
        let accepted = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
        debug_assert_eq!(accepted, 1, "glibc knows this parameter");
    }
}
