;; Hostile: a component that imports an interface of the host's own stub.
(component
  (import "flume:host/given@0.1.0" (instance)))
