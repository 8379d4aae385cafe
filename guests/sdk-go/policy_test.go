package flumepolicy

import (
	"reflect"
	"testing"
)

func TestEveryProblemIsNotedOnce(t *testing.T) {
	p := NewProperties(Pair{"a", "7"}, Pair{"b", "x"}, Pair{"c", "9"}, Pair{"f", "yes"})
	if p.Number("a", 1, 1, 9) != 7 || p.Number("b", 1, 1, 9) != 1 {
		t.Error("numbers")
	}
	if p.Flag("f", false) || p.Required("d") != "" {
		t.Error("defaults")
	}
	expected := []Problem{
		{BadValue, "b", "a number from 1 to 9"},
		{BadValue, "f", "`true` or `false`"},
		{MissingKey, "d", ""},
		{UnknownKey, "c", ""},
	}
	if found := p.Finish(); !reflect.DeepEqual(found, expected) {
		t.Errorf("%v", found)
	}
}

func TestAbsentAndEmptyAreTwoThings(t *testing.T) {
	var column Column
	for _, value := range [][]byte{[]byte("ab"), nil, {}, []byte("c")} {
		column.Add(value)
	}
	for row, expected := range []string{"ab", "-", "", "c", "-"} {
		value, found := column.Get(row)
		if !found {
			value = []byte("-")
		}
		if string(value) != expected {
			t.Errorf("row %d is %q", row, value)
		}
	}
}

func TestEditsGoOutAsColumns(t *testing.T) {
	batch := NewBatch(3, nil, nil, Column{}, nil)
	event := func(at int) Event { return Event{batch, at} }
	event(2).SetHeader("h", []byte("x"))
	event(0).SetHeader("h", nil)
	event(2).RemoveHeader("h")
	batch.SetHeader("all", "a")
	event(1).RemoveHeader("all")
	event(1).Drop()
	event(0).Reject()
	for e := range batch.Events() {
		e.SetBody([]byte("b"))
	}
	const gone = 0x8000_0000
	expected := Edits{
		Verdicts: []byte{2, 0, 1},
		Headers: []HeaderEdit{
			{"h", Rows{[]uint32{0, 2}, Column{nil, []uint32{0, gone}}}},
			{"all", Rows{nil, Column{[]byte("a"), []uint32{1}}}},
			{"all", Rows{[]uint32{1}, Column{nil, []uint32{gone}}}},
		},
		Bodies: Rows{nil, Column{[]byte("bbb"), []uint32{1, 2, 3}}},
	}
	if found := batch.Edits(); !reflect.DeepEqual(found, expected) {
		t.Errorf("%v", found)
	}
}
