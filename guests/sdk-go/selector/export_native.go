//go:build !wasip1

package selector

// Export makes a policy the one of this module; natively there is nobody to export it to.
func Export(Policy) {}
