;; Hostile: returns one more verdict than the batch has events.
(module
  (memory (export "memory") 4)
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
  ;; The answer is at 256: verdicts (256), headers (264), whether there are bodies (272), and their
  ;; events (276), bytes (284) and ends (292). The one header edit is at 512: name (+0), events (+8),
  ;; bytes (+16) and ends (+24). In the trial all of this is empty.
  (func (export "flume:policy/interceptor@0.1.0#intercept")
    (param $now i64) (param i64) (param $events i32)
    (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (if (i64.lt_u (local.get $now) (i64.const 86400000000000))
      (then
        (call $list (i32.const 256) (i32.const 2080) (i32.add (local.get $events) (i32.const 1)))))
    (i32.const 256))
  ;; Stores the address and length of a list at `$at`.
  (func $list (param $at i32) (param $first i32) (param $length i32)
    (i32.store (local.get $at) (local.get $first))
    (i32.store offset=4 (local.get $at) (local.get $length)))
  ;; Numbers and texts.
  (data (i32.const 1024) "\05\00\00\00\03\00\00\00\64\00\00\00")
  (data (i32.const 2048) "name")
  (data (i32.const 2064) "\ff\ff\ff\ff"))
