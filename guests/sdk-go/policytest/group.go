// Package policytest stands in for the host, to test a policy with `go test`.
package policytest

import (
	"flumepolicy"
	"flumepolicy/selector"
)

// Pairs are keys and values.
type Pairs map[string]string

// Sink is a sink of a test, with its own properties.
type Sink struct {
	Name       string
	Properties Pairs
}

// Group is a group of sinks with a selector, driven by hand.
type Group struct {
	seat     *selector.Seat
	news     []selector.Feedback
	inFlight []uint32
	now      uint64
}

// NewGroup makes a group; returns the problems with the properties.
func NewGroup(policy selector.Policy, sinks []Sink, own Pairs) (*Group, []flumepolicy.Problem) {
	setup := selector.Setup{Properties: properties(own), Seed: 7}
	for _, sink := range sinks {
		of := selector.Sink{Name: sink.Name, Kind: "null", Properties: properties(sink.Properties)}
		setup.Sinks = append(setup.Sinks, of)
	}
	seat := selector.NewSeat(policy)
	problems := seat.Configure(&setup)
	return &Group{seat: seat, inFlight: make([]uint32, len(sinks)), now: 1}, problems
}

// Order asks for an order.
func (g *Group) Order() []int {
	news := g.news
	g.news = nil
	at := flumepolicy.Moment{Now: g.now, UnixMs: g.now / 1_000_000}
	none := flumepolicy.NewBatch(0, nil, nil, flumepolicy.Column{}, nil)
	return g.seat.Order(selector.Ask{Moment: at, Events: none}, news)
}

// AdvanceMs lets time pass.
func (g *Group) AdvanceMs(ms uint64) { g.now += ms * 1_000_000 }

// Begin begins a batch at a sink.
func (g *Group) Begin(sink int) {
	g.inFlight[sink]++
	g.of(sink)
}

// Deliver ends a batch with success.
func (g *Group) Deliver(sink int, events, latencyMs uint64) {
	g.inFlight[sink]--
	news := g.of(sink)
	news.Batches++
	news.Events += events
	news.Latency += latencyMs * 1_000_000
	news.DeliveredAt = g.now
}

// Fail ends a batch with a failure.
func (g *Group) Fail(sink int) {
	g.inFlight[sink]--
	news := g.of(sink)
	news.Failures++
	news.FailedAt = g.now
}

func (g *Group) of(sink int) *selector.Feedback {
	for at := range g.news {
		if g.news[at].Sink == uint32(sink) {
			g.news[at].InFlight = g.inFlight[sink]
			return &g.news[at]
		}
	}
	g.news = append(g.news, selector.Feedback{Sink: uint32(sink), InFlight: g.inFlight[sink]})
	return &g.news[len(g.news)-1]
}

func properties(pairs Pairs) *flumepolicy.Properties {
	var list []flumepolicy.Pair
	for key, value := range pairs {
		list = append(list, flumepolicy.Pair{Key: key, Value: value})
	}
	return flumepolicy.NewProperties(list...)
}
