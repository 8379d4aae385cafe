;; An interceptor as small as can be: it asks for nothing and keeps everything.
(module
  (memory (export "memory") 4)
  (global $free (mut i32) (i32.const 8192))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 200000))
      (then (global.set $free (i32.const 8192))))
    (global.get $free)
    (global.set $free (i32.and (i32.const -8)
      (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))
  ;; What is at 16 is the answer: all zero for "nothing wanted".
  (func (export "flume:policy/interceptor@0.1.0#configure")
    (param i32 i32 i64) (result i32)
    (i32.const 16))
  ;; What is at 64 is the answer: all zero for "no edits".
  (func (export "flume:policy/interceptor@0.1.0#intercept")
    (param i64 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.const 64)))
