;; Hostile: logs what it may, and traps on batches, but never on a single event: so the search for
;; a poisonous event makes a new instance for each step, and no event is ever blamed.
(module
  (import "flume:policy/log@0.1.0" "write" (func $write (param i32 i32 i32)))
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
  ;; Asks to see the header `attack`. The fields: result, headers, the case of `bodies`.
  (func (export "flume:policy/interceptor@0.1.0#configure") (param i32 i32 i64) (result i32)
    (i32.const 16))
  ;; The answer, at 256, keeps every event.
  (func (export "flume:policy/interceptor@0.1.0#intercept")
    (param i64 i64) (param $events i32) (param $headers i32)
    (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (local $lines i32)
    (if (i32.gt_u (local.get $events) (i32.const 1))
      (then (if (call $attacked (local.get $headers))
        (then
          (loop $next
            (call $write (i32.const 1) (i32.const 2048) (i32.const 4))
            (br_if $next (i32.lt_u (local.tee $lines (i32.add (local.get $lines) (i32.const 1)))
              (i32.const 1000))))
          unreachable))))
    (i32.const 256))
  (data (i32.const 2048) "line"))
