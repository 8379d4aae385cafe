;; Hostile: answers correctly, but takes milliseconds for every second order.
(module
  (memory (export "memory") 4)
  ;; Memory for what the host passes in; it is reused.
  (global $free (mut i32) (i32.const 8192))
  (global $calls (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 200000))
      (then (global.set $free (i32.const 8192))))
    (global.get $free)
    (global.set $free
      (i32.and (i32.const -8) (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))
  ;; Asks to see nothing of the events.
  (func (export "flume:policy/sink-selector@0.1.0#configure")
      (param i32 i32 i32 i32 i64) (result i32)
    (i32.const 16))
  (func (export "flume:policy/sink-selector@0.1.0#order")
    (param $now i64) (param i64) (param i32 i32) (param i64 i32 i32 i32) (result i32)
    (local $turns i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.and (global.get $calls) (i32.const 1))
      (then
        (loop $next
          (br_if $next (i32.lt_u (local.tee $turns (i32.add (local.get $turns) (i32.const 1)))
            (i32.const 1000000))))))
    (call $answer (i32.const 128) (i32.const 3)))
  ;; Stores the address and length of an answer, and returns where.
  (func $answer (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 64) (local.get $at))
    (i32.store (i32.const 68) (local.get $length))
    (i32.const 64))
  ;; A valid order: 0, 1, 2.
  (data (i32.const 132) "\01\00\00\00\02\00\00\00"))
