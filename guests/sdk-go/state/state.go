// Package state is for what a policy has learnt, and hands to its successor in a hot swap.
package state

// Policy is a policy with a state, beside what it is anyway.
type Policy interface {
	// ExportState is the state now, and which layout it has; the policy's own counting.
	ExportState() (format uint32, bytes []byte)
	// ImportState takes over a predecessor's state, after Configure and before the first batch.
	// The predecessor may be any other policy. An error means that the policy begins afresh.
	ImportState(format uint32, bytes []byte) error
}
