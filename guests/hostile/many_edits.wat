;; Hostile: sets as many headers as it may, each with a name of its own, on every event.
(module
  ;; Names are at 0x40000, four bytes each; the edits at 0x50000; which events get a header at
  ;; 0x60000, their values at 0x70000 and where these end at 0x80000.
  (memory (export "memory") 16)
  ;; Memory for what the host passes in; it is reused.
  (global $free (mut i32) (i32.const 8192))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 200000))
      (then (global.set $free (i32.const 8192))))
    (global.get $free)
    (global.set $free
      (i32.and (i32.const -8) (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))
  ;; Asks to see nothing. The fields: result, headers, the case of `bodies`.
  (func (export "flume:policy/interceptor@0.1.0#configure") (param i32 i32 i64) (result i32)
    (i32.const 16))
  ;; The answer is at 256: verdicts (256), headers (264), and no bodies (272).
  (func (export "flume:policy/interceptor@0.1.0#intercept")
    (param $now i64) (param i64) (param $events i32)
    (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (local $at i32) (local $edit i32) (local $name i32)
    (if (i32.or (i32.eqz (local.get $events)) (i32.gt_u (local.get $events) (i32.const 10000)))
      (then (return (i32.const 256))))
    ;; Every event gets each header, with a value of one byte.
    (memory.fill (i32.const 0x70000) (i32.const 97) (local.get $events))
    (loop $next
      (i32.store offset=0x60000 (i32.shl (local.get $at) (i32.const 2)) (local.get $at))
      (i32.store offset=0x80000 (i32.shl (local.get $at) (i32.const 2))
        (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1)))
        (local.get $events))))
    (local.set $at (i32.const 0))
    (loop $next
      (local.set $name (i32.add (i32.const 0x40000) (i32.shl (local.get $at) (i32.const 2))))
      ;; Four letters: `a` and a number in base 16.
      (i32.store (local.get $name)
        (i32.add (i32.const 0x61616161)
          (i32.or
            (i32.or (i32.shl (i32.and (local.get $at) (i32.const 15)) (i32.const 8))
              (i32.shl (i32.and (local.get $at) (i32.const 0xf0)) (i32.const 12)))
            (i32.shl (i32.and (local.get $at) (i32.const 0xf00)) (i32.const 16)))))
      (local.set $edit (i32.add (i32.const 0x50000) (i32.shl (local.get $at) (i32.const 5))))
      (call $list (local.get $edit) (local.get $name) (i32.const 4))
      (call $list (i32.add (local.get $edit) (i32.const 8))
        (i32.const 0x60000) (local.get $events))
      (call $list (i32.add (local.get $edit) (i32.const 16))
        (i32.const 0x70000) (local.get $events))
      (call $list (i32.add (local.get $edit) (i32.const 24))
        (i32.const 0x80000) (local.get $events))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1)))
        (i32.const 1000))))
    (call $list (i32.const 264) (i32.const 0x50000) (i32.const 1000))
    (i32.const 256))
  ;; Stores the address and length of a list at `$at`.
  (func $list (param $at i32) (param $first i32) (param $length i32)
    (i32.store (local.get $at) (local.get $first))
    (i32.store offset=4 (local.get $at) (local.get $length))))
