//go:build !wasip1

package interceptor

// Export makes this the policy of the module; in a native build it does nothing.
func Export(Policy) {}
