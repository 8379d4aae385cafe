//! An interceptor that takes its time, as text.

/// Works for so many turns in each call, and for so many for each event; a turn takes about a
/// nanosecond. It numbers the events that it has seen from 0 and drops every third: 0, 3, 6, … The
/// number is its state, which a successor takes over.
pub fn slow_interceptor(call: u32, event: u32) -> String {
    format!(
        r#"(module
            (memory (export "memory") 4)
            (global $seen (mut i32) (i32.const 0))
            (global $free (mut i32) (i32.const 8192))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 60000))
                    (then (global.set $free (i32.const 8192))))
                (global.get $free)
                (global.set $free (i32.and (i32.const -8)
                    (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))
            (func $work (param $turns i32)
                (if (local.get $turns)
                    (then
                        (loop $next
                            (br_if $next (local.tee $turns
                                (i32.sub (local.get $turns) (i32.const 1))))))))
            (func (export "flume:policy/interceptor@0.1.0#configure")
                (param i32 i32 i64) (result i32) (i32.const 16))
            ;; The verdicts begin at 65536; the answer, which is nothing else, at 256.
            (func (export "flume:policy/interceptor@0.1.0#intercept")
                (param i64 i64) (param $events i32)
                (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                (local $at i32)
                (call $work (i32.const {call}))
                (loop $next
                    (if (i32.lt_u (local.get $at) (local.get $events))
                        (then
                            (call $work (i32.const {event}))
                            (i32.store8 offset=65536 (local.get $at)
                                (i32.ne (i32.const 0)
                                    (i32.rem_u (global.get $seen) (i32.const 3))))
                            (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
                            (local.set $at (i32.add (local.get $at) (i32.const 1)))
                            (br $next))))
                (i32.store (i32.const 256) (i32.const 65536))
                (i32.store (i32.const 260) (local.get $events))
                (i32.const 256))
            ;; A snapshot of format 0, four bytes at 1024.
            (func (export "flume:policy/state@0.1.0#export-state") (result i32)
                (i32.store (i32.const 1024) (global.get $seen))
                (i32.store (i32.const 100) (i32.const 1024))
                (i32.store (i32.const 104) (i32.const 4))
                (i32.const 96))
            (func (export "flume:policy/state@0.1.0#import-state")
                (param i32) (param $bytes i32) (param i32) (result i32)
                (global.set $seen (i32.load (local.get $bytes)))
                (i32.const 80)))"#
    )
}
