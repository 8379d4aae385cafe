package main

import (
	"slices"
	"testing"

	"flumepolicy/policytest"
)

func TestTheLeastBusySinkComesFirst(t *testing.T) {
	sinks := []policytest.Sink{
		{Name: "k1", Properties: policytest.Pairs{"cap": "1"}}, {Name: "k2"}, {Name: "k3"},
	}
	group, problems := policytest.NewGroup(&leastBusy{}, sinks, nil)
	if problems != nil {
		t.Fatal(problems)
	}
	expect := func(expected ...int) {
		t.Helper()
		if order := group.Order(); !slices.Equal(order, expected) {
			t.Errorf("%v instead of %v", order, expected)
		}
	}
	expect(0, 1, 2)
	group.Begin(1)
	group.Fail(1)
	expect(0, 2, 1)
	for sink := range 3 {
		group.Begin(sink)
	}
	group.Begin(2)
	expect(1, 2, 0)
}

func TestUnknownKeysAreRefused(t *testing.T) {
	_, problems := policytest.NewGroup(&leastBusy{}, nil, policytest.Pairs{"cpa": "1"})
	if len(problems) != 1 || problems[0].Key != "cpa" {
		t.Errorf("%v", problems)
	}
}
