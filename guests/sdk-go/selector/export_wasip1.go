//go:build wasip1

package selector

import (
	"unsafe"

	"flumepolicy"
	"flumepolicy/internal/abi"
)

var exported *Seat

// Export makes this the policy of the module.
func Export(policy Policy) { exported = NewSeat(policy) }

// needs is the contract's `result<needs, …>`.
type needs struct{ isError, headers, count uint32 }

//go:wasmexport flume:policy/sink-selector@0.1.0#configure
func configure(properties, count, sinks, sinkCount uint32, seed uint64) uint32 {
	abi.Begin()
	defer abi.End()
	setup := Setup{
		Properties: flumepolicy.Lift(abi.List[abi.Property](properties, count)),
		Seed:       seed,
	}
	for _, sink := range abi.List[abi.Sink](sinks, sinkCount) {
		own := flumepolicy.Lift(sink.Properties())
		setup.Sinks = append(setup.Sinks, Sink{sink.Name(), sink.Kind(), own})
	}
	if problems := exported.Configure(&setup); len(problems) > 0 {
		return flumepolicy.Refuse(problems)
	}
	result := new(needs)
	result.headers, result.count = abi.Strings(exported.Headers())
	return abi.Keep(unsafe.Pointer(result))
}

// answered is kept between calls, to save an allocation for each order.
var answered struct {
	at, length uint32
	numbers    []uint32
}

//go:wasmexport flume:policy/sink-selector@0.1.0#order
func order(
	now, unixMs uint64, news, newsCount uint32, depth uint64, events, headers, headerCount uint32,
) uint32 {
	abi.Begin()
	defer abi.End()
	var columns []flumepolicy.Column
	for _, column := range abi.List[abi.Column](headers, headerCount) {
		columns = append(columns, flumepolicy.LiftColumn(column))
	}
	var bodies flumepolicy.Column
	batch := flumepolicy.NewBatch(int(events), exported.Headers(), columns, bodies, nil)
	ask := Ask{Moment: flumepolicy.Moment{Now: now, UnixMs: unixMs}, Depth: depth, Events: batch}
	numbers := answered.numbers[:0]
	for _, sink := range exported.Order(ask, abi.List[Feedback](news, newsCount)) {
		numbers = append(numbers, uint32(sink))
	}
	answered.numbers = numbers
	answered.at, answered.length = abi.Lower(numbers)
	return abi.Keep(unsafe.Pointer(&answered))
}
