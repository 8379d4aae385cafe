;; A sink selector as small as can be: it complains about everything.
(module 
  (memory (export "memory") 4)
  (global $free (mut i32) (i32.const 8192))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 200000))
      (then (global.set $free (i32.const 8192))))
    (global.get $free)
    (global.set $free (i32.and (i32.const -8)
      (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))
  ;; What is at 16 is the answer: all zero for "no headers wanted".
  (func (export "flume:policy/sink-selector@0.1.0#configure")
    (param i32 i32 i32 i32 i64) (result i32)
    (i32.const 16))
  ;; What is at 64 is the answer: the address and the length of the order.
  (func (export "flume:policy/sink-selector@0.1.0#order")
    (param i64 i64 i32 i32 i64 i32 i32 i32) (result i32)
    (i32.const 64))
  (data (i32.const 16) "\01\00\00\00\88\04\00\00\06\00\00\00")
  ;; The texts of its complaints, and the complaints.
  (data (i32.const 1024)
    "sizecolourthe name of a colourshade`weight` of sink `k2` must be a numbersink `k"
    "1` does not know the key `hostnme`no two sinks are alike\00\00\00\00\00\04\00\00"
    "\04\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\04\04\00\00\06\00\00\00\0a\04"
    "\00\00\14\00\00\00\02\00\00\00\1e\04\00\00\05\00\00\00\00\00\00\00\00\00\00\00"
    "\03\00\00\00#\04\00\00&\00\00\00\00\00\00\00\00\00\00\00\03\00\00\00I\04\00\00)"
    "\00\00\00\00\00\00\00\00\00\00\00\03\00\00\00r\04\00\00\16\00\00\00\00\00\00\00"
    "\00\00\00\00"))
