// Command policy orders sinks by batches in flight, then by failures. A sink with `cap` batches
// comes last.
package main

import (
	"cmp"
	"fmt"
	"slices"

	"flumepolicy"
	"flumepolicy/selector"
)

type leastBusy struct{ caps []uint32 }

func (p *leastBusy) Configure(setup *selector.Setup) {
	for _, sink := range setup.Sinks {
		p.caps = append(p.caps, uint32(sink.Properties.Number("cap", 0, 0, 1_000_000)))
	}
	flumepolicy.Info(fmt.Sprintf("least-busy has %d sinks", len(setup.Sinks)))
}

func (p *leastBusy) Order(ask *selector.Ask) []int {
	order := ask.All()
	slices.SortStableFunc(order, func(a, b int) int {
		first, second := ask.Sinks[a], ask.Sinks[b]
		return cmp.Or(
			cmp.Compare(p.full(a, first.InFlight), p.full(b, second.InFlight)),
			cmp.Compare(first.InFlight, second.InFlight),
			cmp.Compare(first.Failures, second.Failures),
		)
	})
	return order
}

// full is 1 for a sink that has all the batches that it may have, and 0 for others.
func (p *leastBusy) full(sink int, inFlight uint32) int {
	if p.caps[sink] > 0 && inFlight >= p.caps[sink] {
		return 1
	}
	return 0
}

func init() { selector.Export(&leastBusy{}) }

func main() {}
