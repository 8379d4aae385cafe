;; Hostile: calls `proc_exit`, as if it were a process.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 4)
  ;; Memory for what the host passes in; it is reused.
  (global $free (mut i32) (i32.const 8192))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 200000))
      (then (global.set $free (i32.const 8192))))
    (global.get $free)
    (global.set $free
      (i32.and (i32.const -8) (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))
  ;; Whether an event has the header `attack: now!`, which no trial makes up.
  (func $attacked (param $headers i32) (result i32)
    (if (result i32) (i32.ge_u (i32.load offset=4 (local.get $headers)) (i32.const 4))
      (then (i32.eq (i32.load (i32.load (local.get $headers))) (i32.const 0x21776f6e)))
      (else (i32.const 0))))
  ;; What it asks to see: the header.
  (data (i32.const 20) "\28\00\00\00\01\00\00\00")
  (data (i32.const 40) "\30\00\00\00\06\00\00\00attack")
  ;; Asks to see the header `attack`.
  (func (export "flume:policy/sink-selector@0.1.0#configure")
      (param i32 i32 i32 i32 i64) (result i32)
    (i32.const 16))
  (func (export "flume:policy/sink-selector@0.1.0#order")
    (param i64 i64 i32 i32 i64 i32) (param $headers i32) (param i32) (result i32)
    (if (call $attacked (local.get $headers))
      (then
        (call $exit (i32.const 0))))
    (call $answer (i32.const 128) (i32.const 3)))
  ;; Stores the address and length of an answer, and returns where.
  (func $answer (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 64) (local.get $at))
    (i32.store (i32.const 68) (local.get $length))
    (i32.const 64))
  ;; A valid order: 0, 1, 2.
  (data (i32.const 132) "\01\00\00\00\02\00\00\00"))
