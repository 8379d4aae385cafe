;; Hostile: a component that wants to talk to the world.
(component
  (import "wasi:http/outgoing-handler@0.2.0" (instance)))
