// Package selector is for policies that order the sinks of a load-balancing group.
//
//	type leastBusy struct{}
//
//	func (*leastBusy) Configure(*selector.Setup) {}
//
//	func (*leastBusy) Order(ask *selector.Ask) []int {
//		order := ask.All()
//		slices.SortStableFunc(order, func(a, b int) int {
//			return cmp.Compare(ask.Sinks[a].InFlight, ask.Sinks[b].InFlight)
//		})
//		return order
//	}
//
//	func init() { selector.Export(&leastBusy{}) }
//
//	func main() {}
package selector

import "flumepolicy"

// Policy orders the sinks of a group.
type Policy interface {
	// Configure reads the properties. Problems are noted in the properties of the setup.
	Configure(setup *Setup)
	// Order is asked once for each batch: the numbers of the sinks to try, best first, each at
	// most once; empty if none may be tried now.
	Order(ask *Ask) []int
}

// Hearing is implemented by policies that want each report separately. Both methods are called
// before Order, oldest news first.
type Hearing interface {
	// Failed reports that a sink failed.
	Failed(sink int, at uint64)
	// Delivered reports that a sink delivered.
	Delivered(sink int, news News)
}

// Reading is implemented by policies that want to see headers of the events about to be routed.
type Reading interface {
	// Headers are the names, 16 at most; asked once, after Configure.
	Headers() []string
}

// Setup is what a selector is made from.
type Setup struct {
	// Properties are those below `processor.selector.`.
	Properties *flumepolicy.Properties
	// Sinks are those of the group; a sink's place here is its number everywhere.
	Sinks []Sink
	// Seed is for a generator of random numbers.
	Seed uint64
}

// Sink is one sink of the group.
type Sink struct {
	// Name is its name in the configuration, Kind its type.
	Name, Kind string
	// Properties are its properties for policies. They are ignored unless asked for.
	Properties *flumepolicy.Properties
}

// News is what happened at one sink between two orders.
type News struct {
	// Batches delivered, and events in them.
	Batches uint32
	Events  uint64
	// Latency is their total time, in nanoseconds.
	Latency uint64
	// At is when the sink last delivered (Moment.Now).
	At uint64
}

// Standing is the state of a sink: everything reported about it so far.
type Standing struct {
	// InFlight is how many batches are in flight now.
	InFlight uint32
	// Batches delivered so far, and events in them.
	Batches, Events uint64
	// Failures since the last delivery.
	Failures uint32
	// FailedAt is when it last failed; meaningful if Failures is not 0.
	FailedAt uint64
	// Latency is in nanoseconds for a batch, the mean of the last news; 0 before the first.
	Latency uint64
}

// Ask is the question: in which order?
type Ask struct {
	// Moment is when it is asked.
	flumepolicy.Moment
	// Sinks has the states of the sinks, by number.
	Sinks []Standing
	// Depth is the number of events in the channel.
	Depth uint64
	// Events are those about to be routed, with the headers that Reading asked for.
	Events *flumepolicy.Batch
}

// All is the numbers of all sinks, ascending: a list to sort or to shorten.
func (ask *Ask) All() []int {
	all := make([]int, len(ask.Sinks))
	for at := range all {
		all[at] = at
	}
	return all
}

// Feedback is the contract's `feedback`, in its layout.
type Feedback struct {
	Sink, InFlight, Batches      uint32
	_                            uint32
	Events, Latency, DeliveredAt uint64
	Failures                     uint32
	_                            uint32
	FailedAt                     uint64
}

// Seat is a policy between two calls; the host's side and policytest drive it.
type Seat struct {
	policy    Policy
	standings []Standing
	headers   []string
}

// NewSeat is a seat for a policy.
func NewSeat(policy Policy) *Seat { return &Seat{policy: policy} }

// Configure makes the policy ready; returns the problems with the properties.
func (s *Seat) Configure(setup *Setup) []flumepolicy.Problem {
	s.policy.Configure(setup)
	problems := setup.Properties.Finish()
	for _, sink := range setup.Sinks {
		for _, problem := range sink.Properties.Problems() {
			problems = append(problems, problem.OfSink(sink.Name))
		}
	}
	s.standings = make([]Standing, len(setup.Sinks))
	if reading, reads := s.policy.(Reading); reads && len(problems) == 0 {
		s.headers = reading.Headers()
	}
	return problems
}

// Headers are those that the policy wants to see.
func (s *Seat) Headers() []string { return s.headers }

// Order passes on the news and asks for an order. The events' columns are in the order of Headers.
func (s *Seat) Order(ask Ask, news []Feedback) []int {
	for at := range news {
		s.hear(&news[at])
	}
	ask.Sinks = s.standings
	return s.policy.Order(&ask)
}

func (s *Seat) hear(entry *Feedback) {
	standing := &s.standings[entry.Sink]
	failedLast := entry.Failures > 0 &&
		(entry.Batches == 0 || entry.FailedAt >= entry.DeliveredAt)
	standing.InFlight = entry.InFlight
	standing.Batches += uint64(entry.Batches)
	standing.Events += entry.Events
	if entry.Batches > 0 {
		standing.Latency = entry.Latency / uint64(entry.Batches)
		standing.Failures = 0
	}
	if entry.Failures > 0 {
		standing.FailedAt = entry.FailedAt
	}
	if failedLast {
		standing.Failures += entry.Failures
	}
	hearing, hears := s.policy.(Hearing)
	if !hears {
		return
	}
	sink := int(entry.Sink)
	if entry.Failures > 0 && !failedLast {
		hearing.Failed(sink, entry.FailedAt)
	}
	if entry.Batches > 0 {
		news := News{entry.Batches, entry.Events, entry.Latency, entry.DeliveredAt}
		hearing.Delivered(sink, news)
	}
	if failedLast {
		hearing.Failed(sink, entry.FailedAt)
	}
}
