package flumepolicy

import (
	"iter"
	"maps"
	"slices"
)

// The bit of an end that says that the row has no value.
const absent = 0x8000_0000

// Verdicts, as the contract counts them.
const (
	dropped  = 0
	kept     = 1
	rejected = 2
)

// Column is one value for each row, joined; see the contract's `column`.
type Column struct {
	Bytes []byte
	Ends  []uint32
}

// Get is the value of a row, if there is one. It is valid only until the call ends.
func (c *Column) Get(row int) ([]byte, bool) {
	if row >= len(c.Ends) || c.Ends[row]&absent != 0 {
		return nil, false
	}
	start := uint32(0)
	if row > 0 {
		start = c.Ends[row-1] &^ absent
	}
	return c.Bytes[start:c.Ends[row]], true
}

// Add adds a row; a nil value is absent.
func (c *Column) Add(value []byte) {
	c.Bytes = append(c.Bytes, value...)
	end := uint32(len(c.Bytes))
	if value == nil {
		end |= absent
	}
	c.Ends = append(c.Ends, end)
}

// Batch is some events, with the parts that the policy asked for.
type Batch struct {
	count   int
	names   []string
	columns []Column
	bodies  Column
	lengths []uint32
	edits   Edits
}

// Edits are the changes to a batch.
type Edits struct {
	// Verdicts has one byte for each event, or nothing if all are kept.
	Verdicts []byte
	Headers  []HeaderEdit
	Bodies   Rows
}

// HeaderEdit is new values of one header.
type HeaderEdit struct {
	Name string
	Rows
}

// Rows are values for some events. No events means all of them.
type Rows struct {
	Events []uint32
	Values Column
}

// NewBatch makes a batch; headers without a column are absent.
func NewBatch(count int, names []string, columns []Column, bodies Column, lengths []uint32) *Batch {
	return &Batch{count: count, names: names, columns: columns, bodies: bodies, lengths: lengths}
}

// Len is the number of events.
func (b *Batch) Len() int { return b.count }

// Events are the events in their order.
func (b *Batch) Events() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for at := 0; at < b.count; at++ {
			if !yield(Event{b, at}) {
				return
			}
		}
	}
}

// SetHeader sets a header of all events to one value, which costs as much as for one event.
func (b *Batch) SetHeader(name, value string) {
	values := Column{Bytes: []byte(value), Ends: []uint32{uint32(len(value))}}
	edit := HeaderEdit{Name: name, Rows: Rows{Values: values}}
	b.edits.Headers = append(b.edits.Headers, edit)
}

// Edits puts the edits into the contract's order.
func (b *Batch) Edits() Edits {
	for at := range b.edits.Headers {
		rows := &b.edits.Headers[at].Rows
		// One row without events is a value for all.
		if len(rows.Events) > 0 {
			rows.finish(b.count)
		}
	}
	b.edits.Bodies.finish(b.count)
	return b.edits
}

// Event is one event of a batch.
type Event struct {
	batch *Batch
	at    int
}

// Place is its place in the batch.
func (e Event) Place() int { return e.at }

// Header is a header as bytes, if the event has it and the policy asked for it. The bytes are valid
// only until the call ends.
func (e Event) Header(name string) ([]byte, bool) {
	at := slices.Index(e.batch.names, name)
	if at < 0 || at >= len(e.batch.columns) {
		return nil, false
	}
	return e.batch.columns[at].Get(e.at)
}

// Body is the requested part of the body; valid only until the call ends.
func (e Event) Body() []byte {
	body, _ := e.batch.bodies.Get(e.at)
	return body
}

// BodyLen is the length of the whole body; 0 if the policy did not ask for bodies.
func (e Event) BodyLen() int {
	if e.at < len(e.batch.lengths) {
		return int(e.batch.lengths[e.at])
	}
	return len(e.Body())
}

// SetHeader sets a header.
func (e Event) SetHeader(name string, value []byte) {
	if value == nil {
		value = []byte{}
	}
	e.batch.editHeader(name).set(e.at, value)
}

// RemoveHeader removes a header, if it is there.
func (e Event) RemoveHeader(name string) { e.batch.editHeader(name).set(e.at, nil) }

// SetBody replaces the body.
func (e Event) SetBody(body []byte) {
	if body == nil {
		body = []byte{}
	}
	e.batch.edits.Bodies.set(e.at, body)
}

// Drop drops the event.
func (e Event) Drop() { e.judge(dropped) }

// Reject says that the event cannot be handled: it goes where the configuration says.
func (e Event) Reject() { e.judge(rejected) }

func (e Event) judge(verdict byte) {
	verdicts := &e.batch.edits.Verdicts
	if len(*verdicts) == 0 {
		*verdicts = slices.Repeat([]byte{kept}, e.batch.count)
	}
	(*verdicts)[e.at] = verdict
}

func (b *Batch) editHeader(name string) *Rows {
	edits := b.edits.Headers
	for at := len(edits) - 1; at >= 0; at-- {
		if edits[at].Name == name && len(edits[at].Events) > 0 {
			return &edits[at].Rows
		}
		if edits[at].Name == name {
			// A value for all stays before this one; edits apply in their order.
			break
		}
	}
	b.edits.Headers = append(edits, HeaderEdit{Name: name})
	return &b.edits.Headers[len(edits)].Rows
}

func (r *Rows) set(event int, value []byte) {
	r.Events = append(r.Events, uint32(event))
	r.Values.Add(value)
}

// finish puts rows in the order of the events, the last of an event's rows only, and leaves out
// the list of events if it names all of them.
func (r *Rows) finish(count int) {
	ascends := true
	for at := 1; at < len(r.Events); at++ {
		ascends = ascends && r.Events[at-1] < r.Events[at]
	}
	if !ascends {
		last := make(map[uint32]int, len(r.Events))
		for row, event := range r.Events {
			last[event] = row
		}
		var sorted Rows
		for _, event := range slices.Sorted(maps.Keys(last)) {
			value, _ := r.Values.Get(last[event])
			sorted.set(int(event), value)
		}
		*r = sorted
	}
	if len(r.Events) == count {
		r.Events = nil
	}
}
