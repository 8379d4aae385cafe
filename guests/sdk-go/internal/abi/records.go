//go:build wasip1

package abi

// Property is the contract's `property`.
type Property struct{ key, keyLen, value, valueLen Address }

// Key is its key.
func (p *Property) Key() string { return Text(p.key, p.keyLen) }

// Value is its value.
func (p *Property) Value() string { return Text(p.value, p.valueLen) }

// Sink is the contract's `sink`.
type Sink struct{ name, nameLen, kind, kindLen, properties, count Address }

// Name is its name.
func (s *Sink) Name() string { return Text(s.name, s.nameLen) }

// Kind is its type.
func (s *Sink) Kind() string { return Text(s.kind, s.kindLen) }

// Properties are its own.
func (s *Sink) Properties() []Property { return List[Property](s.properties, s.count) }

// Column is the contract's `column`.
type Column struct{ Bytes, BytesLen, Ends, EndsLen Address }

// Strings is a list of strings, as the contract lays it out.
func Strings(texts []string) (Address, Address) {
	type text struct{ at, length Address }
	list := make([]text, len(texts))
	for at, of := range texts {
		list[at].at, list[at].length = LowerText(of)
	}
	return Lower(list)
}
