;; WASI preview 1 for guests whose toolchain drags it in: no files, no sockets, no environment, and
;; a clock and random numbers that are functions of what the policy is told: the time of the call and
;; the seed of its setup.
;;
;; The encoder links this module into the guest's component and drops the functions that the guest
;; does not import. It forbids memory, tables and data of the module's own, so everything is written
;; into the guest's memory, and printed bytes go to the host piece by piece.
;;
;; Error numbers: 0 success, 8 badf, 52 nosys.
(module
  (import "env" "memory" (memory 0))
  (import "flume:policy/log@0.1.0" "print" (func $print (param i32 i32 i32)))

  (import "flume:host/given@0.1.0" "now" (func $now (result i64)))
  (import "flume:host/given@0.1.0" "ahead" (func $ahead (result i64)))
  (import "flume:host/given@0.1.0" "seed" (func $seed (result i64)))

  ;; Nanoseconds. Not from 0: Go stops at start when the clock shows 0.
  (global $clock (mut i64) (i64.const 1000000000))
  (global $ahead (mut i64) (i64.const 0))
  (global $paused (mut i32) (i32.const 0))
  (global $random (mut i64) (i64.const 0))

  ;; The clock shows the time of the call, unless it has been read or waited for beyond that. Each
  ;; reading is a microsecond later: whoever waits for time to pass by reading it gets on. While it
  ;; is paused the time of the call is not asked for.
  (func $read (result i64)
    (local $now i64)
    (if (i32.eqz (global.get $paused))
      (then
        (global.set $ahead (call $ahead))
        (local.set $now (call $now))
        (if (i64.gt_u (local.get $now) (global.get $clock))
          (then (global.set $clock (local.get $now))))))
    (global.set $clock (i64.add (global.get $clock) (i64.const 1000)))
    (global.get $clock))

  ;; Clock 0 shows the time of day; the others (monotonic and CPU times) show the clock.
  (func (export "clock_time_get") (param $id i32) (param $precision i64) (param $time i32)
    (result i32)
    (i64.store (local.get $time)
      (if (result i64) (local.get $id)
        (then (call $read))
        (else (i64.add (call $read) (global.get $ahead)))))
    (i32.const 0))

  (func (export "clock_res_get") (param $id i32) (param $resolution i32) (result i32)
    (i64.store (local.get $resolution) (i64.const 1000))
    (i32.const 0))

  ;; Waiting is a jump of the clock to the earliest time that is waited for. Without one there is
  ;; nothing that could ever happen: nosys. (nosys for times, too, would stop goroutines sooner or
  ;; later; a clock that stood still would let them spin.)
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $done i32)
    (result i32)
    (local $time i64) (local $earliest i64) (local $found i32)
    (local.set $earliest (i64.const 0x7fffffffffffffff))
    (drop (call $read))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $count)))
        ;; The tag of a subscription: 0 is a clock.
        (if (i32.eqz (i32.load8_u offset=8 (local.get $in)))
          (then
            (local.set $time (i64.load offset=24 (local.get $in)))
            ;; Without the flag the time counts from now; with it, the time of day has to be turned
            ;; into a time of the clock.
            (if (i32.eqz (i32.and (i32.load16_u offset=40 (local.get $in)) (i32.const 1)))
              (then (local.set $time (i64.add (local.get $time) (global.get $clock))))
              (else (if (i32.eqz (i32.load offset=16 (local.get $in)))
                (then (local.set $time (i64.sub (local.get $time) (global.get $ahead)))))))
            (if (i64.lt_s (local.get $time) (local.get $earliest))
              (then
                (local.set $earliest (local.get $time))
                (local.set $found (i32.const 1))
                ;; The one event: the subscription's user data, no error, a clock.
                (i64.store (local.get $out) (i64.load (local.get $in)))
                (i64.store offset=8 (local.get $out) (i64.const 0))
                (i64.store offset=16 (local.get $out) (i64.const 0))
                (i64.store offset=24 (local.get $out) (i64.const 0))))))
        (local.set $in (i32.add (local.get $in) (i32.const 48)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (if (i32.eqz (local.get $found)) (then (return (i32.const 52))))
    (if (i64.gt_s (local.get $earliest) (global.get $clock))
      (then (global.set $clock (local.get $earliest))))
    (i32.store (local.get $done) (i32.const 1))
    (i32.const 0))

  ;; A generator (xorshift) that begins with the policy's seed: nosys would be fatal to Go's
  ;; crypto/rand. The seed is mixed, since neighbouring seeds would begin alike, and xorshift never
  ;; leaves 0.
  (func (export "random_get") (param $at i32) (param $length i32) (result i32)
    (if (i64.eqz (global.get $random))
      (then
        (global.set $random
          (i64.mul (i64.xor (call $seed) (i64.const 0x5851f42d4c957f2d))
            (i64.const 0x9e3779b97f4a7c15)))
        (global.set $random (i64.or (i64.const 1)
          (i64.xor (global.get $random) (i64.shr_u (global.get $random) (i64.const 29)))))))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $length)))
        (global.set $random
          (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 13))))
        (global.set $random
          (i64.xor (global.get $random) (i64.shr_u (global.get $random) (i64.const 7))))
        (global.set $random
          (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 17))))
        (i32.store8 (local.get $at) (i32.wrap_i64 (i64.shr_u (global.get $random) (i64.const 32))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; Standard output and error go to the log, whole: what a panic says must not be lost.
  (func (export "fd_write") (param $fd i32) (param $pieces i32) (param $count i32) (param $done i32)
    (result i32)
    (local $written i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1))
      (then (return (i32.const 8))))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $count)))
        (call $print
          (i32.sub (local.get $fd) (i32.const 1))
          (i32.load (local.get $pieces))
          (i32.load offset=4 (local.get $pieces)))
        (local.set $written
          (i32.add (local.get $written) (i32.load offset=4 (local.get $pieces))))
        (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $done) (local.get $written))
    (i32.const 0))

  ;; No arguments and no environment.
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "args_sizes_get") (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func (export "environ_sizes_get") (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))

  ;; Whoever gives up has broken the contract.
  (func (export "proc_exit") (param i32) unreachable)
  (func (export "proc_raise") (param i32) (result i32) unreachable)

  ;; There is nobody else to run.
  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; While the host asks a guest for memory the guest must not call anything, and Go's collector,
  ;; which may begin just then, reads the clock. So a Go policy pauses the clock between its calls.
  ;; The name is the one that generated Go code uses with other hosts.
  (func (export "adapter_monotonic_clock_set_paused") (param $paused i32)
    (global.set $paused (local.get $paused)))

  ;; There are no files and no sockets: badf, which every runtime expects at start. (nosys for
  ;; fd_prestat_get stops Go.)
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "fd_datasync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_read") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_sync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_tell") (param i32 i32) (result i32) (i32.const 8))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 8)))
