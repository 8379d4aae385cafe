package policytest

import (
	"maps"

	"flumepolicy"
	"flumepolicy/interceptor"
)

// Event is an event of a test.
type Event struct {
	Headers Pairs
	Body    string
}

// Intercept configures an interceptor and passes it these events. It returns the resulting events,
// or the problems with the properties. Rejected events are left out, like dropped ones.
func Intercept(
	policy interceptor.Policy, own Pairs, events ...Event,
) ([]Event, []flumepolicy.Problem) {
	setup := interceptor.Setup{Properties: properties(own), Seed: 7}
	wanted := policy.Configure(&setup)
	if problems := setup.Properties.Finish(); len(problems) > 0 {
		return nil, problems
	}
	batch := shown(wanted, events)
	policy.Intercept(flumepolicy.Moment{}, batch)
	return apply(batch.Edits(), events), nil
}

func shown(wanted interceptor.Projection, events []Event) *flumepolicy.Batch {
	columns := make([]flumepolicy.Column, len(wanted.Headers))
	var bodies flumepolicy.Column
	var lengths []uint32
	for _, event := range events {
		for at, name := range wanted.Headers {
			if value, found := event.Headers[name]; found {
				columns[at].Add([]byte(value))
			} else {
				columns[at].Add(nil)
			}
		}
		body := []byte(event.Body)
		switch wanted.Bodies {
		case interceptor.WholeBody:
			bodies.Add(body)
		case interceptor.BodyPrefix:
			bodies.Add(body[:min(len(body), int(wanted.Prefix))])
			lengths = append(lengths, uint32(len(body)))
		case interceptor.BodyLength:
			lengths = append(lengths, uint32(len(body)))
		}
	}
	return flumepolicy.NewBatch(len(events), wanted.Headers, columns, bodies, lengths)
}

func apply(edits flumepolicy.Edits, events []Event) []Event {
	made := make([]Event, len(events))
	for at, event := range events {
		made[at] = Event{Pairs{}, event.Body}
		maps.Copy(made[at].Headers, event.Headers)
	}
	for _, edit := range edits.Headers {
		each(edit.Rows, made, func(event *Event, value []byte, found bool) {
			if found {
				event.Headers[edit.Name] = string(value)
			} else {
				delete(event.Headers, edit.Name)
			}
		})
	}
	if len(edits.Bodies.Values.Ends) > 0 {
		each(edits.Bodies, made, func(event *Event, value []byte, _ bool) {
			event.Body = string(value)
		})
	}
	var left []Event
	for at, event := range made {
		if len(edits.Verdicts) == 0 || edits.Verdicts[at] == 1 {
			left = append(left, event)
		}
	}
	return left
}

// each calls with the events of an edit and their new values.
func each(rows flumepolicy.Rows, events []Event, call func(*Event, []byte, bool)) {
	single := len(rows.Values.Ends) == 1
	count := len(rows.Events)
	if count == 0 {
		count = len(events)
	}
	for row := range count {
		at, of := row, row
		if len(rows.Events) > 0 {
			at = int(rows.Events[row])
		}
		if single {
			of = 0
		}
		value, found := rows.Values.Get(of)
		call(&events[at], value, found)
	}
}
