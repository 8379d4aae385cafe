;; Hostile: a component that imports an HTTP interface.
(component
  (import "wasi:http/outgoing-handler@0.2.0" (instance)))
