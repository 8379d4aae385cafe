;; Hostile: a component that imports what the host keeps for itself.
(component
  (import "flume:host/given@0.1.0" (instance)))
