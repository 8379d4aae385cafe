// Package state is for handing over to a successor, in a hot swap, what a policy has learnt.
package state

// Policy is implemented, in addition, by a policy with state.
type Policy interface {
	// ExportState returns the current state and the number of its layout, which the policy chooses.
	ExportState() (format uint32, bytes []byte)
	// ImportState takes over a predecessor's state, after Configure and before the first batch. The
	// predecessor may be a different policy. After an error the policy starts without state.
	ImportState(format uint32, bytes []byte) error
}
