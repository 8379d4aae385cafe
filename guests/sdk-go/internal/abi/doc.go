// Package abi is how values cross the boundary: the layout that the component model's canonical
// ABI gives to the contract's records, and memory that the garbage collector must not take while
// the host still needs it.
package abi

// Level is how important a line is, in the contract's numbers.
type Level uint32

// The contract's levels.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

func (l Level) String() string {
	return [...]string{"DEBUG", "INFO", "WARN", "ERROR"}[l]
}
