//go:build wasip1

package interceptor

import (
	"unsafe"

	"flumepolicy"
	"flumepolicy/internal/abi"
)

var (
	exported Policy
	headers  []string
)

// Export makes this the policy of the module.
func Export(policy Policy) { exported = policy }

// projection is the contract's `result<projection, …>`.
type projection struct{ isError, headers, count, bodies, prefix uint32 }

//go:wasmexport flume:policy/interceptor@0.1.0#configure
func configure(properties, count uint32, seed uint64) uint32 {
	abi.Begin()
	defer abi.End()
	own := flumepolicy.Lift(abi.List[abi.Property](properties, count))
	wanted := exported.Configure(&Setup{Properties: own, Seed: seed})
	if problems := own.Finish(); len(problems) > 0 {
		return flumepolicy.Refuse(problems)
	}
	headers = wanted.Headers
	result := &projection{bodies: uint32(wanted.Bodies), prefix: wanted.Prefix}
	result.headers, result.count = abi.Strings(headers)
	return abi.Keep(unsafe.Pointer(result))
}

// edits is the contract's record, headerEdit its `header-edit`.
type edits struct {
	verdicts, verdictCount, headers, headerCount uint32
	hasBodies, events, eventCount                uint32
	bodies                                       abi.Column
}

type headerEdit struct {
	name, nameLen, events, eventCount uint32
	values                            abi.Column
}

//go:wasmexport flume:policy/interceptor@0.1.0#intercept
func intercept(
	now, unixMs uint64, events, columns, columnCount uint32,
	bodies, bodiesLen, ends, endsLen uint32, lengths, lengthCount uint32,
) uint32 {
	abi.Begin()
	defer abi.End()
	shown := make([]flumepolicy.Column, columnCount)
	for at, column := range abi.List[abi.Column](columns, columnCount) {
		shown[at] = flumepolicy.LiftColumn(column)
	}
	whole := flumepolicy.LiftColumn(abi.Column{
		Bytes: bodies, BytesLen: bodiesLen, Ends: ends, EndsLen: endsLen,
	})
	known := abi.List[uint32](lengths, lengthCount)
	batch := flumepolicy.NewBatch(int(events), headers, shown, whole, known)
	exported.Intercept(flumepolicy.Moment{Now: now, UnixMs: unixMs}, batch)
	return lower(batch.Edits())
}

func lower(made flumepolicy.Edits) uint32 {
	result := new(edits)
	result.verdicts, result.verdictCount = abi.Lower(made.Verdicts)
	list := make([]headerEdit, len(made.Headers))
	for at, edit := range made.Headers {
		of := &list[at]
		of.name, of.nameLen = abi.LowerText(edit.Name)
		of.events, of.eventCount = abi.Lower(edit.Events)
		of.values = flumepolicy.LowerColumn(edit.Values)
	}
	result.headers, result.headerCount = abi.Lower(list)
	if len(made.Bodies.Values.Ends) > 0 {
		result.hasBodies = 1
		result.events, result.eventCount = abi.Lower(made.Bodies.Events)
		result.bodies = flumepolicy.LowerColumn(made.Bodies.Values)
	}
	return abi.Keep(unsafe.Pointer(result))
}
