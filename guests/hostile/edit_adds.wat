;; Hostile: sets a header of two megabytes on an event; has little memory besides that.
(module
  (memory (export "memory") 48)
  ;; Memory for what the host passes in; it is reused.
  (global $free (mut i32) (i32.const 8192))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 60000))
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
  ;; The answer is at 256: verdicts (256), headers (264), whether there are bodies (272), and their
  ;; events (276), bytes (284) and ends (292). The one header edit is at 512: name (+0), events (+8),
  ;; bytes (+16) and ends (+24). Without the header all of this is empty.
  (func (export "flume:policy/interceptor@0.1.0#intercept")
    (param i64 i64) (param $events i32) (param $headers i32)
    (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (if (call $attacked (local.get $headers))
      (then
        ;; One header edit, with this name.
        (call $list (i32.const 264) (i32.const 512) (i32.const 1))
        (call $list (i32.const 512) (i32.const 2048) (i32.const 4))
        (i32.store (i32.const 3072) (i32.const 2000000))
        (call $list (i32.const 528) (i32.const 65536) (i32.const 2000000))
        (call $list (i32.const 536) (i32.const 3072) (i32.const 1))))
    (i32.const 256))
  ;; Stores the address and length of a list at `$at`.
  (func $list (param $at i32) (param $first i32) (param $length i32)
    (i32.store (local.get $at) (local.get $first))
    (i32.store offset=4 (local.get $at) (local.get $length)))
  ;; Numbers and texts.
  (data (i32.const 1024) "\05\00\00\00\03\00\00\00\64\00\00\00")
  (data (i32.const 2048) "name")
  (data (i32.const 2064) "\ff\ff\ff\ff"))
