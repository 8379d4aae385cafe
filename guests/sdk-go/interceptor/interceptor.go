// Package interceptor is for policies that edit or drop events between a source and its channels.
//
//	type withoutHost struct{ host string }
//
//	func (p *withoutHost) Configure(setup *interceptor.Setup) interceptor.Projection {
//		p.host = setup.Properties.Required("host")
//		return interceptor.Projection{Headers: []string{"host"}}
//	}
//
//	func (p *withoutHost) Intercept(_ flumepolicy.Moment, batch *flumepolicy.Batch) {
//		for event := range batch.Events() {
//			if host, found := event.Header("host"); found && string(host) == p.host {
//				event.Drop()
//			}
//		}
//	}
//
//	func init() { interceptor.Export(&withoutHost{}) }
//
//	func main() {}
package interceptor

import "flumepolicy"

// Policy edits or drops events, a batch at a time.
type Policy interface {
	// Configure reads the properties and returns what the policy wants to see. Problems are noted in
	// the properties of the setup.
	Configure(setup *Setup) Projection
	// Intercept handles a batch: only its changes are applied. It may get the same events more than
	// once.
	Intercept(at flumepolicy.Moment, batch *flumepolicy.Batch)
}

// Setup is what an interceptor is made from.
type Setup struct {
	// Properties are those below `interceptors.<name>.`.
	Properties *flumepolicy.Properties
	// Seed is for a generator of random numbers.
	Seed uint64
}

// Projection is what a policy wants to see of each event.
type Projection struct {
	// Headers are names, 64 at most.
	Headers []string
	// Bodies says how much of each body.
	Bodies Bodies
	// Prefix is the number of bytes if Bodies is BodyPrefix.
	Prefix uint32
}

// Bodies is how much of each body a policy wants to see.
type Bodies uint8

// How much of each body.
const (
	// NoBody: nothing.
	NoBody Bodies = iota
	// BodyLength: its length alone.
	BodyLength
	// BodyPrefix: some of its first bytes, and its length.
	BodyPrefix
	// WholeBody: all of it.
	WholeBody
)
