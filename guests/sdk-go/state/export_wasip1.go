//go:build wasip1

package state

import (
	"slices"
	"unsafe"

	"flumepolicy/internal/abi"
)

var exported Policy

// Export makes this the policy of the module.
func Export(policy Policy) { exported = policy }

//go:wasmexport flume:policy/state@0.1.0#export-state
func exportState() uint32 {
	abi.Begin()
	defer abi.End()
	format, bytes := exported.ExportState()
	snapshot := &struct{ format, at, length uint32 }{format: format}
	snapshot.at, snapshot.length = abi.Lower(bytes)
	return abi.Keep(unsafe.Pointer(snapshot))
}

//go:wasmexport flume:policy/state@0.1.0#import-state
func importState(format, at, length uint32) uint32 {
	abi.Begin()
	defer abi.End()
	result := new(struct{ isError, at, length uint32 })
	if err := exported.ImportState(format, slices.Clone(abi.List[byte](at, length))); err != nil {
		result.isError = 1
		result.at, result.length = abi.LowerText(err.Error())
	}
	return abi.Keep(unsafe.Pointer(result))
}
